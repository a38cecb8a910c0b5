/** Stand-in for what looks after nodes: one that takes no more Pods has a taint that says so. */
import type { KubeObject } from "../../../../src/api/meta/types.ts";
import { rfc3339 } from "../../../../src/lib/clock.ts";
import { Node } from "../kinds/kinds.ts";
import { type Controller, type ControllerParts, keyOfObject, read, runController, systemContext } from "./tools.ts";

interface Taint {
  key: string;
  effect: string;
  timeAdded?: string;
}

interface NodeObject extends KubeObject {
  spec?: { unschedulable?: boolean; taints?: readonly Taint[] };
}

const key = "node.kubernetes.io/unschedulable";

/** The conditions of a node that has all it needs, as its kubelet tells them. */
export function healthyConditions(now: string): object[] {
  return [
    ["MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"],
    ["DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"],
    ["PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"],
    ["Ready", "True", "KubeletReady", "kubelet is posting ready status"],
  ].map(([type, status, reason, message]) => ({ type, status, lastTransitionTime: now, reason, message }));
}

export function runNodes(parts: ControllerParts): Controller {
  return runController(parts, {
    name: "nodes",
    follows: [Node],
    keys: (_, node) => [keyOfObject(Node, node)],
    work: async (name) => {
      const node: NodeObject | undefined = read(parts, Node, name);
      if (node === undefined) return;
      const { spec = {}, metadata } = node;
      const { unschedulable = false, taints = [] } = spec;
      if (taints.some((taint) => taint.key === key) === unschedulable) return;
      const others = taints.filter((taint) => taint.key !== key);
      const timeAdded = rfc3339(parts.clock.now());
      const wanted = unschedulable ? [...others, { key, effect: "NoSchedule", timeAdded }] : others;
      // Whoever changes it meanwhile is heard first.
      const { resourceVersion } = metadata;
      const body = { metadata: { resourceVersion }, spec: { taints: wanted.length === 0 ? null : wanted } };
      await parts.service.patch(systemContext(), { kind: Node, name }, { type: "merge", body });
    },
  });
}
