/**
 * Brings the objects of one workload to what is wanted. Level-triggered: it looks at what is there, writes what differs, and writes nothing where
 * nothing does. All writes are server-side applies in one field manager's name, so what others add stays.
 */
import { ApiError } from "../../api/meta/errors.ts";
import type { KubeObject } from "../../api/meta/types.ts";
import { Secret } from "../../api/secret.ts";
import type { ApplyingClient } from "../../client/client.ts";
import type { InstanceSpec, WorkloadKey } from "../../runtime/workloads.ts";
import { Deployment } from "../kinds/deployment.ts";
import { Pod } from "../kinds/pod.ts";
import { Service } from "../kinds/service.ts";
import { covers } from "./covers.ts";
import type { ClusterFacts, RevisionFacts } from "./facts.ts";
import { makeDeployment, makeService } from "./make-deployment.ts";
import { makePullSecret, makeValueSecrets, type ValueSecrets } from "./make-secrets.ts";
import type { WorkloadObjects } from "./objects.ts";

/** In whose name everything of workloads is applied. */
const fieldManager = "elafros-workloads";
/** The ReplicaSet controller takes those with the lowest first (Kubernetes 1.22). */
const deletionCost = "controller.kubernetes.io/pod-deletion-cost";
const lowest = "-2147483648";

/** What of a workload this process has written. */
export interface Written {
  /** The Secrets of the values of this spec: files may be large. */
  values?: { of: InstanceSpec; made: ValueSecrets };
  /** The Deployment as it was applied, as JSON, and the generation that it then had. */
  deployment?: { text: string; generation: number | undefined };
  /** Names of the Secrets of values that were applied; they say what is in them. */
  secrets?: string;
  /** The pull secret as it was applied, as JSON. */
  pull?: string;
  /** Secrets of earlier values are to be looked for. */
  stale?: boolean;
  /** Uid of the Deployment that was deleted, until the watch brings that. */
  deleted?: string;
}

export interface Wanted {
  key: WorkloadKey;
  spec: InstanceSpec;
  /** What the Deployment is told. */
  replicas: number;
  revision: RevisionFacts;
  cluster: ClusterFacts;
  /** A Pod says that its Secret isn't there: it was deleted by somebody. */
  secretsLost: boolean;
}

/** Another has an object under this workload's name. */
export class OccupiedError extends Error {
  override readonly name = "OccupiedError";
}

/** Applies what differs. Rejects with ApiError, or OccupiedError. */
export async function applyWorkload(
  client: ApplyingClient,
  objects: Pick<WorkloadObjects, "deployments" | "services"> & { secret(key: string): Secret | undefined },
  { wanted, written }: { wanted: Wanted; written: Written },
): Promise<void> {
  const { key, spec, revision, cluster, replicas } = wanted;
  const id = `${key.namespace}/${key.name}`;
  if (written.values?.of !== spec) written.values = { of: spec, made: makeValueSecrets(key, spec, revision.owner) };
  const values = written.values.made;
  const input = { key, spec, values, revision, cluster };
  const deployment = makeDeployment(input, replicas);
  const live = objects.deployments.get(id);
  const isOwn = (object: KubeObject | undefined) =>
    object?.metadata.ownerReferences?.some(({ uid }) => uid === revision.owner.uid) ?? false;

  const pull = makePullSecret(key, spec.pullSecrets, revision.owner);
  const pullText = JSON.stringify(pull);
  if (pull !== undefined && pullText !== written.pull) {
    // What this process has written itself may not be seen yet: only what an earlier one left is looked at.
    const isThere =
      written.pull === undefined && covers(objects.secret(`${key.namespace}/${pull.metadata.name}`), pull);
    if (!isThere) await apply(client, Secret, { object: pull, own: true });
    written.pull = pullText;
  }
  const text = JSON.stringify(deployment);
  const hasTemplate = live !== undefined && covers(live.spec.template, deployment.spec.template);
  const isTold = written.deployment?.text === text && written.deployment.generation === live?.metadata.generation;
  const names = values.secrets.map(({ metadata }) => metadata.name);
  if (wanted.secretsLost || !(hasTemplate || written.secrets === names.join())) {
    for (const secret of values.secrets) await apply(client, Secret, { object: secret, own: true });
    written.secrets = names.join();
    written.stale = live !== undefined;
  }
  if (!(isTold || (live !== undefined && covers(live, deployment)))) {
    const applied = await apply(client, Deployment, { object: deployment, own: isOwn(live) });
    written.deployment = { text, generation: applied.metadata.generation };
    objects.deployments.observed(applied);
  }
  const service = makeService(input);
  const liveService = objects.services.get(id);
  if (!covers(liveService, service)) {
    objects.services.observed(await apply(client, Service, { object: service, own: isOwn(liveService) }));
  }
  if (written.stale === true && live !== undefined && hasTemplate && isRolledOut(live)) {
    await removeStale(client, key, new Set(names));
    written.stale = false;
  }
}

