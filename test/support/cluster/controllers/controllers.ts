/** Starts every stand-in of a simulated cluster, over its nodes. */
import { rfc3339 } from "../../../../src/lib/clock.ts";
import { Node } from "../kinds/kinds.ts";
import { runBudgets } from "./budgets.ts";
import { runDeployments } from "./deployments.ts";
import { runEndpointSlices } from "./endpoint-slices.ts";
import { type KubeletParts, runKubelets } from "./kubelet.ts";
import { healthyConditions, runNodes } from "./nodes.ts";
import { runReplicaSets } from "./replica-sets.ts";
import { runScheduler } from "./scheduler.ts";
import { systemContext } from "./tools.ts";

export interface NodeOptions {
  /** How many. Named node-1, node-2, … */
  nodes: number;
  /** What each has, as a quantity. */
  cpu: string;
}

/** Makes the nodes and starts the stand-ins; the returned function ends them. */
export async function startControllers(parts: KubeletParts, { nodes, cpu }: NodeOptions): Promise<() => Promise<void>> {
  const now = rfc3339(parts.clock.now());
  for (let number = 1; number <= nodes; number += 1) {
    const name = `node-${number}`;
    const labels = { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux" };
    const node = { apiVersion: "v1", kind: "Node", metadata: { name, labels }, spec: {} };
    await parts.service.create(systemContext(), { kind: Node }, node);
    const status = { allocatable: { cpu }, capacity: { cpu }, conditions: healthyConditions(now) };
    const target = { kind: Node, name, subresource: "status" } as const;
    await parts.service.patch(systemContext(), target, { type: "merge", body: { status } });
  }
  const running = [
    runNodes(parts),
    runScheduler(parts),
    runDeployments(parts),
    runReplicaSets(parts),
    runEndpointSlices(parts),
    runBudgets(parts),
    runKubelets(parts),
  ];
  return async () => {
    await Promise.all(running.map((one) => one.stop()));
  };
}
