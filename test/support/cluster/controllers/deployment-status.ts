/** The status of a Deployment as its controller counts it, condition by condition as recorded. */
import { rfc3339 } from "../../../../src/lib/clock.ts";
import { counts, type DeploymentObject, type ReplicaSetObject, type StateCondition } from "./types.ts";

/** What a rolling update may do: absolute numbers of Pods. */
export interface Bounds {
  surge: number;
  unavailable: number;
}

/** A number, or a percentage of the replicas: surge is rounded up, what may be unavailable down. */
export function boundsOf({ spec }: DeploymentObject): Bounds {
  const { replicas, strategy } = spec;
  const { maxSurge = 0, maxUnavailable = 0 } = strategy.rollingUpdate ?? {};
  const part = (value: number | string): number =>
    typeof value === "number" ? value : (Number.parseInt(value, 10) / 100) * replicas;
  const surge = Math.ceil(part(maxSurge));
  const unavailable = Math.floor(part(maxUnavailable));
  // Neither may be impossible at once.
  return surge === 0 && unavailable === 0 ? { surge, unavailable: 1 } : { surge, unavailable };
}

export interface Sets {
  current: ReplicaSetObject | undefined;
  old: readonly ReplicaSetObject[];
}

export function sum(sets: readonly ReplicaSetObject[], count: (set: ReplicaSetObject) => number | undefined): number {
  return sets.reduce((total, set) => total + (count(set) ?? 0), 0);
}

/** The condition in the list, at its end where it is another one than before. */
export function withCondition(
  conditions: readonly StateCondition[],
  condition: StateCondition,
  now: number,
): StateCondition[] {
  const before = conditions.find(({ type }) => type === condition.type);
  if (before?.status === condition.status && before.reason === condition.reason) return [...conditions];
  const time = rfc3339(now);
  const since = before?.status === condition.status ? (before.lastTransitionTime ?? time) : time;
  return [
    ...conditions.filter(({ type }) => type !== condition.type),
    { ...condition, lastUpdateTime: time, lastTransitionTime: since },
  ];
}

/** The status of now. `dueMs` is when the deadline of progress is over, where one runs. */
export function deploymentStatus(
  deployment: DeploymentObject,
  { current, old }: Sets,
  now: number,
): { status: NonNullable<DeploymentObject["status"]>; dueMs: number | undefined } {
  const sets = current === undefined ? old : [...old, current];
  const available = sum(sets, ({ status }) => status?.availableReplicas);
  const total = sum(sets, ({ status }) => status?.replicas);
  const updated = current?.status?.replicas ?? 0;
  const numbers = {
    replicas: total,
    updatedReplicas: updated,
    readyReplicas: sum(sets, ({ status }) => status?.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, sum(sets, ({ spec }) => spec.replicas) - available),
  };
  const before = deployment.status ?? {};
  let conditions: readonly StateCondition[] = before.conditions ?? [];
  const enough = available >= deployment.spec.replicas - boundsOf(deployment).unavailable;
  conditions = withCondition(
    conditions,
    enough
      ? {
          type: "Available",
          status: "True",
          reason: "MinimumReplicasAvailable",
          message: "Deployment has minimum availability.",
        }
      : {
          type: "Available",
          status: "False",
          reason: "MinimumReplicasUnavailable",
          message: "Deployment does not have minimum availability.",
        },
    now,
  );
  const failure = current?.status?.conditions?.find(({ type }) => type === "ReplicaFailure");
  conditions =
    failure === undefined
      ? conditions.filter(({ type }) => type !== "ReplicaFailure")
      : withCondition(conditions, failure, now);
  const progress = progressOf(deployment, { current, numbers, now });
  if (progress.condition !== undefined) {
    const same = conditions.find(({ type }) => type === "Progressing");
    // Each step forward begins the deadline anew.
    const again = progress.moved && same !== undefined && same.reason === progress.condition.reason;
    conditions = again
      ? [...conditions.filter((one) => one !== same), { ...same, lastUpdateTime: rfc3339(now) }]
      : withCondition(conditions, progress.condition, now);
  }
  const status = {
    observedGeneration: deployment.metadata.generation ?? 1,
    ...counts(numbers),
    conditions: [...conditions],
  };
  return { status, dueMs: progress.dueMs };
}

interface Progress {
  condition?: StateCondition;
  /** Whether Pods came nearer to what is asked for. */
  moved: boolean;
  dueMs: number | undefined;
}

function progressOf(
  deployment: DeploymentObject,
  { current, numbers, now }: { current: ReplicaSetObject | undefined; numbers: Record<string, number>; now: number },
): Progress {
  const { replicas, progressDeadlineSeconds } = deployment.spec;
  const before = deployment.status ?? {};
  const known = before.conditions?.find(({ type }) => type === "Progressing");
  if (current === undefined || deployment.metadata.deletionTimestamp !== undefined)
    return { moved: false, dueMs: undefined };
  const { name } = current.metadata;
  const complete = [numbers["updatedReplicas"], numbers["replicas"], numbers["availableReplicas"]].every(
    (count) => count === replicas,
  );
  // Scaling what has rolled out is no new rollout.
  const rolledOut = known?.reason === "NewReplicaSetAvailable" && numbers["replicas"] === numbers["updatedReplicas"];
  if (rolledOut) return { moved: false, dueMs: undefined };
  if (complete) {
    const message = `ReplicaSet "${name}" has successfully progressed.`;
    return {
      condition: { type: "Progressing", status: "True", reason: "NewReplicaSetAvailable", message },
      moved: false,
      dueMs: undefined,
    };
  }
  const oldNow = (numbers["replicas"] ?? 0) - (numbers["updatedReplicas"] ?? 0);
  const oldBefore = (before.replicas ?? 0) - (before.updatedReplicas ?? 0);
  const moved =
    (numbers["updatedReplicas"] ?? 0) > (before.updatedReplicas ?? 0) ||
    oldNow < oldBefore ||
    (numbers["readyReplicas"] ?? 0) > (before.readyReplicas ?? 0);
  const since = Date.parse(known?.lastUpdateTime ?? rfc3339(now));
  const dueMs = (moved ? now : since) + progressDeadlineSeconds * 1000;
  if (moved) {
    const message = `ReplicaSet "${name}" is progressing.`;
    return { condition: { type: "Progressing", status: "True", reason: "ReplicaSetUpdated", message }, moved, dueMs };
  }
  if (now >= dueMs && known?.reason !== "ProgressDeadlineExceeded") {
    const message = `ReplicaSet "${name}" has timed out progressing.`;
    return {
      condition: { type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded", message },
      moved,
      dueMs: undefined,
    };
  }
  return { moved, dueMs: known?.reason === "ProgressDeadlineExceeded" ? undefined : dueMs };
}
