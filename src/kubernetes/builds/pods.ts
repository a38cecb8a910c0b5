/** Makes, ends and takes away the Pod of a build, with its Secrets. Each can be done again, by whoever leads then. */
import { buildNameLabel } from "../../api/labels.ts";
import { isReason } from "../../api/meta/errors.ts";
import { Secret } from "../../api/secret.ts";
import type { ApplyingClient } from "../../client/client.ts";
import type { BuildKey, BuildSpec } from "../../runtime/builds.ts";
import { Pod } from "../kinds/pod.ts";
import { ignoreGone } from "../workloads/reconcile.ts";
import { makeBuildPod, type PodFacts } from "./make-pod.ts";
import { type InstallationFacts, makeBuildSecrets } from "./make-secrets.ts";
import { buildPodName, endAnnotation } from "./names.ts";
import { buildOf, type Ended } from "./state.ts";

const fieldManager = "elafros-builds";

/** Another has an object under this build's name. */
export class OccupiedError extends Error {
  override readonly name = "OccupiedError";
}

/** What a build's Pod and Secrets are made of. */
interface Parts {
  spec: BuildSpec;
  facts: PodFacts;
  installation: InstallationFacts;
}

/**
 * Creates the Pod, none of whose containers begins before its Secrets are there; gives it as it is stored. One that is there already is taken where it is this Build's.
 * @throws ApiError, OccupiedError, TypeError where a credential is none
 */
export async function createPod(
  client: ApplyingClient,
  key: BuildKey,
  { spec, facts, installation }: Parts,
): Promise<Pod> {
  const pod = makeBuildPod(key, spec, makeBuildSecrets(key, spec, installation), facts);
  try {
    return await client.create<Pod>(Pod, pod);
  } catch (error) {
    if (!isReason(error, "AlreadyExists")) throw error;
    const there = await client.get(Pod, { namespace: key.namespace, name: buildPodName(key) });
    if (buildOf(there)?.uid === spec.uid) return there;
    throw new OccupiedError(
      `Pod "${buildPodName(key)}" in namespace "${key.namespace}" is there already and isn't of this Build: delete it, or give the Build another name`,
      { cause: error },
    );
  }
}

/** Lets the Pod begin. @throws ApiError */
export async function applySecrets(
  client: ApplyingClient,
  key: BuildKey,
  { spec, installation }: Omit<Parts, "facts">,
): Promise<void> {
  for (const secret of makeBuildSecrets(key, spec, installation).secrets) {
    await client.apply(Secret, secret, { fieldManager, force: true });
  }
}

/** Ends what a Pod runs, with the reason written on it; its logs stay. One that is on no node yet never begins. */
export async function endPod(client: ApplyingClient, { metadata, spec }: Pod, ended: Ended): Promise<Pod | undefined> {
  const { name, namespace = "", uid } = metadata;
  // The kubelet ends what is over its time; a deadline can only be made shorter.
  const deadline = Math.min(1, spec?.activeDeadlineSeconds ?? 1);
  const body = {
    metadata: { uid, annotations: { [endAnnotation]: JSON.stringify(ended) } },
    spec: { activeDeadlineSeconds: deadline },
  };
  return ignoreGone(client.patch(Pod, { namespace, name }, { type: "merge", body }, { fieldManager }));
}

/** Deletes a Pod, and its logs with it. */
export async function deletePod(client: ApplyingClient, { metadata }: Pod): Promise<void> {
  if (metadata.deletionTimestamp !== undefined) return;
  const { name, namespace = "", uid } = metadata;
  await ignoreGone(client.delete(Pod, { namespace, name }, uid === undefined ? {} : { preconditions: { uid } }));
}

/** Deletes the Secrets of a build: what has ended needs no credentials. */
export async function deleteSecrets(client: ApplyingClient, key: BuildKey, uid: string): Promise<void> {
  const { namespace, name } = key;
  const { items } = await client.list(Secret, { namespace, labelSelector: `${buildNameLabel}=${name}` });
  for (const { metadata } of items) {
    const isOwn = metadata.ownerReferences?.some((owner) => owner.uid === uid) ?? false;
    if (isOwn) await ignoreGone(client.delete(Secret, { namespace, name: metadata.name }));
  }
}
