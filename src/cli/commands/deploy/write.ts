/**
 * What a deploy writes before it waits.
 */
import type { HttpClient } from "../../../client/http.ts";
import { changeObject } from "../../change.ts";
import { FailureError } from "../../errors.ts";
import { Configuration, Route, type TrafficTarget } from "../../objects.ts";
import { optional } from "../../optional.ts";
import { rememberTraffic } from "../../previous-traffic.ts";
import type { InlineBuild } from "../../source/make-build.ts";
import { automatic, isManual } from "../../traffic.ts";
import { changeKeys, changeTemplate, type TemplateChanges } from "../../template.ts";

/** What a deploy changes in a Configuration. Without `build` nothing is built: an image is deployed. */
export interface ServiceChanges extends TemplateChanges {
  build?: ((before: InlineBuild | undefined) => InlineBuild) | undefined;
}

/** A service by the names of its two objects. */
export interface ServiceKey {
  client: HttpClient;
  namespace: string;
  service: string;
}

/**
 * Writes a service that lacks its Route: both halves, or none.
 * @param target the name of the Route's target
 * @param write writes the Configuration
 * @param first which half is written before the other
 */
export async function createService<T>(
  { client, namespace, service }: ServiceKey,
  { target, write, first }: { target: string | undefined; write: () => Promise<T>; first: "Configuration" | "Route" },
): Promise<T> {
  const key = { namespace, name: service };
  const createRoute = () =>
    client.create(Route, {
      apiVersion: "elafros.dev/v1alpha1",
      kind: "Route",
      metadata: { name: service, namespace },
      spec: { rollout: { traffic: automatic(service, target) } },
    });
  if (first === "Route") {
    await createRoute();
    return undoing(write(), () => client.delete(Route, key));
  }
  const existed = (await optional(client.get(Configuration, key))) !== undefined;
  const written = await write();
  await undoing(createRoute(), () => (existed ? Promise.resolve() : client.delete(Configuration, key)));
  return written;
}

/** With only one of its halves a service would not answer, so where the second can't be written the first one goes again. */
async function undoing<T>(second: Promise<T>, undo: () => Promise<unknown>): Promise<T> {
  try {
    return await second;
  } catch (error) {
    await undo().catch(() => {});
    throw error;
  }
}

/** Makes the Configuration, or changes it; gives its generation. */
export async function writeConfiguration(
  { client, namespace, service }: ServiceKey,
  changes: ServiceChanges,
): Promise<number> {
  const key = { namespace, name: service };
  if ((await optional(client.get(Configuration, key))) === undefined) {
    const labels = changeKeys(undefined, changes.labels);
    const created = await client.create(Configuration, {
      apiVersion: "elafros.dev/v1alpha1",
      kind: "Configuration",
      metadata: { name: service, namespace, ...(labels === undefined ? {} : { labels }) },
      spec: changeSpec(undefined, changes),
    });
    return created.metadata.generation ?? 0;
  }
  const { after } = await changeObject(client, Configuration, {
    key,
    edit: (object) => {
      object.spec = changeSpec(object.spec, changes);
      const labels = changeKeys(object.metadata.labels, changes.labels);
      if (labels !== undefined) object.metadata.labels = labels;
    },
  });
  return after.metadata.generation ?? 0;
}

function changeSpec(before: Configuration["spec"] | undefined, changes: ServiceChanges): Configuration["spec"] {
  const { build: last, ...kept } = before ?? {};
  const build = changes.build?.(last);
  return {
    ...kept,
    revisionTemplate: changeTemplate(before?.revisionTemplate, changes),
    ...(build === undefined ? {} : { build }),
  };
}

/** Pins what is served now, so that the new Revision gets nothing by itself. */
export async function holdTraffic(
  { client, namespace, service }: ServiceKey,
  before: readonly TrafficTarget[],
): Promise<void> {
  if (before.length === 0) {
    throw new FailureError(
      `Service "${service}" serves no revision yet, so there is nothing to keep the traffic on: deploy it without --no-traffic first`,
    );
  }
  await changeObject(client, Route, {
    key: { namespace, name: service },
    edit: (route) => {
      if (isManual(route.spec.rollout.traffic)) return;
      rememberTraffic(route, route.spec.rollout.traffic);
      route.spec.rollout.traffic = [...before];
    },
  });
}
