/** An instance as its Pod shows it. Pure. */
import type { Event } from "../../api/event.ts";
import type { InstanceExit, InstancePhase, InstanceState } from "../../runtime/workloads.ts";
import type { ContainerStatus, Pod, Terminated } from "../kinds/pod.ts";

/** What this process knows of Pods that are going, by name. */
export interface Leaving {
  /** Out of every route table, or on the way there. */
  readonly draining: ReadonlySet<string>;
  /** No gateway sends them anything any more, and their requests have ended. */
  readonly drained: ReadonlySet<string>;
}

/** Whether a Pod has ended for good: its ReplicaSet puts another in its place. */
export function hasEnded({ status }: Pod): boolean {
  return status?.phase === "Failed" || status?.phase === "Succeeded";
}

/** @param probes Events of failed probes of this Pod */
export function instanceState(pod: Pod, leaving: Leaving, probes: readonly Event[]): InstanceState {
  const { metadata, spec } = pod;
  const status = statusOf(pod);
  const phase = phaseOf(pod, leaving);
  const port = spec?.containers[0]?.ports?.[0]?.containerPort;
  const host = pod.status?.podIP;
  const started = timeOf(status?.state?.running?.startedAt);
  const readySince = phase === "ready" ? readyCondition(pod)?.lastTransitionTime : undefined;
  const last = lastEnd(status);
  const failure = phase === "ready" ? undefined : lastProbeFailure(probes, started)?.message;
  return {
    id: metadata.name,
    phase,
    image: spec?.containers[0]?.image ?? "",
    labels: metadata.labels ?? {},
    ...(host === undefined || host === "" || port === undefined ? {} : { address: { host, port } }),
    createdAt: timeOf(metadata.creationTimestamp) ?? 0,
    ...(started === undefined ? {} : { startedAt: started }),
    ...(readySince === undefined ? {} : { readyAt: timeOf(readySince) ?? 0 }),
    restarts: status?.restartCount ?? 0,
    ...(last === undefined ? {} : { lastExit: exitOf(last) }),
    ...(failure === undefined ? {} : { probeFailure: failure }),
  };
}

function phaseOf(pod: Pod, { draining, drained }: Leaving): InstancePhase {
  const name = pod.metadata.name;
  const state = statusOf(pod)?.state;
  // What is being deleted is out of the tables from the moment that this is known, whoever deletes it.
  if (pod.metadata.deletionTimestamp !== undefined) return drained.has(name) ? "stopping" : "draining";
  if (state?.running !== undefined) {
    if (readyCondition(pod)?.status !== "True") return "starting";
    return draining.has(name) ? "draining" : "ready";
  }
  if (state?.terminated !== undefined || lastEnd(statusOf(pod)) !== undefined) return "waiting";
  return "creating";
}

export function statusOf(pod: Pod): ContainerStatus | undefined {
  return pod.status?.containerStatuses?.[0];
}

function readyCondition(pod: Pod) {
  return pod.status?.conditions?.find(({ type }) => type === "Ready");
}

/** How the container's last run ended: the present state where it hasn't been started again. */
export function lastEnd(status: ContainerStatus | undefined): Terminated | undefined {
  return status?.state?.terminated ?? status?.lastState?.terminated;
}

function exitOf(ended: Terminated): InstanceExit {
  return {
    code: ended.exitCode,
    oomKilled: ended.reason === "OOMKilled",
    message: lastWords(ended),
    at: timeOf(ended.finishedAt) ?? 0,
  };
}

/** The termination message; of output that stands for it, the last line, as on one machine. */
export function lastWords({ message = "" }: Terminated): string {
  return message.trimEnd().split("\n").at(-1) ?? "";
}

/** The last one of the present run. */
export function lastProbeFailure(probes: readonly Event[], since = 0): { message: string; at: number } | undefined {
  let last: { message: string; at: number } | undefined;
  for (const event of probes) {
    const at = timeOf(event.lastTimestamp) ?? timeOf(event.eventTime) ?? 0;
    if (at >= since && at >= (last?.at ?? 0)) last = { message: event.message ?? "", at };
  }
  return last;
}

/** Milliseconds since the epoch. */
export function timeOf(text: string | null | undefined): number | undefined {
  return text === undefined || text === null ? undefined : Date.parse(text);
}
