/** What to do about a Build: start it, say how it goes, cancel it, and delete it when it has been kept long enough. Pure. */
import { buildOutcome, buildReasons, markBuildFailed, markBuilding } from "../../api/build.conditions.ts";
import type { Build, BuildStatus } from "../../api/build.ts";
import type { Plan, PlannedEvent } from "../../controller/plan.ts";
import { rfc3339 } from "../../lib/clock.ts";
import type { BuildSpec, BuildState } from "../../runtime/builds.ts";
import { eventsOf } from "./events.ts";
import type { BuildSpecResult } from "./make-build-spec.ts";
import { statusOf } from "./status.ts";

/** Manifests may arrive in any order: what a Build refers to is waited for so long. */
const referenceWaitMs = 10_000;

/** How long finished Builds and their logs are kept: a week. */
export const defaultBuildRetentionMs = 7 * 24 * 3_600_000;

const day = 24 * 3_600_000;

export interface BuildObserved {
  readonly build: Build;
  /** What the port has under the Build's key. */
  readonly state: BuildState | undefined;
  /** What it is made from. Pure. */
  makeSpec(): BuildSpecResult;
  /** Whether a Revision waits to learn what it made. */
  readonly isAwaited: boolean;
  readonly retentionMs: number;
  readonly logsLink: string;
}

export type BuildAction =
  | { do: "start"; spec: BuildSpec }
  | { do: "cancel" }
  | { do: "remove" }
  | { do: "deleteBuild"; build: Build };

/** What is left to do about a Build that is gone: end it, and forget its logs. */
export const absentBuild: readonly BuildAction[] = [{ do: "remove" }];

export function planBuild(seen: BuildObserved, now: number): Plan<BuildStatus, BuildAction> {
  const { build } = seen;
  if (build.metadata.deletionTimestamp !== undefined) return { actions: [], events: [] };
  // The record of another Build under this name is not about this one.
  const state = seen.state?.uid === build.metadata.uid ? seen.state : undefined;
  if (buildOutcome(build.status?.conditions) !== undefined) return planFinished(seen, state, now);
  const cancelled = build.spec.status === "BuildCancelled";
  if (state !== undefined) {
    const status = { ...statusOf(build, state, now), buildLogsLink: seen.logsLink };
    if (state.phase === "suspended" && !cancelled) return planStart(seen, now);
    const ends = cancelled && state.phase !== "succeeded" && state.phase !== "failed";
    return { actions: ends ? [{ do: "cancel" }] : [], status, events: eventsOf(build, status) };
  }
  if (cancelled) {
    return failed(seen, { reason: buildReasons.BuildCancelled, message: "It was cancelled before it started" }, now);
  }
  return planStart(seen, now);
}

function planStart(seen: BuildObserved, now: number): Plan<BuildStatus, BuildAction> {
  const { build } = seen;
  const made = seen.makeSpec();
  if ("fault" in made) return failed(seen, { reason: buildReasons.BuildValidationFailed, message: made.fault }, now);
  if ("missing" in made) {
    const until = Date.parse(build.metadata.creationTimestamp ?? "") + referenceWaitMs;
    if (!(now < until)) return failed(seen, { reason: buildReasons.BuildValidationFailed, message: made.missing }, now);
    return { actions: [], status: waiting(seen, made.missing, now), events: [], requeueAfterMs: until - now };
  }
  const notices = made.notices.map((message): PlannedEvent => ({
    type: "Normal",
    reason: "Notice",
    message,
    once: true,
  }));
  return {
    actions: [{ do: "start", spec: made.spec }],
    status: waiting(seen, undefined, now),
    events: notices,
  };
}

function waiting({ build }: BuildObserved, message: string | undefined, now: number): BuildStatus {
  const { status = {}, metadata } = build;
  return {
    ...status,
    conditions: markBuilding(status.conditions, message, now),
    observedGeneration: metadata.generation ?? 1,
  };
}

/** It never ran. */
function failed(
  { build }: BuildObserved,
  failure: { reason: string; message: string },
  now: number,
): Plan<BuildStatus, BuildAction> {
  const { status = {}, metadata } = build;
  const after: BuildStatus = {
    ...status,
    conditions: markBuildFailed(status.conditions, failure, now),
    completionTime: rfc3339(now),
    observedGeneration: metadata.generation ?? 1,
  };
  return { actions: [], status: after, events: eventsOf(build, after) };
}

function planFinished(
  { build, isAwaited, retentionMs }: BuildObserved,
  state: BuildState | undefined,
  now: number,
): Plan<BuildStatus, BuildAction> {
  const runs = state?.phase === "queued" || state?.phase === "running";
  const actions: BuildAction[] = runs ? [{ do: "cancel" }] : [];
  const ended = Date.parse(build.status?.completionTime ?? build.metadata.creationTimestamp ?? "");
  const left = ended + retentionMs - now;
  if (left > 0) return { actions, events: [], requeueAfterMs: Math.min(left, day) };
  // A Revision that learns what it made wakes this plan again.
  return { actions: isAwaited ? actions : [...actions, { do: "deleteBuild", build }], events: [] };
}
