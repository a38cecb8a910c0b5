/** Nodes of a cluster, and emptying one of what is Elafros' there, as `kubectl drain` does: by evictions that disruption budgets may put off. */
import { ApiError } from "../../src/api/meta/errors.ts";
import { foreignKind } from "../../src/api/meta/foreign-kind.ts";
import type { KubeObject } from "../../src/api/meta/types.ts";
import type { HttpClient } from "../../src/client/http.ts";
import { Pod } from "../../src/kubernetes/kinds/pod.ts";
import { eventually } from "../support/platform.ts";

interface Node extends KubeObject {
  spec: { unschedulable?: boolean; taints?: { effect: string }[] };
  status?: { conditions?: { type: string; status: string }[] };
}
const Node = foreignKind<Node>({ group: "", version: "v1", kind: "Node", plural: "nodes", namespaced: false });

/** Names of those that are ready and take any Pod. */
export async function schedulableNodes(client: HttpClient): Promise<string[]> {
  const { items } = await client.list(Node);
  return items
    .filter(({ spec, status }) => {
      const ready = status?.conditions?.some((one) => one.type === "Ready" && one.status === "True") === true;
      return ready && spec.unschedulable !== true && !spec.taints?.some(({ effect }) => effect !== "PreferNoSchedule");
    })
    .map(({ metadata }) => metadata.name);
}

/** Pods of these namespaces that are on the node and haven't ended. */
export async function podsOn(client: HttpClient, node: string, namespaces: readonly string[]): Promise<Pod[]> {
  const lists = await Promise.all(namespaces.map((namespace) => client.list(Pod, { namespace })));
  return lists
    .flatMap(({ items }) => items)
    .filter(
      ({ spec, status }) => spec?.nodeName === node && status?.phase !== "Succeeded" && status?.phase !== "Failed",
    );
}

/** Lets no more Pods onto a node, or some again. */
export async function cordon(client: HttpClient, node: string, unschedulable: boolean): Promise<void> {
  await client.patch(Node, { name: node }, { type: "merge", body: { spec: { unschedulable } } });
}

/** Evicts all Pods of these namespaces from a node, again and again where a disruption budget says not now, and waits until they are gone. */
export async function evictAll(client: HttpClient, node: string, namespaces: readonly string[]): Promise<void> {
  const asked = new Set<string>();
  await eventually(
    `nothing of ${namespaces.join(" and ")} is on ${node}`,
    async () => {
      const pods = await podsOn(client, node, namespaces);
      for (const pod of pods) {
        const { uid = "", deletionTimestamp } = pod.metadata;
        if (deletionTimestamp === undefined && !asked.has(uid) && (await evict(client, pod))) asked.add(uid);
      }
      if (pods.length === 0) return true;
      throw new Error(`${pods.map(({ metadata }) => metadata.name).join(", ")} still there`);
    },
    { timeoutMs: 900_000, everyMs: 1_000 },
  );
}

/** Whether the eviction was taken. */
async function evict(client: HttpClient, { metadata }: Pod): Promise<boolean> {
  const { namespace, name } = metadata;
  const body = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name, namespace } };
  const path = `/api/v1/namespaces/${namespace}/pods/${name}/eviction`;
  const answer = await client.request({ method: "POST", path, body, headers: { "content-type": "application/json" } });
  if (answer.status < 300 || answer.status === 404) return true;
  const error = ApiError.fromStatus(answer.status, JSON.parse(answer.text));
  if (error.reason === "TooManyRequests") return false;
  throw error;
}
