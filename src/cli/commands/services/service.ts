/**
 * A service: a Route and a Configuration of one name. It is no object of its own; this is how the CLI shows it.
 */
import { typeLabel } from "../../../api/labels.ts";
import { conditionOf, explain } from "../../conditions.ts";
import type { Configuration, Route } from "../../objects.ts";
import type { ServiceType } from "../../options.ts";

export interface Service {
  name: string;
  namespace: string;
  route: Route;
  configuration: Configuration;
}

/** The pairs among Routes and Configurations, by name. */
export function pairServices(routes: readonly Route[], configurations: readonly Configuration[]): Service[] {
  const keyOf = (object: Route | Configuration) => `${object.metadata.namespace ?? ""}/${object.metadata.name}`;
  const byKey = new Map(configurations.map((one) => [keyOf(one), one]));
  return routes.flatMap((route) => {
    const configuration = byKey.get(keyOf(route));
    if (configuration === undefined) return [];
    const { name, namespace = "default" } = route.metadata;
    return [{ name, namespace, route, configuration }];
  });
}

/** What a service's newest revision runs, by the label of its template. */
export function typeOf({ configuration }: Pick<Service, "configuration">): ServiceType {
  return configuration.spec.revisionTemplate.metadata?.labels?.[typeLabel] === "function" ? "function" : "app";
}

/** Whether a service answers with its newest revision: True, False or Unknown, and why not. */
export function readiness({ route, configuration }: Service): { status: string; why: string } {
  // The Configuration first: it says why its newest Revision failed, the Route only that it has none.
  for (const object of [configuration, route]) {
    const ready = conditionOf(object, "Ready");
    if (ready?.status !== "True") return { status: ready?.status ?? "Unknown", why: explain(ready) };
  }
  return { status: "True", why: "" };
}

/** The form for `-o json|yaml`. */
export function serviceDocument({ name, namespace, route, configuration }: Service): object {
  return { kind: "Service", metadata: { name, namespace }, url: route.status?.url, route, configuration };
}
