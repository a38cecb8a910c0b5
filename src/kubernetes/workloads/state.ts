/**
 * A workload as Kubernetes' objects show it. Pure: from what is there and what was found before, so that after a restart the same comes out.
 *
 * Pods are what counts: they are the first to say that an instance is ready, goes, or fails. An EndpointSlice follows them, by a controller
 * more; it is looked at for one thing, that a Pod goes, in case that the Pods' own watch lags.
 */
import type { Event } from "../../api/event.ts";
import type { InstanceState, WorkloadKey, WorkloadProblem, WorkloadState } from "../../runtime/workloads.ts";
import type { Deployment, ReplicaSet } from "../kinds/deployment.ts";
import type { Pod } from "../kinds/pod.ts";
import type { EndpointSlice } from "../kinds/service.ts";
import { hasEnded, instanceState, type Leaving } from "./instance-state.ts";
import { type Finding, podFinding, replicaFinding } from "./problem.ts";

export interface Observed {
  key: WorkloadKey;
  /** How many are wanted. */
  desired: number;
  pods: readonly Pod[];
  deployment: Deployment | undefined;
  replicaSets: readonly ReplicaSet[];
  slices: readonly EndpointSlice[];
  /** Events of failed probes. */
  probes: readonly Event[];
  leaving: Leaving;
  /** Why the API server took no object of this workload. */
  refused: WorkloadProblem | undefined;
  /** What came out the last time. */
  before: WorkloadProblem | undefined;
}

/** @param now milliseconds since the epoch: of a problem whose objects don't say when it began */
export function workloadState(seen: Observed, now: number): WorkloadState {
  const { key, desired } = seen;
  const going = new Set(seen.slices.flatMap(goingOf));
  const draining = new Set([...seen.leaving.draining, ...going]);
  const probesOf = (pod: Pod) => seen.probes.filter(({ involvedObject: { uid } }) => uid === pod.metadata.uid);
  const instances = seen.pods
    .filter((pod) => !hasEnded(pod))
    .map((pod) => instanceState(pod, { ...seen.leaving, draining }, probesOf(pod)))
    .toSorted((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
  const problem = problemOf(seen, instances, probesOf);
  return {
    key,
    desired,
    instances,
    ...(problem === undefined ? {} : { problem: timed(problem, seen.before, now) }),
  };
}

/** Names of the Pods that a slice says are going. */
function goingOf({ endpoints }: EndpointSlice): string[] {
  return (endpoints ?? []).flatMap(({ conditions, targetRef }) =>
    conditions?.terminating === true && targetRef?.name !== undefined ? [targetRef.name] : [],
  );
}

function problemOf(
  seen: Observed,
  instances: readonly InstanceState[],
  probesOf: (pod: Pod) => Event[],
): Finding | undefined {
  if (instances.some(({ phase }) => phase === "ready")) return undefined;
  if (seen.refused !== undefined) return seen.refused;
  const staying = seen.pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const found = staying.flatMap((pod) => podFinding(pod, probesOf(pod), seen.before) ?? []);
  // Of several the last counts; where that isn't known, what Pods say of themselves.
  const worst = found.toSorted((a, b) => (b.at ?? Infinity) - (a.at ?? Infinity))[0];
  if (worst !== undefined || seen.desired === 0) return worst;
  for (const owner of [...seen.replicaSets, ...(seen.deployment === undefined ? [] : [seen.deployment])]) {
    const finding = replicaFinding(owner);
    if (finding !== undefined) return finding;
  }
  return undefined;
}

function timed(finding: Finding, before: WorkloadProblem | undefined, now: number): WorkloadProblem {
  if (finding.at !== undefined) return { ...finding, at: finding.at };
  const same = before?.reason === finding.reason && before.message === finding.message && before.code === finding.code;
  return { ...finding, at: same ? before.at : now };
}