async function apply<T extends KubeObject>(
  client: ApplyingClient,
  kind: Parameters<typeof client.apply<T>>[0],
  { object, own }: { object: T; own: boolean },
): Promise<T> {
  try {
    // What isn't this workload's isn't taken from whoever made it.
    return await client.apply(kind, object, { fieldManager, ...(own ? { force: true } : {}) });
  } catch (error) {
    if (own || !isOfOthers(error)) throw error;
    const { name, namespace = "" } = object.metadata;
    throw new OccupiedError(
      `${kind.kind} "${name}" in namespace "${namespace}" is there already and isn't of this Revision: delete it, or deploy under another name`,
      { cause: error },
    );
  }
}

/** Whether fields are another manager's, rather than that somebody wrote at the same moment. */
function isOfOthers(error: unknown): boolean {
  if (!(error instanceof ApiError) || error.reason !== "Conflict") return false;
  return error.details?.causes?.some(({ reason }) => reason === "FieldManagerConflict") === true;
}

/** No Pod of an earlier template is left. */
function isRolledOut({ metadata, spec, status }: Deployment): boolean {
  const { observedGeneration = 0, replicas = 0, updatedReplicas = 0 } = status ?? {};
  return observedGeneration >= (metadata.generation ?? 0) && replicas === updatedReplicas && replicas === spec.replicas;
}

/** Deletes the Secrets of earlier values. */
async function removeStale(client: ApplyingClient, key: WorkloadKey, used: ReadonlySet<string>): Promise<void> {
  const { namespace, name } = key;
  const form = new RegExp(`^${name.replaceAll(".", "\\.")}-[0-9a-f]{10}-\\d+$`, "u");
  const { items } = await client.list(Secret, { namespace, labelSelector: `elafros.dev/revision=${name}` });
  for (const { metadata } of items) {
    if (form.test(metadata.name) && !used.has(metadata.name)) await ignoreGone(client.delete(Secret, metadata));
  }
}

/** Has the ReplicaSet choose this Pod when it makes them fewer, or not any more. Nothing is written where that is so already. */
export async function setExpendable(client: ApplyingClient, pod: Pod, expendable: boolean): Promise<Pod | undefined> {
  const cost = expendable ? lowest : undefined;
  if (pod.metadata.annotations?.[deletionCost] === cost) return undefined;
  const { name, namespace = "" } = pod.metadata;
  const body = { metadata: { annotations: { [deletionCost]: cost ?? null } } };
  return ignoreGone(client.patch(Pod, { namespace, name }, { type: "merge", body }, { fieldManager }));
}

/** Deletes a workload's Deployment, and with it its Pods. All else goes with the Revision. */
export async function removeDeployment(client: ApplyingClient, live: Deployment, written: Written): Promise<void> {
  const { name, namespace = "", uid = "" } = live.metadata;
  if (written.deleted === uid) return;
  await ignoreGone(
    client.delete(Deployment, { namespace, name }, { propagationPolicy: "Background", preconditions: { uid } }),
  );
  written.deleted = uid;
}

export async function ignoreGone<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof ApiError && error.reason === "NotFound") return undefined;
    throw error;
  }
}
