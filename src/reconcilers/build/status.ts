/** A Build's status from what the port says of it. Pure. */
import { markBuildFailed, markBuilding, markSucceeded } from "../../api/build.conditions.ts";
import type { Build, BuildStatus } from "../../api/build.ts";
import { rfc3339 } from "../../lib/clock.ts";
import type { BuildState, StepState } from "../../runtime/builds.ts";

/** The status as it should be now. */
export function statusOf(build: Build, state: BuildState, now: number): BuildStatus {
  const { status = {}, metadata } = build;
  const { startedAt, endedAt, imageDigest, source } = state;
  return {
    ...status,
    conditions: conditionsOf(status.conditions, state, now),
    ...(startedAt === undefined ? {} : { startTime: rfc3339(startedAt) }),
    ...(endedAt === undefined ? {} : { completionTime: rfc3339(endedAt) }),
    stepStates: state.steps.map(stepState),
    stepsCompleted: state.steps.filter(isDone).map(({ name }) => name),
    ...(imageDigest === undefined ? {} : { imageDigest }),
    ...(source === undefined ? {} : { source }),
    observedGeneration: metadata.generation ?? 1,
  };
}

function conditionsOf(before: BuildStatus["conditions"], state: BuildState, now: number) {
  if (state.phase === "succeeded") return markSucceeded(before, now);
  if (state.phase === "failed") {
    return markBuildFailed(before, state.failure ?? { reason: "BuildStepFailed", message: "It failed" }, now);
  }
  return markBuilding(before, state.message ?? runningWords(state.steps), now);
}

function runningWords(steps: readonly StepState[]): string | undefined {
  const running = steps.find(({ phase }) => phase === "running");
  return running === undefined ? undefined : `Running step "${running.name}"`;
}

function isDone({ phase, exitCode }: StepState): boolean {
  return phase === "ended" && exitCode === 0;
}

type Step = NonNullable<BuildStatus["stepStates"]>[number];

function stepState(step: StepState): Step {
  return {
    name: step.name,
    ...(step.image === undefined ? {} : { imageID: step.image }),
    state: containerState(step),
  };
}

/** How a step is, as core/v1 ContainerState. */
export function containerState(step: StepState): NonNullable<Step["state"]> {
  const { phase, startedAt, endedAt, exitCode, message } = step;
  if (phase === "waiting") return { waiting: { reason: "PodInitializing" } };
  const started = startedAt === undefined ? {} : { startedAt: rfc3339(startedAt) };
  if (phase === "running") return { running: started };
  return {
    terminated: {
      // One that never came to run, or of which nobody knows how it ended, did not end well.
      exitCode: exitCode ?? 255,
      reason: step.oomKilled === true ? "OOMKilled" : exitCode === 0 ? "Completed" : "Error",
      ...started,
      ...(endedAt === undefined ? {} : { finishedAt: rfc3339(endedAt) }),
      ...(message === undefined ? {} : { message: message.slice(0, 4096) }),
    },
  };
}
