/** Aggregated discovery (apidiscovery.k8s.io): everything in two answers, where clients since 1.26 ask for it; else they need one per group. */
import type { Kind } from "../api/meta/kind.ts";
import { allVerbs, statusVerbs } from "./discovery.ts";
import { parseAccept } from "./negotiate.ts";
import { virtualResources } from "./virtual.ts";

/** The versions of the format, which are the same in what is used of it. */
const versions = ["v2", "v2beta1"];

/** The version of the aggregated format that an `Accept` header prefers; undefined where it prefers something else. */
export function aggregatedVersion(accept: string | undefined): string | undefined {
  for (const { type, params } of parseAccept(accept ?? "")) {
    if (type !== "application/json" && type !== "*/*") continue;
    if (params["as"] === undefined) return undefined;
    const version = params["v"] ?? "";
    if (params["as"] === "APIGroupDiscoveryList" && params["g"] === "apidiscovery.k8s.io" && versions.includes(version))
      return version;
  }
  return undefined;
}

/** The media type that says what the answer is; clients look at it. */
export function aggregatedType(version: string): string {
  return `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
}

/** The groups below `/api` (the core group) or `/apis` (all others). */
export function aggregatedGroups(
  kinds: readonly Kind[],
  groupVersions: readonly { group: string; version: string }[],
  { core, version }: { core: boolean; version: string },
): object {
  const wanted = groupVersions.filter(({ group }) => (group === "") === core);
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: wanted.map((place) => ({
      metadata: { name: place.group, creationTimestamp: null },
      versions: [{ version: place.version, resources: resources(kinds, place), freshness: "Current" }],
    })),
  };
}

function resources(kinds: readonly Kind[], { group, version }: { group: string; version: string }): object[] {
  const virtual = virtualResources.filter((one) => one.group === group && one.version === version);
  const stored = kinds.filter((kind) => kind.group === group && kind.version === version);
  const responseKind = (kind: string, of = { group, version }): object => ({ ...of, kind });
  const scope = (namespaced: boolean): string => (namespaced ? "Namespaced" : "Cluster");
  const own = stored.map((kind) => {
    const parts = virtual.filter(({ name }) => name.startsWith(`${kind.plural}/`));
    const subresources = [
      ...(kind.hasStatus ? [{ subresource: "status", responseKind: responseKind(kind.kind), verbs: statusVerbs }] : []),
      ...parts.map((part) => ({
        subresource: part.name.slice(kind.plural.length + 1),
        responseKind: responseKind(part.kind, part.kindVersion),
        verbs: part.verbs,
      })),
    ];
    return {
      resource: kind.plural,
      responseKind: responseKind(kind.kind),
      scope: scope(kind.namespaced),
      singularResource: kind.singular,
      verbs: allVerbs,
      ...(kind.shortNames.length > 0 ? { shortNames: kind.shortNames } : {}),
      ...(kind.categories.length > 0 ? { categories: kind.categories } : {}),
      ...(subresources.length > 0 ? { subresources } : {}),
    };
  });
  const others = virtual
    .filter(({ name }) => !name.includes("/"))
    .map(({ name, kind, namespaced, verbs }) => ({
      resource: name,
      responseKind: responseKind(kind),
      scope: scope(namespaced),
      singularResource: kind.toLowerCase(),
      verbs,
    }));
  return [...own, ...others];
}
