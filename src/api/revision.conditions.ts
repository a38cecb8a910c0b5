/**
 * The conditions of a Revision, and the reasons that they give. Reasons are part of the API.
 *
 * `Ready` needs `BuildComplete` (only where there is a build), `ResourcesAvailable` and `ContainerHealthy`. Unlike other kinds
 * it is False, not Unknown, while instances start, and once True it stays True: later trouble shows in `ContainerHealthy`.
 */
import { conditionSet, findCondition, isTrue } from "./meta/conditions.ts";
import type { Condition } from "./meta/types.ts";

/** Every condition type of a Revision. */
type RevisionConditionType = "Ready" | "BuildComplete" | "ResourcesAvailable" | "ContainerHealthy" | "Active";

/** The reasons of a Revision's conditions, besides `ExitCode%d`. */
export const revisionReasons = {
  /** Instances are being started for the first time. */
  Deploying: "Deploying",
  /** The build waits or runs. */
  Building: "Building",
  /** The build failed; the reason of BuildComplete is the build's own. */
  BuildFailed: "BuildFailed",
  /** The Build is gone, or never was, and what it made isn't known. */
  BuildMissing: "BuildMissing",
  /** The image can't be had. */
  ContainerMissing: "ContainerMissing",
  /** The process was killed because it used more memory than it may. */
  OOMKilled: "OOMKilled",
  /** No instance answered its readiness probe. */
  ReadinessProbeFailed: "ReadinessProbeFailed",
  /** An instance was restarted because it stopped answering its liveness probe. */
  LivenessProbeFailed: "LivenessProbeFailed",
  /** The instance could not be made: a missing Secret, a bad user, a mount that fails. */
  StartFailed: "StartFailed",
  /** No instance became ready in time, and no better reason is known. */
  ProgressDeadlineExceeded: "ProgressDeadlineExceeded",
  /** The machine has less than the Revision asks for. */
  InsufficientResources: "InsufficientResources",
  /** No Route sends it requests. */
  NoTraffic: "NoTraffic",
  /** Its instances are stopped in place and continue with the next request. */
  Frozen: "Frozen",
  /** Instances are being started for requests. */
  Activating: "Activating",
} as const;

/** The reason of a container that ended with this code: `ExitCode127`. */
export function exitCodeReason(code: number): string {
  return `ExitCode${code}`;
}

type Conditions = readonly Condition[] | undefined;

const set = conditionSet<RevisionConditionType>({
  happy: "Ready",
  dependents: ["BuildComplete", "ResourcesAvailable", "ContainerHealthy"],
  optional: ["BuildComplete"],
  reasons: { BuildComplete: revisionReasons.BuildFailed },
  whileUnknown: "False",
  lasting: true,
});

/** Instances are being started: `Ready` is False, `Deploying`, `Starting Instances`. */
export function markDeploying(conditions: Conditions, now: number): Condition[] {
  const working = { status: "Unknown", reason: revisionReasons.Deploying, message: "Starting Instances" } as const;
  return set.mark(set.mark(conditions, "ResourcesAvailable", working, now), "ContainerHealthy", working, now);
}

/** An instance answered its readiness probe. */
export function markReady(conditions: Conditions, now: number): Condition[] {
  return set.mark(markResourcesAvailable(conditions, now), "ContainerHealthy", { status: "True" }, now);
}

/** The image is being built; `message` says how far. */
export function markBuilding(conditions: Conditions, message: string | undefined, now: number): Condition[] {
  const finding = { status: "Unknown", reason: revisionReasons.Building } as const;
  return set.mark(conditions, "BuildComplete", message === undefined ? finding : { ...finding, message }, now);
}

/** The image is made. */
export function markBuildComplete(conditions: Conditions, now: number): Condition[] {
  return set.mark(conditions, "BuildComplete", { status: "True" }, now);
}

/** The image couldn't be made: `Ready` is False with `BuildFailed` and the same message. */
export function markBuildFailed(
  conditions: Conditions,
  failure: { reason: string; message: string },
  now: number,
): Condition[] {
  return set.mark(conditions, "BuildComplete", { status: "False", ...failure }, now);
}

