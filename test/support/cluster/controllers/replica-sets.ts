/** Stand-in for the ReplicaSet controller: as many Pods as asked for, and what kept one from being made. */
import { ApiError } from "../../../../src/api/meta/errors.ts";
import { rfc3339 } from "../../../../src/lib/clock.ts";
import { Pod, ReplicaSet } from "../kinds/workloads.ts";
import {
  type Controller,
  type ControllerParts,
  all,
  isOwnedBy,
  keyOfObject,
  ownerKeys,
  ownerReference,
} from "./tools.ts";
import { read, runController, systemContext, tell, writeStatus } from "./tools.ts";
import { counts, isReady, type PodObject, type ReplicaSetObject, type StateCondition } from "./types.ts";

const component = "replicaset-controller";

export function runReplicaSets(parts: ControllerParts): Controller {
  return runController(parts, {
    name: "replicasets",
    follows: [ReplicaSet, Pod],
    keys: (kind, object) => (kind === Pod ? ownerKeys(ReplicaSet, object) : [keyOfObject(ReplicaSet, object)]),
    work: (key) => reconcile(parts, key),
  });
}

async function reconcile(parts: ControllerParts, key: string): Promise<void> {
  const set = read(parts, ReplicaSet, key) as ReplicaSetObject | undefined;
  if (set === undefined) return;
  const { namespace = "" } = set.metadata;
  const owned = all<PodObject>(parts, Pod, namespace).filter((pod) => isOwnedBy(pod, set));
  const pods = owned.filter(
    ({ metadata, status }) =>
      metadata.deletionTimestamp === undefined && status?.phase !== "Failed" && status?.phase !== "Succeeded",
  );
  let failure: ApiError | undefined;
  if (set.metadata.deletionTimestamp === undefined) failure = await scale(parts, set, pods);
  await writeStatus(parts, ReplicaSet, { object: set, status: statusOf(parts, { set, pods, failure }) });
  // The queue tries again, later each time.
  if (failure !== undefined) throw failure;
}

/** Makes or deletes Pods; gives why one couldn't be made. */
async function scale(
  parts: ControllerParts,
  set: ReplicaSetObject,
  pods: readonly PodObject[],
): Promise<ApiError | undefined> {
  const { service } = parts;
  const { namespace = "", name } = set.metadata;
  const { replicas, template } = set.spec;
  for (let missing = replicas - pods.length; missing > 0; missing -= 1) {
    const body = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { ...template.metadata, generateName: `${name}-`, ownerReferences: [ownerReference(ReplicaSet, set)] },
      spec: template.spec,
    };
    try {
      const pod = await service.create(systemContext(), { kind: Pod, namespace }, structuredClone(body));
      const message = `Created pod: ${pod.metadata.name}`;
      await tell(parts, ReplicaSet, { object: set, what: { reason: "SuccessfulCreate", message, component } });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // It goes too, with all that is in the namespace.
      if (error.details?.causes?.some(({ reason }) => reason === "NamespaceTerminating") === true) return undefined;
      const message = `Error creating: ${error.message}`;
      await tell(parts, ReplicaSet, {
        object: set,
        what: { type: "Warning", reason: "FailedCreate", message, component },
      });
      return error;
    }
  }
  // Those that take no requests go first.
  const order = pods.toSorted((a, b) => Number(isReady(a)) - Number(isReady(b)));
  for (const { metadata } of order.slice(0, Math.max(0, pods.length - replicas))) {
    await service.delete(systemContext(), { kind: Pod, namespace, name: metadata.name });
    const message = `Deleted pod: ${metadata.name}`;
    await tell(parts, ReplicaSet, { object: set, what: { reason: "SuccessfulDelete", message, component } });
  }
  return undefined;
}

function statusOf(
  { clock }: ControllerParts,
  { set, pods, failure }: { set: ReplicaSetObject; pods: readonly PodObject[]; failure: ApiError | undefined },
): object {
  const ready = pods.filter(isReady).length;
  const before = set.status?.conditions?.find(({ type }) => type === "ReplicaFailure");
  const condition: StateCondition | undefined =
    failure === undefined
      ? undefined
      : {
          type: "ReplicaFailure",
          status: "True",
          lastTransitionTime: before?.lastTransitionTime ?? rfc3339(clock.now()),
          reason: "FailedCreate",
          message: failure.message,
        };
  return {
    replicas: pods.length,
    ...counts({ fullyLabeledReplicas: pods.length, readyReplicas: ready, availableReplicas: ready }),
    observedGeneration: set.metadata.generation ?? 1,
    ...(condition === undefined ? {} : { conditions: [condition] }),
  };
}
