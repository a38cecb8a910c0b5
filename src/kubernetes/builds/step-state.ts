/** A build's steps as its Pod shows them. Pure. */
import { memoryBytes } from "../../api/meta/quantity.ts";
import { noStartWords, outOfMemoryWords, stepFailureOf } from "../../runtime/build-words.ts";
import { type BuildFailure, type StepState, toolsImage } from "../../runtime/builds.ts";
import { fetchProgram } from "../../runtime/fetch/protocol.ts";
import type { ContainerStatus, Pod, Terminated } from "../kinds/pod.ts";
import { lastWords, timeOf } from "../workloads/instance-state.ts";
import { startFinding } from "../workloads/problem.ts";
import { ownContainers } from "./names.ts";

type Container = NonNullable<NonNullable<Pod["spec"]>["initContainers"]>[number];

/** A step's container, and how it is; its status is absent until the kubelet has looked at the Pod. */
export interface StepContainer {
  container: Container;
  status: ContainerStatus | undefined;
}

/** Exit code of a step of which nobody knows how it ended. */
const unknownCode = 255;

/** Containers of steps in order, that of the source first. */
export function stepContainers({ spec, status }: Pod): StepContainer[] {
  return (spec?.initContainers ?? [])
    .filter(({ name }) => name !== ownContainers.prepare)
    .map((container) => ({
      container,
      status: status?.initContainerStatuses?.find(({ name }) => name === container.name),
    }));
}

/** Whether it is the platform's own, that brings the source. */
export function fetchesSource({ command }: Container): boolean {
  return command?.[0] === fetchProgram;
}

/** @param ended when its Pod ended, in milliseconds since the epoch: nothing of it goes on */
export function stepState({ container, status }: StepContainer, ended: number | undefined): StepState {
  const { running, terminated } = status?.state ?? {};
  const image = imageOf(container, status);
  const common = { name: container.name, ...(image === undefined ? {} : { image }) };
  if (terminated !== undefined) return { ...common, ...endOf(terminated, container) };
  if (running === undefined) return { ...common, phase: "waiting" };
  const startedAt = timeOf(running.startedAt);
  const started = startedAt === undefined ? {} : { startedAt };
  if (ended === undefined) return { ...common, phase: "running", ...started };
  return {
    ...common,
    phase: "ended",
    ...started,
    endedAt: ended,
    exitCode: unknownCode,
    message: "its node was lost, and with it how it ended",
  };
}

function imageOf(container: Container, status: ContainerStatus | undefined): string | undefined {
  if (fetchesSource(container)) return toolsImage;
  const { imageID = "", image = "" } = status ?? {};
  const exact = imageID.replace(/^[a-z-]+:\/\//u, "");
  if (exact.includes("@")) return exact;
  return image === "" ? undefined : image;
}

function endOf(ended: Terminated, container: Container): Pick<StepState, "phase"> & Partial<StepState> {
  const startedAt = timeOf(ended.startedAt);
  const endedAt = timeOf(ended.finishedAt);
  const times = {
    // One that never came to run has the beginning of time for it.
    ...(startedAt === undefined || startedAt <= 0 ? {} : { startedAt }),
    ...(endedAt === undefined ? {} : { endedAt }),
  };
  if (ended.exitCode === 0) return { phase: "ended", ...times, exitCode: 0 };
  if (ended.reason === "StartError" || ended.reason === "ContainerCannotRun") {
    const { message, code = ended.exitCode } = startFinding(ended.message ?? "");
    return { phase: "ended", ...times, exitCode: code, message: noStartWords(message) };
  }
  if (ended.reason === "OOMKilled") {
    const limit = memoryBytes(container.resources?.limits?.["memory"] ?? "");
    const message = limit === undefined ? "it was killed: its node had no more memory for it" : outOfMemoryWords(limit);
    return { phase: "ended", ...times, exitCode: ended.exitCode, oomKilled: true, message };
  }
  return { phase: "ended", ...times, exitCode: ended.exitCode, message: lastWords(ended) };
}

/** Why the build ends with a step. */
export function failureOf(
  step: Pick<StepState, "name" | "exitCode" | "message"> | undefined,
  container: StepContainer["container"] | undefined,
): BuildFailure {
  const { name = "", exitCode, message = "" } = step ?? {};
  const isSource = container?.name === "source";
  const source = isSource ? { source: fetchesSource(container) ? ("fetches" as const) : ("custom" as const) } : {};
  return stepFailureOf({ name, exitCode, message, ...source });
}
