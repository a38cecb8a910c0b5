/**
 * The conditions of a Configuration: `LatestRevisionReady`, and `Ready`, which says the same. True when the latest created
 * Revision is ready, False with its reason and message when it failed, Unknown in between.
 */
import { conditionSet } from "./meta/conditions.ts";
import type { Condition } from "./meta/types.ts";

/** Every condition type of a Configuration. */
type ConfigurationConditionType = "Ready" | "LatestRevisionReady";

/**
 * The reasons of a Configuration's conditions, besides those of its latest Revision.
 * @public
 */
export const configurationReasons = {
  /** The latest Revision was deleted. */
  RevisionMissing: "RevisionMissing",
} as const;

type Conditions = readonly Condition[] | undefined;

const set = conditionSet<ConfigurationConditionType>({ happy: "Ready", dependents: ["LatestRevisionReady"] });

/** The latest Revision is ready. */
export function markLatestReady(conditions: Conditions, now: number): Condition[] {
  return set.mark(conditions, "LatestRevisionReady", { status: "True" }, now);
}

/** The latest Revision is neither ready nor failed yet, or not made yet. */
export function markLatestPending(conditions: Conditions, now: number): Condition[] {
  return set.mark(conditions, "LatestRevisionReady", { status: "Unknown" }, now);
}

/** The latest Revision failed, with its own reason and message. */
export function markLatestFailed(
  conditions: Conditions,
  failure: { reason: string; message: string },
  now: number,
): Condition[] {
  return set.mark(conditions, "LatestRevisionReady", { status: "False", ...failure }, now);
}

/** The latest Revision was deleted. */
export function markLatestDeleted(conditions: Conditions, now: number): Condition[] {
  const message = "The latest Revision appears to have been deleted.";
  return markLatestFailed(conditions, { reason: configurationReasons.RevisionMissing, message }, now);
}
