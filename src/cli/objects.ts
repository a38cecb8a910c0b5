/**
 * The kinds as the CLI uses them: their types, and as values only what finds them on a server. The schemas stay unloaded, which
 * would cost each command more time than its request; a test holds these against the kinds themselves.
 */
import type { Build as BuildObject } from "../api/build.ts";
import type { BuildTemplate as BuildTemplateObject } from "../api/build-template.ts";
import type { ConfigMap as ConfigMapObject } from "../api/config-map.ts";
import type { Configuration as ConfigurationObject, RevisionTemplate } from "../api/configuration.ts";
import type { Event as EventObject } from "../api/event.ts";
import type { Kind } from "../api/meta/kind.ts";
import type { KubeObject } from "../api/meta/types.ts";
import type { Pod as PodObject } from "../api/pod.ts";
import type { Revision as RevisionObject } from "../api/revision.ts";
import type { RevisionSpec as RevisionSpecObject } from "../api/revision-spec.ts";
import type { Route as RouteObject, RouteTarget } from "../api/route.ts";
import type { Secret as SecretObject } from "../api/secret.ts";
import type { ServiceAccount as ServiceAccountObject } from "../api/service-account.ts";

export type Configuration = ConfigurationObject;
export type Revision = RevisionObject;
export type Route = RouteObject;
export type Build = BuildObject;
export type BuildTemplate = BuildTemplateObject;
export type ConfigMap = ConfigMapObject;
export type Secret = SecretObject;
export type ServiceAccount = ServiceAccountObject;
export type Event = EventObject;
export type Pod = PodObject;
export type Template = RevisionTemplate;
export type RevisionSpec = RevisionSpecObject;
export type Container = RevisionSpecObject["container"];
export type TrafficTarget = RouteTarget;

function reference<T extends KubeObject>(
  group: string,
  version: string,
  names: Pick<Kind, "kind" | "plural" | "shortNames">,
): Kind<T> {
  return {
    ...names,
    group,
    version,
    listKind: `${names.kind}List`,
    singular: names.kind.toLowerCase(),
    categories: [],
    namespaced: true,
    schema: {},
    hasStatus: group !== "",
    names: { form: "dns1123subdomain", max: 253 },
    columns: [],
  };
}

const elafros = ["elafros.dev", "v1alpha1"] as const;
const build = ["build.dev", "v1alpha1"] as const;
const core = ["", "v1"] as const;

export const Configuration = reference<Configuration>(...elafros, {
  kind: "Configuration",
  plural: "configurations",
  shortNames: ["cfg"],
});
export const Revision = reference<Revision>(...elafros, { kind: "Revision", plural: "revisions", shortNames: ["rev"] });
export const Route = reference<Route>(...elafros, { kind: "Route", plural: "routes", shortNames: ["rt"] });
export const Build = reference<Build>(...build, { kind: "Build", plural: "builds", shortNames: [] });
export const BuildTemplate = reference<BuildTemplate>(...build, {
  kind: "BuildTemplate",
  plural: "buildtemplates",
  shortNames: ["bt"],
});
export const ConfigMap = reference<ConfigMap>(...core, { kind: "ConfigMap", plural: "configmaps", shortNames: ["cm"] });
export const Secret = reference<Secret>(...core, { kind: "Secret", plural: "secrets", shortNames: [] });
export const ServiceAccount = reference<ServiceAccount>(...core, {
  kind: "ServiceAccount",
  plural: "serviceaccounts",
  shortNames: ["sa"],
});
export const Event = reference<Event>(...core, { kind: "Event", plural: "events", shortNames: ["ev"] });
export const Pod = reference<Pod>(...core, { kind: "Pod", plural: "pods", shortNames: ["po"] });

/** All of them. */
export const references = [
  Configuration,
  Revision,
  Route,
  Build,
  BuildTemplate,
  ConfigMap,
  Secret,
  ServiceAccount,
  Event,
  Pod,
] as const;
