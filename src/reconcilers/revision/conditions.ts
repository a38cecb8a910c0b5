/** How a Revision's conditions follow from what its workload and its image report. Pure; the table is in the API's specification. */
import {
  exitCodeReason,
  markActivating,
  markActive,
  markBuildComplete,
  markBuildFailed,
  markBuilding,
  markContainerExited,
  markContainerMissing,
  markContainerUnhealthy,
  markDeploying,
  markFrozen,
  markInsufficientResources,
  markNoTraffic,
  markProgressDeadlineExceeded,
  markReady,
  revisionReasons,
  wasReady,
} from "../../api/revision.conditions.ts";
import { findCondition } from "../../api/meta/conditions.ts";
import type { Condition } from "../../api/meta/types.ts";
import type { Revision } from "../../api/revision.ts";
import type { WorkloadProblem, WorkloadState } from "../../runtime/workloads.ts";
import type { BuildView } from "./build.ts";
import type { Resolution } from "./image-resolver.ts";

export interface ConditionsInput {
  readonly revision: Revision;
  readonly workload: WorkloadState | undefined;
  readonly build: BuildView;
  readonly image: Resolution;
  readonly progressDeadlineMs: number;
  /** What the spec refers to and isn't there. */
  readonly missing: readonly string[];
  /** How many instances are ready. */
  readonly ready: number;
}

/** The conditions as they should be now, but for Active. */
export function healthConditions(input: ConditionsInput, now: number): Condition[] {
  const before = input.revision.status?.conditions;
  const started = before === undefined || before.length === 0 ? markDeploying(before, now) : [...before];
  const built = building(input.build, started, now);
  const waits = input.build.state === "building" || input.build.state === "failed";
  return waits ? built : health(input, built, now);
}

function building(build: BuildView, before: Condition[], now: number): Condition[] {
  switch (build.state) {
    case "none":
      return before;
    case "building":
      return markBuilding(before, build.message, now);
    case "failed":
      return markBuildFailed(before, build, now);
    case "complete":
      break;
  }
  return markBuildComplete(before, now);
}

function health(input: ConditionsInput, before: Condition[], now: number): Condition[] {
  const { workload, image, revision } = input;
  if (input.ready > 0) return markReady(before, now);
  if (image.state === "failed" && revision.status?.imageDigest === undefined) {
    return markContainerMissing(before, { image: revision.spec.container.image, detail: image.message }, now);
  }
  const overdue = isOverdue(before, input.progressDeadlineMs, now);
  const problem = workload?.problem;
  let after = before;
  if (problem !== undefined) after = withProblem(before, problem, { image: revision.spec.container.image, now });
  // What already runs goes on without what is missing: that is trouble for the next instance only, and told as an Event.
  else if (input.missing.length > 0 && (workload?.instances.length ?? 0) === 0) {
    after = markContainerUnhealthy(before, missingFault(input.missing), now);
  }
  if (!overdue || wasReady(after)) return after;
  const probeFailure =
    problem === undefined ? workload?.instances.find((one) => one.probeFailure)?.probeFailure : undefined;
  if (probeFailure !== undefined) {
    return markContainerUnhealthy(after, { reason: revisionReasons.ReadinessProbeFailed, message: probeFailure }, now);
  }
  return markProgressDeadlineExceeded(after, Math.round(input.progressDeadlineMs / 1000), now);
}

function withProblem(
  before: Condition[],
  problem: WorkloadProblem,
  { image, now }: { image: string; now: number },
): Condition[] {
  const { reason, message } = problem;
  switch (reason) {
    case "ContainerMissing":
      return markContainerMissing(before, { image, detail: message }, now);
    case "ExitCode":
      return markContainerExited(before, { code: problem.code ?? 1, lastWords: message }, now);
    case "InsufficientResources":
      return markInsufficientResources(before, message, now);
    case "ReadinessProbeFailed":
    case "OOMKilled":
    case "LivenessProbeFailed":
    case "StartFailed":
      break;
  }
  return markContainerUnhealthy(before, { reason, message }, now);
}

/** The conditions with Active as it should be now. `desired`: how many instances should run. */
export function withActivity(
  before: Condition[],
  input: { routed: boolean; ready: number; desired: number; frozen: boolean },
  now: number,
): Condition[] {
  if (input.desired === 0 && input.frozen) return markFrozen(before, now);
  if (!input.routed || (input.ready === 0 && input.desired === 0)) return markNoTraffic(before, now);
  return input.ready > 0 ? markActive(before, now) : markActivating(before, now);
}

/** The condition that tells what is missing. */
export function missingFault(missing: readonly string[]): { reason: string; message: string } {
  return { reason: revisionReasons.StartFailed, message: `Cannot start: ${missing.join("; ")}` };
}

/** The reason word for a problem, as conditions, Events and 503 answers give it. */
export function problemReason(problem: WorkloadProblem): string {
  return problem.reason === "ExitCode" ? exitCodeReason(problem.code ?? 1) : problem.reason;
}

function isOverdue(conditions: readonly Condition[], deadlineMs: number, now: number): boolean {
  const since = waitingSince(conditions);
  return since !== undefined && now - since >= deadlineMs;
}

/** Since when the Revision should become ready: since its image is made; undefined where it is ready. Milliseconds since the epoch. */
export function waitingSince(conditions: readonly Condition[] | undefined): number | undefined {
  const ready = findCondition(conditions, "Ready");
  if (ready?.status !== "False" || ready.lastTransitionTime === undefined) return undefined;
  const built = findCondition(conditions, "BuildComplete");
  const from = Date.parse(ready.lastTransitionTime);
  return built?.lastTransitionTime === undefined ? from : Math.max(from, Date.parse(built.lastTransitionTime));
}
