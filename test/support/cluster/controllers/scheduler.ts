/** Stand-in for the scheduler: the emptiest node that a Pod fits on, or why there is none. */
import { cpuMilli } from "../../../../src/api/meta/quantity.ts";
import type { KubeObject } from "../../../../src/api/meta/types.ts";
import { rfc3339 } from "../../../../src/lib/clock.ts";
import { Node } from "../kinds/kinds.ts";
import { Pod } from "../kinds/workloads.ts";
import { selects } from "./select.ts";
import {
  all,
  type Controller,
  type ControllerParts,
  keyOfObject,
  read,
  runController,
  systemContext,
} from "./tools.ts";
import { tell } from "./tools.ts";
import type { PodObject } from "./types.ts";

interface NodeObject extends KubeObject {
  spec?: { unschedulable?: boolean };
  status?: { allocatable?: { cpu?: string } };
}

const component = "default-scheduler";

export function runScheduler(parts: ControllerParts): Controller {
  const waiting = (): string[] =>
    all<PodObject>(parts, Pod)
      .filter(isWaiting)
      .map((pod) => keyOfObject(Pod, pod));
  return runController(parts, {
    name: "scheduler",
    follows: [Pod, Node],
    keys: (kind, object) => {
      if (kind === Node) return waiting();
      const pod = object as PodObject;
      // Where a Pod has gone there may be room for another.
      const gone = read(parts, Pod, keyOfObject(Pod, pod)) === undefined;
      return gone ? waiting() : isWaiting(pod) ? [keyOfObject(Pod, pod)] : [];
    },
    work: (key) => schedule(parts, key),
  });
}

function isWaiting({ spec, metadata }: PodObject): boolean {
  return spec.nodeName === undefined && metadata.deletionTimestamp === undefined;
}

/** What was added up already: each Pod that is placed looks at all others. */
const known = new WeakMap<PodObject, number>();

function cpuOf(pod: PodObject): number {
  let cpu = known.get(pod);
  if (cpu === undefined) {
    const each = pod.spec.containers.map(({ resources }) => cpuMilli(resources?.requests?.cpu ?? "0") ?? 0);
    known.set(pod, (cpu = each.reduce((sum, one) => sum + one, 0)));
  }
  return cpu;
}

async function schedule(parts: ControllerParts, key: string): Promise<void> {
  const pod = read(parts, Pod, key) as PodObject | undefined;
  if (pod === undefined || !isWaiting(pod)) return;
  const { namespace = "", name } = pod.metadata;
  const nodes = all<NodeObject>(parts, Node);
  const pods = Map.groupBy(all<PodObject>(parts, Pod), ({ spec }) => spec.nodeName);
  const reasons: Unfit[] = [];
  const fitting = nodes.flatMap((node) => {
    const here = pods.get(node.metadata.name) ?? [];
    const reason = unfit(node, pod, here);
    if (reason === undefined) return [{ node, load: here.length }];
    reasons.push(reason);
    return [];
  });
  const [best] = fitting.toSorted((a, b) => a.load - b.load);
  const now = rfc3339(parts.clock.now());
  const target = { kind: Pod, namespace, name };
  if (best === undefined) {
    const none = `0/${nodes.length} nodes are available:`;
    const preemption = counted(reasons.map(({ hopeless }) => (hopeless ? notHelpful : noVictims)));
    const message = `${none} ${counted(reasons.map(({ why }) => why))}. preemption: ${none} ${preemption}.`;
    await setCondition(parts, pod, {
      type: "PodScheduled",
      status: "False",
      lastTransitionTime: now,
      reason: "Unschedulable",
      message,
    });
    await tell(parts, Pod, { object: pod, what: { type: "Warning", reason: "FailedScheduling", message, component } });
    return;
  }
  const nodeName = best.node.metadata.name;
  await parts.service.patch(systemContext(), target, { type: "merge", body: { spec: { nodeName } } });
  // A merge keeps what isn't said: why it wasn't scheduled before is taken out.
  const scheduled = { type: "PodScheduled", status: "True", lastTransitionTime: now, reason: null, message: null };
  await setCondition(parts, pod, scheduled);
  const message = `Successfully assigned ${namespace}/${name} to ${nodeName}`;
  await tell(parts, Pod, { object: pod, what: { reason: "Scheduled", message, component } });
}

/** Why a node doesn't take a Pod, in the scheduler's words. */
interface Unfit {
  why: string;
  /** Also where no other Pod were there. */
  hopeless: boolean;
}

const notHelpful = "Preemption is not helpful for scheduling.";
const noVictims = "No preemption victims found for incoming pod.";

/** How often each reason is there, as the scheduler lists them. */
function counted(reasons: readonly string[]): string {
  const groups = [...Map.groupBy(reasons, (reason) => reason)].map(([reason, all]) => `${all.length} ${reason}`);
  return groups.toSorted().join(", ");
}

function unfit({ spec, status, metadata }: NodeObject, pod: PodObject, here: readonly PodObject[]): Unfit | undefined {
  if (spec?.unschedulable === true) return { why: "node(s) were unschedulable", hopeless: true };
  const { nodeSelector } = pod.spec;
  const asks = nodeSelector !== undefined && Object.keys(nodeSelector).length > 0;
  if (asks && !selects({ matchLabels: nodeSelector }, { metadata } as KubeObject)) {
    return { why: "node(s) didn't match Pod's node affinity/selector", hopeless: true };
  }
  const used = here.reduce((sum, one) => sum + cpuOf(one), 0);
  const room = cpuMilli(status?.allocatable?.cpu ?? "0") ?? 0;
  return used + cpuOf(pod) > room ? { why: "Insufficient cpu", hopeless: false } : undefined;
}

async function setCondition(parts: ControllerParts, pod: PodObject, condition: object): Promise<void> {
  const { namespace = "", name } = pod.metadata;
  const target = { kind: Pod, namespace, name, subresource: "status" } as const;
  // Merges by type: the kubelet may have written its own meanwhile.
  const body = { status: { conditions: [condition] } };
  await parts.service.patch(systemContext(), target, { type: "strategic", body });
}
