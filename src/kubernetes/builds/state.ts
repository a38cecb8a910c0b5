/** How a build is, from its Pod alone: whoever leads next says the same. Pure. */
import { buildNameLabel } from "../../api/labels.ts";
import { parseSourceFound, sourceUnknownFailure, timeoutFailure } from "../../runtime/build-words.ts";
import type { BuildFailure, BuildKey, BuildState, StepState } from "../../runtime/builds.ts";
import type { ContainerStatus, Pod } from "../kinds/pod.ts";
import { lastWords, timeOf } from "../workloads/instance-state.ts";
import { sentence } from "../workloads/problem.ts";
import { endAnnotation, ownContainers } from "./names.ts";
import { parseImageResult } from "./programs.ts";
import { failureOf, fetchesSource, type StepContainer, stepContainers, stepState } from "./step-state.ts";
import { waitingOf } from "./waiting.ts";

/** The Build that a Pod is of; undefined where it is none's. */
export function buildOf({ metadata }: Pod): { key: BuildKey; uid: string } | undefined {
  const name = metadata.labels?.[buildNameLabel];
  const owner = metadata.ownerReferences?.find(({ kind, controller }) => kind === "Build" && controller === true);
  if (name === undefined || owner?.name !== name) return undefined;
  return { key: { namespace: metadata.namespace ?? "", name }, uid: owner.uid };
}

/** Whether nothing of it runs any more, or will. */
export function hasEnded({ metadata, spec, status }: Pod): boolean {
  if (status?.phase === "Failed" || status?.phase === "Succeeded") return true;
  // One on no node has nothing that could go on; of one that is taken away nobody will tell how it ended.
  const isEnded = metadata.annotations?.[endAnnotation] !== undefined && (spec?.nodeName ?? "") === "";
  return isEnded || metadata.deletionTimestamp !== undefined;
}

/** Whether any of its containers has begun. */
export function hasBegun({ status }: Pod): boolean {
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  return all.some(({ state }) => state?.running !== undefined || state?.terminated !== undefined);
}

export function buildStateOf(pod: Pod, { key, uid }: { key: BuildKey; uid: string }): BuildState {
  const { metadata, status } = pod;
  const containers = stepContainers(pod);
  const ended = hasEnded(pod) ? endOf(pod) : undefined;
  const steps = containers.map((one) => stepState(one, ended));
  const startedAt = hasBegun(pod) ? (timeOf(status?.startTime) ?? timeOf(metadata.creationTimestamp)) : undefined;
  const source = sourceOf(containers);
  const common = {
    key,
    uid,
    createdAt: timeOf(metadata.creationTimestamp) ?? 0,
    ...(startedAt === undefined ? {} : { startedAt }),
    steps,
    ...(source === undefined ? {} : { source }),
    labels: metadata.labels ?? {},
  };
  if (ended === undefined) {
    const message = steps.some(({ phase }) => phase === "running") ? undefined : waitingOf(pod)?.message;
    const phase = startedAt === undefined ? "queued" : "running";
    return { ...common, phase, ...(message === undefined ? {} : { message }) };
  }
  const end = outcomeOf(pod, { containers, steps });
  if ("failure" in end) return { ...common, phase: "failed", endedAt: ended, failure: end.failure };
  const { image } = end;
  return { ...common, phase: "succeeded", endedAt: ended, ...(image === undefined ? {} : { imageDigest: image }) };
}

/** When it ended: with the last of its containers, or when it was taken away. */
function endOf({ metadata, status }: Pod): number {
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  const times = all.flatMap(({ state }) => timeOf(state?.terminated?.finishedAt) ?? []);
  const said = endedOf(metadata.annotations?.[endAnnotation])?.at;
  const last = Math.max(...times, said ?? 0, 0);
  return last > 0 ? last : (timeOf(metadata.deletionTimestamp) ?? timeOf(metadata.creationTimestamp) ?? 0);
}

/** Why a Pod is ended before its time, as it is written down on it. */
export interface Ended {
  failure: BuildFailure;
  /** Milliseconds since the epoch. */
  at: number;
}

function endedOf(text: string | undefined): Ended | undefined {
  try {
    const { failure, at } = JSON.parse(text ?? "") as Partial<Ended>;
    return failure === undefined || typeof at !== "number" ? undefined : { failure, at };
  } catch {
    return undefined;
  }
}

function outcomeOf(
  pod: Pod,
  { containers, steps }: { containers: readonly StepContainer[]; steps: readonly StepState[] },
): { failure: BuildFailure } | { image?: string } {
  const image = ended(pod.status?.containerStatuses, ownContainers.image);
  const result = parseImageResult(image?.message ?? "");
  // What was taken is taken, whatever was said meanwhile.
  if (image?.exitCode === 0 && result !== undefined && !("failure" in result)) return result;
  const said = endedOf(pod.metadata.annotations?.[endAnnotation]);
  if (said !== undefined) return said;
  const { spec, status, metadata } = pod;
  if (status?.reason === "DeadlineExceeded") {
    return { failure: timeoutFailure((spec?.activeDeadlineSeconds ?? 0) * 1_000) };
  }
  const prepare = ended(status?.initContainerStatuses, ownContainers.prepare);
  if (prepare !== undefined && prepare.exitCode !== 0) {
    return { failure: { reason: "BuildStepFailed", message: `Build cannot begin: ${lastWords(prepare)}` } };
  }
  const failed = steps.findIndex(({ phase, exitCode }) => phase === "ended" && exitCode !== 0);
  const lost = metadata.deletionTimestamp !== undefined || status?.reason !== undefined;
  if (failed >= 0 && !lost) return { failure: failureOf(steps[failed], containers[failed]?.container) };
  if (lost) return { failure: lostFailure(pod, steps) };
  if (result !== undefined && "failure" in result) return result;
  if (containers.some((one) => fetchesSource(one.container)) && sourceOf(containers) === undefined) {
    return { failure: sourceUnknownFailure };
  }
  const words = image === undefined ? "its Pod ended without it" : lastWords(image) || `exit code ${image.exitCode}`;
  return { failure: { reason: "ImageMissing", message: `The image can't be taken: ${words}` } };
}

function ended(statuses: readonly ContainerStatus[] | undefined, name: string) {
  return statuses?.find((one) => one.name === name)?.state?.terminated;
}

/** Its Pod was taken away, or its node ended it: not the step's fault. */
function lostFailure({ metadata, status }: Pod, steps: readonly StepState[]): BuildFailure {
  const why =
    status?.reason === undefined
      ? `its Pod "${metadata.name}" was deleted`
      : `its Pod was ended by the cluster: ${sentence(status.reason, status.message)}`;
  const { name } = steps.find(({ phase, exitCode }) => phase !== "ended" || exitCode !== 0) ?? { name: "" };
  const message = name === "" ? `Build failed: ${why}` : `Step "${name}" failed with error message: ${why}`;
  return { reason: "BuildStepFailed", message };
}

function sourceOf(containers: readonly StepContainer[]): BuildState["source"] {
  const fetching = containers.find(({ container }) => fetchesSource(container));
  const end = fetching?.status?.state?.terminated;
  return end?.exitCode === 0 ? parseSourceFound(end.message ?? "") : undefined;
}
