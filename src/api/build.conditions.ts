/** The condition of a Build, `Succeeded`: Unknown while it waits or runs, then True or False. Reasons are part of the API. */
import { conditionSet, findCondition } from "./meta/conditions.ts";
import type { Condition } from "./meta/types.ts";

/** The reasons of `Succeeded`. */
export const buildReasons = {
  /** It waits for its turn, or runs. */
  Building: "Building",
  /** A step ended with a code other than 0. */
  BuildStepFailed: "BuildStepFailed",
  /** The source can't be had: no such repository or commit, a wrong password, an archive that isn't one. */
  SourceMissing: "SourceMissing",
  /** It took longer than `timeout`. */
  BuildTimeout: "BuildTimeout",
  /** Somebody set `spec.status` to BuildCancelled. */
  BuildCancelled: "BuildCancelled",
  /** The Build can't run as it is: its template is missing, an argument, a Secret. */
  BuildValidationFailed: "BuildValidationFailed",
  /** The steps ended well, but left no image. */
  ImageMissing: "ImageMissing",
  /** The registry didn't take the image. */
  PushFailed: "PushFailed",
} as const;

type Conditions = readonly Condition[] | undefined;

const set = conditionSet<"Succeeded">({ happy: "Succeeded", dependents: [] });

/** It waits, or runs; `message` says what for, or what. */
export function markBuilding(conditions: Conditions, message: string | undefined, now: number): Condition[] {
  const finding = { status: "Unknown", reason: buildReasons.Building } as const;
  return set.mark(conditions, "Succeeded", message === undefined ? finding : { ...finding, message }, now);
}

/** It ended well. */
export function markSucceeded(conditions: Conditions, now: number): Condition[] {
  return set.mark(conditions, "Succeeded", { status: "True" }, now);
}

/** It failed. */
export function markBuildFailed(
  conditions: Conditions,
  failure: { reason: string; message: string },
  now: number,
): Condition[] {
  return set.mark(conditions, "Succeeded", { status: "False", ...failure }, now);
}

/** How a build ended: well, or why not; `undefined` while it waits or runs. */
export function buildOutcome(conditions: Conditions): "succeeded" | { reason: string; message: string } | undefined {
  const condition = findCondition(conditions, "Succeeded");
  if (condition === undefined || condition.status === "Unknown") return undefined;
  if (condition.status === "True") return "succeeded";
  return { reason: condition.reason ?? "", message: condition.message ?? "" };
}
