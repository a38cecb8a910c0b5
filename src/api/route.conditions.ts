/**
 * The conditions of a Route.
 *
 * `AllTrafficAssigned`: every target of the spec can take its share. `RolloutComplete`: every gateway serves what the spec
 * asks for, and no shift is under way. `Ready`: some split is served, and AllTrafficAssigned; a shift doesn't lower it.
 */
import { conditionSet } from "./meta/conditions.ts";
import type { Condition } from "./meta/types.ts";

/** Every condition type of a Route. */
type RouteConditionType = "Ready" | "RolloutComplete" | "AllTrafficAssigned";

/**
 * The reasons of a Route's conditions.
 * @public
 */
export const routeReasons = {
  /** A Revision that a target names, directly or by its Configuration, does not exist or was never ready. */
  RevisionMissing: "RevisionMissing",
  /** A Configuration that a target names does not exist. */
  ConfigurationMissing: "ConfigurationMissing",
  /** Traffic is being shifted to a new Revision, step by step. */
  RollingOut: "RollingOut",
  /** Not every gateway has confirmed the split yet. */
  Publishing: "Publishing",
  /** The split has not become what the spec asks for in time. */
  ProgressDeadlineExceeded: "ProgressDeadlineExceeded",
} as const;

/** A target that can't take its share. */
export interface MissingTarget {
  kind: "Revision" | "Configuration";
  name: string;
  /** Whether it exists and has no Revision that was ever ready. */
  exists: boolean;
}

type Conditions = readonly Condition[] | undefined;

const set = conditionSet<RouteConditionType>({ happy: "Ready", dependents: ["AllTrafficAssigned"] });
/** The same without deriving `Ready`. */
const alone = conditionSet<RouteConditionType>({ happy: "Ready", dependents: [] });

/**
 * Every target can take its share. `served` says whether some split of the Route is served by every gateway: until then
 * `Ready` is Unknown.
 */
export function markTrafficAssigned(conditions: Conditions, served: boolean, now: number): Condition[] {
  if (served) return set.mark(conditions, "AllTrafficAssigned", { status: "True" }, now);
  const assigned = alone.mark(conditions, "AllTrafficAssigned", { status: "True" }, now);
  return alone.mark(assigned, "Ready", { status: "Unknown", reason: routeReasons.Publishing }, now);
}

/** A target can't take its share; what was served before goes on being served. */
export function markTargetMissing(conditions: Conditions, target: MissingTarget, now: number): Condition[] {
  const finding = { status: "False", reason: missingReason(target), message: missingMessage(target) } as const;
  return set.mark(set.mark(conditions, "AllTrafficAssigned", finding, now), "RolloutComplete", finding, now);
}

function missingReason(target: MissingTarget): string {
  return target.kind === "Configuration" && !target.exists
    ? routeReasons.ConfigurationMissing
    : routeReasons.RevisionMissing;
}

function missingMessage({ kind, name, exists }: MissingTarget): string {
  if (!exists) return `${kind} "${name}" referenced in rollout.traffic not found`;
  return kind === "Revision"
    ? `Revision "${name}" referenced in rollout.traffic was never ready`
    : `Configuration "${name}" referenced in rollout.traffic has no ready Revision`;
}

/** Every gateway serves what the spec asks for. */
export function markRolledOut(conditions: Conditions, now: number): Condition[] {
  return set.mark(conditions, "RolloutComplete", { status: "True" }, now);
}

/** Traffic is being shifted from one Revision to another. */
export function markRollingOut(conditions: Conditions, shift: { from: string; to: string }, now: number): Condition[] {
  const message = `Shifting traffic from ${shift.from} to ${shift.to}`;
  return set.mark(conditions, "RolloutComplete", { status: "False", reason: routeReasons.RollingOut, message }, now);
}

/** The gateways are being told the split. */
export function markPublishing(conditions: Conditions, now: number): Condition[] {
  return set.mark(conditions, "RolloutComplete", { status: "False", reason: routeReasons.Publishing }, now);
}

/** The split has not become what the spec asks for in time. */
export function markRouteStuck(conditions: Conditions, seconds: number, now: number): Condition[] {
  const message = `Unable to update traffic split for more than ${seconds} seconds.`;
  const finding = { status: "False", reason: routeReasons.ProgressDeadlineExceeded, message } as const;
  return set.mark(conditions, "RolloutComplete", finding, now);
}