/** The machine has room for the instances. */
export function markResourcesAvailable(conditions: Conditions, now: number): Condition[] {
  return set.mark(conditions, "ResourcesAvailable", { status: "True" }, now);
}

/** The container is not well: it ended, its probes fail, or it can't be started at all. */
export function markContainerUnhealthy(
  conditions: Conditions,
  fault: { reason: string; message: string },
  now: number,
): Condition[] {
  return set.mark(conditions, "ContainerHealthy", { status: "False", ...fault }, now);
}

/** The image can't be had. `detail` is the registry's own error with the URL and the user that it was asked as. */
export function markContainerMissing(
  conditions: Conditions,
  fault: { image: string; detail: string },
  now: number,
): Condition[] {
  const message = `Unable to fetch image "${fault.image}": ${fault.detail}`;
  return markContainerUnhealthy(conditions, { reason: revisionReasons.ContainerMissing, message }, now);
}

/** The container ended. `lastWords` is the termination message, else the last line of output; it may be empty. */
export function markContainerExited(
  conditions: Conditions,
  exit: { code: number; lastWords: string },
  now: number,
): Condition[] {
  const message = `Container failed with: ${exit.lastWords === "" ? `exit code ${exit.code}` : exit.lastWords}`;
  return markContainerUnhealthy(conditions, { reason: exitCodeReason(exit.code), message }, now);
}

/** The machine has less than the Revision asks for. The message says what was asked and what there is. */
export function markInsufficientResources(conditions: Conditions, message: string, now: number): Condition[] {
  const finding = { status: "False", reason: revisionReasons.InsufficientResources, message } as const;
  return set.mark(conditions, "ResourcesAvailable", finding, now);
}

/** No instance became ready in time. Changes nothing where a better reason is known. */
export function markProgressDeadlineExceeded(conditions: Conditions, seconds: number, now: number): Condition[] {
  const known = ["ResourcesAvailable", "ContainerHealthy"].some(
    (type) => findCondition(conditions, type)?.status === "False",
  );
  if (known) return [...(conditions ?? [])];
  const message = `Did not become ready in ${seconds} seconds.`;
  const finding = { status: "False", reason: revisionReasons.ProgressDeadlineExceeded, message } as const;
  return set.mark(conditions, "ResourcesAvailable", finding, now);
}

/** Instances serve requests. */
export function markActive(conditions: Conditions, now: number): Condition[] {
  return set.mark(conditions, "Active", { status: "True", severity: "Info" }, now);
}

/** Instances are being started for requests. */
export function markActivating(conditions: Conditions, now: number): Condition[] {
  const finding = { status: "Unknown", reason: revisionReasons.Activating, severity: "Info" } as const;
  return set.mark(conditions, "Active", finding, now);
}

/** Its instance stands still, until the next request. */
export function markFrozen(conditions: Conditions, now: number): Condition[] {
  const message = "The instance is frozen until the next request.";
  const finding = { status: "False", reason: revisionReasons.Frozen, message, severity: "Info" } as const;
  return set.mark(conditions, "Active", finding, now);
}

/** No instance runs, because no Route sends requests. */
export function markNoTraffic(conditions: Conditions, now: number): Condition[] {
  const message = "The target is not receiving traffic.";
  const finding = { status: "False", reason: revisionReasons.NoTraffic, message, severity: "Info" } as const;
  return set.mark(conditions, "Active", finding, now);
}

/** Whether an instance was ever ready. */
export function wasReady(conditions: Conditions): boolean {
  return isTrue(conditions, "Ready");
}

/** Why the Revision failed, where it did: Ready is False with any reason but those of work in progress. */
export function revisionFailure(conditions: Conditions): { reason: string; message: string } | undefined {
  const ready = findCondition(conditions, "Ready");
  if (ready?.status !== "False") return undefined;
  const reason = ready.reason ?? "";
  const working: readonly string[] = ["", revisionReasons.Deploying, revisionReasons.Building];
  return working.includes(reason) ? undefined : { reason, message: ready.message ?? "" };
}
