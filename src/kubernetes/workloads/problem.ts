/** Why a workload has fewer ready instances than it should have, from what Kubernetes' own objects say. Pure. */
import type { Event } from "../../api/event.ts";
import type { WorkloadProblem } from "../../runtime/workloads.ts";
import type { Deployment, ReplicaSet } from "../kinds/deployment.ts";
import type { ContainerStatus, Pod, Terminated } from "../kinds/pod.ts";
import { lastEnd, lastProbeFailure, lastWords, statusOf, timeOf } from "./instance-state.ts";

/** `at` is absent where the objects don't say when. */
export type Finding = Omit<WorkloadProblem, "at"> & { at?: number };

/** Reasons of a container that waits for its image. Those that only say that it waits have nothing of the registry. */
export const imageReasons: ReadonlySet<string> = new Set([
  "ErrImagePull",
  "ImagePullBackOff",
  "InvalidImageName",
  "ImageInspectError",
  "ErrImageNeverPull",
  "RegistryUnavailable",
  "SignatureValidationFailed",
]);

/** Reasons of a container that waits and that are part of every start. */
const usual: ReadonlySet<string> = new Set(["ContainerCreating", "PodInitializing", "CrashLoopBackOff", ""]);

/**
 * What a Pod says; undefined where nothing is wrong.
 * @param before what was found of this workload before: a back-off has lost the message of what it follows
 */
export function podFinding(pod: Pod, probes: readonly Event[], before: Finding | undefined): Finding | undefined {
  if (pod.status?.phase === "Failed" && pod.status.reason !== undefined) {
    return { reason: "InsufficientResources", message: sentence(pod.status.reason, pod.status.message) };
  }
  const scheduled = pod.status?.conditions?.find(({ type }) => type === "PodScheduled");
  if (scheduled?.status === "False") {
    const at = timeOf(scheduled.lastTransitionTime);
    const message = sentence(scheduled.reason ?? "Unschedulable", scheduled.message);
    return { reason: "InsufficientResources", message, ...(at === undefined ? {} : { at }) };
  }
  const status = statusOf(pod);
  const waiting = status?.state?.waiting;
  const reason = waiting?.reason ?? "";
  if (imageReasons.has(reason)) {
    if (reason === "ImagePullBackOff" && before?.reason === "ContainerMissing") return before;
    return { reason: "ContainerMissing", message: pullWords(waiting?.message ?? reason) };
  }
  const ended = lastEnd(status);
  if (ended !== undefined) return endFinding(ended, status, probes);
  return usual.has(reason) ? undefined : { reason: "StartFailed", message: sentence(reason, waiting?.message) };
}

function endFinding(ended: Terminated, status: ContainerStatus | undefined, probes: readonly Event[]): Finding {
  const at = timeOf(ended.finishedAt);
  const when = at === undefined ? {} : { at };
  if (ended.reason === "StartError" || ended.reason === "ContainerCannotRun") {
    // Such a run has no time of its own.
    return { ...startFinding(ended.message ?? ""), ...when };
  }
  if (ended.reason === "OOMKilled") {
    const message = "Container was killed: it used more memory than its limit, or than the node has";
    return { reason: "OOMKilled", code: ended.exitCode, message, ...when };
  }
  const liveness = probes.filter(({ message = "" }) => message.startsWith("Liveness probe failed"));
  const failure = lastProbeFailure(liveness, timeOf(ended.startedAt) ?? 0);
  // A grace period lies between the last failed probe and the end.
  if (failure !== undefined && failure.at <= (at ?? 0) && status?.state?.running === undefined) {
    return { reason: "LivenessProbeFailed", message: failure.message, ...when };
  }
  return { reason: "ExitCode", code: ended.exitCode, message: lastWords(ended), ...when };
}

/** A program that couldn't be run has the exit code that a shell would give, as on one machine. */
export function startFinding(message: string): Finding {
  // After the last frame of containerd's and runc's, and before what they add.
  const words = message.replace(/^.*unable to start container process: /su, "").replace(/: unknown$/u, "");
  if (/no such file or directory|executable file not found/u.test(message)) {
    return { reason: "ExitCode", code: 127, message: words };
  }
  if (/permission denied/u.test(message)) return { reason: "ExitCode", code: 126, message: words };
  return { reason: "StartFailed", message: words };
}

/** What the registry said, without the frames of the kubelet and of containerd around it. */
export function pullWords(message: string): string {
  return message
    .replace(/^rpc error: code = \w+ desc = /u, "")
    .replace(/^failed to pull and unpack image "[^"]*": /u, "");
}

/** Why a ReplicaSet can't make its Pods. */
export function replicaFinding(owner: ReplicaSet | Deployment): Finding | undefined {
  const failure = owner.status?.conditions?.find(({ type }) => type === "ReplicaFailure");
  if (failure?.status !== "True" || failure.reason !== "FailedCreate") return undefined;
  // Each try has another Pod's name in it, and is no news.
  const message = (failure.message ?? failure.reason).replace(/^pods "[^"]*" is forbidden: /u, "");
  const at = timeOf(failure.lastTransitionTime);
  const scarce = /exceeded quota|failed quota|(?:maximum|minimum) (?:cpu|memory|ephemeral-storage) usage/u.test(
    message,
  );
  return { reason: scarce ? "InsufficientResources" : "StartFailed", message, ...(at === undefined ? {} : { at }) };
}

export function sentence(reason: string, message: string | undefined): string {
  return message === undefined || message === "" ? reason : `${reason}: ${message}`;
}
