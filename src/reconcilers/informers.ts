/** The shared caches, with the indexes by which the reconcilers find what belongs together. */
import { sharedTemplates, templateName } from "../api/build-spec.ts";
import { BuildTemplate } from "../api/build-template.ts";
import { buildOutcome } from "../api/build.conditions.ts";
import { Build } from "../api/build.ts";
import { ConfigMap } from "../api/config-map.ts";
import { Configuration } from "../api/configuration.ts";
import { configurationLabel } from "../api/labels.ts";
import type { Kind } from "../api/meta/kind.ts";
import type { KubeObject } from "../api/meta/types.ts";
import { Namespace } from "../api/namespace.ts";
import { Revision } from "../api/revision.ts";
import { Route } from "../api/route.ts";
import { Secret } from "../api/secret.ts";
import { ServiceAccount } from "../api/service-account.ts";
import type { Client } from "../client/client.ts";
import { startInformer } from "../controller/index.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Informers } from "./deps.ts";

/** Starts following every kind that reconcilers look at. */
export function startInformers(deps: { client: Client; clock: Clock; log: Log }): Informers {
  const follow = <T extends KubeObject>(
    kind: Kind<T>,
    indexes: Record<string, (object: T) => readonly string[]> = {},
  ) => startInformer({ ...deps, kind, indexes });
  return {
    configurations: follow(Configuration),
    revisions: follow(Revision, {
      configuration: (revision) => inNamespace(revision, [revision.metadata.labels?.[configurationLabel] ?? ""]),
      secret: (revision) => inNamespace(revision, secretsOf(revision)),
      configMap: (revision) => inNamespace(revision, configMapsOf(revision)),
      build: (revision) => inNamespace(revision, revision.spec.buildName ? [revision.spec.buildName] : []),
      serviceAccount: (revision) => inNamespace(revision, [revision.spec.serviceAccountName ?? "default"]),
    }),
    routes: follow(Route, {
      configuration: (route) => inNamespace(route, followedBy(route)),
      revision: (route) => inNamespace(route, namedBy(route)),
      secret: (route) =>
        inNamespace(
          route,
          (route.spec.tls ?? []).map(({ secretName }) => secretName),
        ),
    }),
    builds: follow(Build, {
      configuration: (build) => inNamespace(build, [build.metadata.labels?.[configurationLabel] ?? ""]),
      template: (build) => (isFinished(build) ? [] : templatesOf(build)),
      unfinished: (build) => (isFinished(build) ? [] : [build.metadata.namespace ?? ""]),
    }),
    buildTemplates: follow(BuildTemplate),
    secrets: follow(Secret),
    configMaps: follow(ConfigMap),
    serviceAccounts: follow(ServiceAccount),
    namespaces: follow(Namespace),
  };
}

/** Whether a Build has ended, well or not. */
function isFinished({ status }: Build): boolean {
  return buildOutcome(status?.conditions) !== undefined;
}

/** The keys under which a Build's template may be, in the order in which they are looked up. */
export function templatesOf({ metadata, spec }: Build): string[] {
  const { name = "", namespace = "" } = spec.template ?? {};
  if (name === "") return [];
  const places = namespace === "" ? [metadata.namespace ?? "", sharedTemplates] : [namespace];
  return places.map((place) => `${place}/${templateName(name)}`);
}

/** The Configurations that a Route follows. */
export function followedBy(route: Route): string[] {
  return route.spec.rollout.traffic.flatMap(({ configurationName }) => configurationName ?? []);
}

/** The Revisions that a Route names: those that it pins, serves, or may go back to. */
export function namedBy(route: Route): string[] {
  const { spec, status } = route;
  const pinned = spec.rollout.traffic.flatMap(({ revisionName }) => revisionName ?? []);
  const served = (status?.traffic ?? []).map(({ revisionName }) => revisionName);
  const shifting = status?.rollout === undefined ? [] : [status.rollout.from, status.rollout.to];
  // Where a guard would take traffic back to: until then nothing else may name it.
  const held = (status?.guard ?? []).map(({ from }) => from);
  return [...new Set([...pinned, ...served, ...shifting, ...held])];
}

/** The names of the Secrets that a Revision refers to, but for its ServiceAccount's. */
function secretsOf({ spec }: Revision): string[] {
  return [
    ...(spec.imagePullSecrets ?? []).map(({ name }) => name),
    ...(spec.container.envFrom ?? []).flatMap(({ secretRef }) => secretRef?.name ?? []),
    ...(spec.container.env ?? []).flatMap(({ valueFrom }) => valueFrom?.secretKeyRef?.name ?? []),
    ...(spec.volumes ?? []).flatMap(({ secret, projected }) => [
      ...(secret === undefined ? [] : [secret.secretName]),
      ...(projected?.sources ?? []).flatMap((source) => source.secret?.name ?? []),
    ]),
  ];
}

/** The names of the ConfigMaps that a Revision refers to. */
function configMapsOf({ spec }: Revision): string[] {
  return [
    ...(spec.container.envFrom ?? []).flatMap(({ configMapRef }) => configMapRef?.name ?? []),
    ...(spec.container.env ?? []).flatMap(({ valueFrom }) => valueFrom?.configMapKeyRef?.name ?? []),
    ...(spec.volumes ?? []).flatMap(({ configMap, projected }) => [
      ...(configMap === undefined ? [] : [configMap.name]),
      ...(projected?.sources ?? []).flatMap((source) => source.configMap?.name ?? []),
    ]),
  ];
}

function inNamespace(object: KubeObject, names: readonly string[]): string[] {
  return names.map((name) => `${object.metadata.namespace ?? ""}/${name}`);
}
