/** Subresources that Elafros' own API server doesn't have: scale, eviction and binding. */
import { parse as parseYaml } from "yaml";
import { ApiError } from "../../../src/api/meta/errors.ts";
import type { ApiService, RequestContext, Target } from "../../../src/api/meta/service.ts";
import type { KubeObject } from "../../../src/api/meta/types.ts";
import { isObject, type JsonObject } from "../../../src/apiserver/json.ts";
import { mergePatch } from "../../../src/apiserver/merge-patch.ts";
import { readDeleteOptions, readWriteOptions } from "../../../src/apiserver/query.ts";
import type { FrontAnswer, FrontCall } from "./front.ts";
import { selects } from "./controllers/select.ts";
import { PodDisruptionBudget } from "./kinds/kinds.ts";

interface Parts {
  service: ApiService;
}

/** Who the API server is to itself. */
const system = (): RequestContext => ({
  user: { username: "system:apiserver", groups: ["system:masters"] },
  warnings: [],
});

const success = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 };

/** Answers a request on one of them. */
export async function handleSubresource(parts: Parts, call: FrontCall): Promise<FrontAnswer> {
  const { subresource } = call.info;
  if (subresource === "eviction") return evict(parts, call);
  if (subresource === "binding") return bind(parts, call);
  return scale(parts, call);
}

interface Scaled extends KubeObject {
  spec: { replicas?: number; selector: { matchLabels?: Record<string, string> } };
  status?: { replicas?: number };
}

function scaleOf({ metadata, spec, status }: Scaled): JsonObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = metadata;
  const selector = Object.entries(spec.selector.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    // As Kubernetes, which leaves out zeros.
    spec: (spec.replicas ?? 0) === 0 ? {} : { replicas: spec.replicas },
    status: { replicas: status?.replicas ?? 0, selector: selector.join(",") },
  };
}

async function scale({ service }: Parts, { request, target, context, query, body }: FrontCall): Promise<FrontAnswer> {
  const object = (await service.get(context, target)) as Scaled;
  if (request.method === "GET") return { status: 200, body: scaleOf(object) };
  const asked = parseYaml(body) as JsonObject;
  const wanted = request.method === "PATCH" ? mergePatch(scaleOf(object), asked) : asked;
  const spec = isObject(wanted) && isObject(wanted["spec"]) ? wanted["spec"] : {};
  const options = readWriteOptions(query, "UpdateOptions");
  const patch = { type: "merge", body: { spec: { replicas: spec["replicas"] ?? 0 } } } as const;
  return { status: 200, body: scaleOf((await service.patch(context, target, patch, options)) as Scaled) };
}

async function bind({ service }: Parts, { target, context, body }: FrontCall): Promise<FrontAnswer> {
  const { name = "" } = target;
  const pod = (await service.get(context, target)) as KubeObject & { spec: { nodeName?: string } };
  const { nodeName } = pod.spec;
  if (nodeName !== undefined) {
    const words = `Operation cannot be fulfilled on pods/binding "${name}": pod ${name} is already assigned to node ${JSON.stringify(nodeName)}`;
    throw new ApiError("Conflict", words, { details: { name, kind: "pods/binding" } });
  }
  const { target: node } = parseYaml(body) as { target: { name: string } };
  await service.patch(context, target, { type: "merge", body: { spec: { nodeName: node.name } } });
  return { status: 201, body: success };
}

interface Budget extends KubeObject {
  spec: { selector?: { matchLabels?: Record<string, string> } };
  status?: { disruptionsAllowed?: number; desiredHealthy?: number; currentHealthy?: number; disruptedPods?: object };
}

type EvictedPod = KubeObject & { status?: { conditions?: { type: string; status: string }[] } };

/** Deletes a Pod where the budgets that select it allow it. */
async function evict({ service }: Parts, { target, context, query, body }: FrontCall): Promise<FrontAnswer> {
  const { name = "", namespace = "" } = target;
  const pod = (await service.get(context, target)) as EvictedPod;
  const { dryRun = false } = readWriteOptions(query, "CreateOptions");
  const { deleteOptions } = (parseYaml(body) ?? {}) as { deleteOptions?: JsonObject };
  const options = { ...readDeleteOptions(new URLSearchParams(), deleteOptions), dryRun };
  const ready = pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;
  // What ends already, or takes no requests, disrupts nothing.
  if (pod.metadata.deletionTimestamp === undefined && ready) {
    const { items } = await service.list(system(), { kind: PodDisruptionBudget, namespace });
    for (const budget of items as Budget[]) {
      if (selects(budget.spec.selector, pod)) await spend({ service, budget, pod: name, dryRun });
    }
  }
  if (!dryRun && pod.metadata.deletionTimestamp === undefined) await markDisrupted(service, target);
  await service.delete(context, { ...target }, options);
  return { status: 201, body: success };
}

/** Says of a Pod why it goes. */
async function markDisrupted(service: ApiService, target: Target): Promise<void> {
  const condition = {
    type: "DisruptionTarget",
    status: "True",
    lastTransitionTime: new Date().toISOString(),
    reason: "EvictionByEvictionAPI",
    message: "Eviction API: evicting",
  };
  // Merges by type.
  const patch = { type: "strategic", body: { status: { conditions: [condition] } } } as const;
  await service.patch(system(), { ...target, subresource: "status" }, patch);
}

/** Counts a disruption against a budget, or refuses it. */
async function spend(of: { service: ApiService; budget: Budget; pod: string; dryRun: boolean }): Promise<void> {
  const { metadata, status = {} } = of.budget;
  const { disruptionsAllowed = 0, desiredHealthy = 0, currentHealthy = 0 } = status;
  if (disruptionsAllowed <= 0) {
    const message = `The disruption budget ${metadata.name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`;
    // Kubernetes names no field here.
    const cause = { reason: "DisruptionBudget", message } as never;
    throw new ApiError("TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.", {
      details: { causes: [cause] },
    });
  }
  if (of.dryRun) return;
  const { namespace = "", name } = metadata;
  const target: Target = { kind: PodDisruptionBudget, namespace, name, subresource: "status" };
  const disruptedPods = { ...status.disruptedPods, [of.pod]: new Date().toISOString() };
  const changed = { ...of.budget, status: { ...status, disruptedPods, disruptionsAllowed: disruptionsAllowed - 1 } };
  await of.service.update(system(), target, changed);
}
