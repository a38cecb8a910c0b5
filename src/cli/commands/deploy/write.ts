/**
 * What a deploy writes before it waits.
 */
import type { HttpClient } from "../../../client/http.ts";
import { changeObject } from "../../change.ts";
import { FailureError } from "../../errors.ts";
import { Configuration, Route, type TrafficTarget } from "../../objects.ts";
import { optional } from "../../optional.ts";
import { rememberTraffic } from "../../previous-traffic.ts";
import { automatic, isManual } from "../../traffic.ts";
import type { DeployOptions } from "./deploy.ts";
import { changeKeys, changeTemplate, type TemplateChanges } from "./template.ts";

/** Writes the Configuration and the Route of a service that lacks one or both; gives the Configuration's generation. */
export async function createService(plan: {
  client: HttpClient;
  namespace: string;
  service: string;
  changes: TemplateChanges;
  hasRoute: boolean;
  options: DeployOptions;
}): Promise<number> {
  const { client, namespace, service, changes } = plan;
  const key = { namespace, name: service };
  const labels = changeKeys(undefined, changes.labels);
  const metadata = { name: service, namespace, ...(labels === undefined ? {} : { labels }) };
  const existing = await optional(client.get(Configuration, key));
  const created =
    existing === undefined
      ? await client.create(Configuration, {
          apiVersion: "elafros.dev/v1alpha1",
          kind: "Configuration",
          metadata,
          spec: { revisionTemplate: changeTemplate(undefined, changes) },
        })
      : undefined;
  const generation = created?.metadata.generation ?? (await updateConfiguration(client, key, changes));
  if (plan.hasRoute) return generation;
  try {
    await client.create(Route, {
      apiVersion: "elafros.dev/v1alpha1",
      kind: "Route",
      metadata: { name: service, namespace },
      spec: { rollout: { traffic: automatic(service, plan.options.name) } },
    });
  } catch (error) {
    // A service is both: with only one of them nothing would answer, so the half that was made goes again.
    if (created !== undefined) await client.delete(Configuration, key).catch(() => {});
    throw error;
  }
  return generation;
}

/** Changes the template of the Configuration; gives its new generation. */
export async function updateConfiguration(
  client: HttpClient,
  key: { namespace: string; name: string },
  changes: TemplateChanges,
): Promise<number> {
  const { after } = await changeObject(client, Configuration, {
    key,
    edit: (object) => {
      object.spec.revisionTemplate = changeTemplate(object.spec.revisionTemplate, changes);
      const labels = changeKeys(object.metadata.labels, changes.labels);
      if (labels !== undefined) object.metadata.labels = labels;
    },
  });
  return after.metadata.generation ?? 0;
}

/** Pins what is served now, so that the new Revision gets nothing by itself. */
export async function holdTraffic(plan: {
  client: HttpClient;
  key: { namespace: string; name: string };
  before: readonly TrafficTarget[];
  service: string;
}): Promise<void> {
  const { before } = plan;
  if (before.length === 0) {
    throw new FailureError(
      `Service "${plan.service}" serves no revision yet, so there is nothing to keep the traffic on: deploy it without --no-traffic first`,
    );
  }
  await changeObject(plan.client, Route, {
    key: plan.key,
    edit: (route) => {
      if (isManual(route.spec.rollout.traffic)) return;
      rememberTraffic(route, route.spec.rollout.traffic);
      route.spec.rollout.traffic = [...before];
    },
  });
}
