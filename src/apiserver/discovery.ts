/** Discovery: which groups, versions and resources there are, from the kinds and the virtual resources. */
import { createHash } from "node:crypto";

import { type Kind, apiVersionOf } from "../api/meta/kind.ts";
import { type VirtualResource, virtualResources } from "./virtual.ts";

interface ApiResource {
  name: string;
  singularName: string;
  namespaced: boolean;
  group?: string;
  version?: string;
  kind: string;
  verbs: string[];
  shortNames?: readonly string[];
  categories?: readonly string[];
  storageVersionHash?: string;
}

/** What may be done with every stored kind. */
export const allVerbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
/** And with its status. */
export const statusVerbs = ["get", "patch", "update"];

/** Everything that discovery answers. */
export interface Discovery {
  /** `/api`. */
  core: object;
  /** `/apis`. */
  groups: object;
  /** `/apis/{group}`. */
  group(name: string): object | undefined;
  /** `/api/{version}` and `/apis/{group}/{version}`; the core group is `""`. */
  resources(group: string, version: string): object | undefined;
  /** Every group and version, the core group first. */
  groupVersions: readonly { group: string; version: string }[];
}

/** Builds the answers once; they don't change while the server runs. */
export function createDiscovery(kinds: readonly Kind[]): Discovery {
  const seen = new Map<string, { group: string; version: string }>();
  for (const { group, version } of [...kinds, ...virtualResources]) seen.set(`${group}/${version}`, { group, version });
  const groupVersions = [...seen.values()].sort((a, b) => a.group.localeCompare(b.group));
  const lists = new Map(
    groupVersions.map(({ group, version }) => [`${group}/${version}`, resourceList(kinds, group, version)]),
  );
  const named = new Map(
    groupVersions
      .filter(({ group }) => group !== "")
      .map(({ group, version }) => [group, describeGroup(group, version)]),
  );
  return {
    core: {
      kind: "APIVersions",
      versions: groupVersions.filter(({ group }) => group === "").map(({ version }) => version),
      serverAddressByClientCIDRs: [],
    },
    groups: { kind: "APIGroupList", apiVersion: "v1", groups: [...named.values()] },
    group: (name) => {
      const group = named.get(name);
      return group === undefined ? undefined : { kind: "APIGroup", apiVersion: "v1", ...group };
    },
    resources: (group, version) => lists.get(`${group}/${version}`),
    groupVersions,
  };
}

function describeGroup(group: string, version: string): object {
  const groupVersion = { groupVersion: `${group}/${version}`, version };
  return { name: group, versions: [groupVersion], preferredVersion: groupVersion };
}

function resourceList(kinds: readonly Kind[], group: string, version: string): object {
  const own = kinds.filter((kind) => kind.group === group && kind.version === version).flatMap(kindResources);
  const virtual = virtualResources.filter((one) => one.group === group && one.version === version).map(virtualResource);
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: group === "" ? version : `${group}/${version}`,
    resources: [...own, ...virtual].sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

function kindResources(kind: Kind): ApiResource[] {
  const { plural, singular, namespaced } = kind;
  const resource: ApiResource = { name: plural, singularName: singular, namespaced, kind: kind.kind, verbs: allVerbs };
  if (kind.shortNames.length > 0) resource.shortNames = kind.shortNames;
  if (kind.categories.length > 0) resource.categories = kind.categories;
  resource.storageVersionHash = createHash("sha256")
    .update(`${apiVersionOf(kind)}/${kind.kind}`)
    .digest("base64")
    .slice(0, 11)
    .concat("=");
  if (!kind.hasStatus) return [resource];
  return [resource, { name: `${plural}/status`, singularName: "", namespaced, kind: kind.kind, verbs: statusVerbs }];
}

function virtualResource({ name, kind, kindVersion, namespaced, verbs }: VirtualResource): ApiResource {
  const resource: ApiResource = { name, singularName: "", namespaced, kind, verbs: [...verbs] };
  if (kindVersion !== undefined) {
    resource.group = kindVersion.group;
    resource.version = kindVersion.version;
  }
  return resource;
}
