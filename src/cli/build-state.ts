/**
 * A Build's status in the words of the CLI.
 */
import { conditionOf, explain } from "./conditions.ts";
import type { Build } from "./objects.ts";

type StepState = NonNullable<NonNullable<Build["status"]>["stepStates"]>[number];

/** The steps that have begun, in their order. */
export function begunSteps(build: Build): StepState[] {
  return (build.status?.stepStates ?? []).filter(
    ({ state }) => state?.running !== undefined || state?.terminated !== undefined,
  );
}

/** How it ended; undefined while it waits or runs. */
export function outcomeOf(build: Build | undefined): { succeeded: boolean; why: string } | undefined {
  const condition = conditionOf(build, "Succeeded");
  if (condition === undefined || condition.status === "Unknown") return undefined;
  return { succeeded: condition.status === "True", why: explain(condition) };
}

/** One word for tables: `Succeeded`, the reason of a failure, `Building`, or `Waiting` for its turn. */
export function stateOf(build: Build): string {
  const condition = conditionOf(build, "Succeeded");
  if (condition?.status === "True") return "Succeeded";
  if (condition?.status === "False") return condition.reason ?? "Failed";
  return build.status?.startTime === undefined ? "Waiting" : "Building";
}

/** What it does now: `step 2 of 3 [install]`, or what it waits for; undefined where neither is known. */
export function activityOf(build: Build): string | undefined {
  const steps = build.status?.stepStates ?? [];
  const at = steps.findIndex(({ state }) => state?.running !== undefined);
  if (at !== -1) return `step ${at + 1} of ${steps.length} [${steps[at]?.name ?? ""}]`;
  return conditionOf(build, "Succeeded")?.message;
}

/** The step that failed: the last one that ended with another code than 0. */
export function failedStep(build: Build): string | undefined {
  return begunSteps(build).findLast(({ state }) => (state?.terminated?.exitCode ?? 0) !== 0)?.name;
}

/** Seconds from its turn to its end, or until now; undefined where it hasn't begun. */
export function secondsOf(build: Build, now: number): number | undefined {
  const from = Date.parse(build.status?.startTime ?? "");
  const to = Date.parse(build.status?.completionTime ?? "");
  if (Number.isNaN(from)) return undefined;
  return Math.max(0, Math.round(((Number.isNaN(to) ? now : to) - from) / 1000));
}
