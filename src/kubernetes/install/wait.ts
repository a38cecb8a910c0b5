/** Waiting for what a cluster makes of what it was told: definitions that are served, Deployments that run, objects that are gone. */
import { isReason } from "../../api/meta/errors.ts";
import type { ApplyingClient } from "../../client/client.ts";
import { type Clock, delay } from "../../lib/clock.ts";
import type { Manifest } from "../manifests/names.ts";
import { type Stored, kindOf, nameOfObject } from "./kinds.ts";

/** Something that an installation waits for doesn't come, or can't; the message says what and why. */
export class InstallError extends Error {
  override name = "InstallError";
}

/** What is waited with. */
export interface Waiting {
  client: ApplyingClient;
  clock: Clock;
}

/** How far something is: there, not yet (and why), or never (and why). */
export type State = "there" | { waiting: string } | { failed: string };

const pollMs = 250;

/** An object as it is, `undefined` where there is none. */
export async function find(client: ApplyingClient, of: Manifest): Promise<Stored | undefined> {
  try {
    return await client.get(kindOf(of), of.metadata);
  } catch (error) {
    // Where a kind isn't served, there is no object of it either.
    if (isReason(error, "NotFound")) return undefined;
    throw error;
  }
}

/**
 * Waits until an object is as it should be.
 * @param limitMs after which it fails with the last reason
 */
export async function until(
  { client, clock }: Waiting,
  of: Manifest,
  judge: (stored: Stored | undefined) => State,
  limitMs: number,
): Promise<void> {
  const end = clock.now() + limitMs;
  for (;;) {
    const state = judge(await find(client, of));
    if (state === "there") return;
    if ("failed" in state) throw new InstallError(`${nameOfObject(of)}: ${state.failed}`);
    if (clock.now() >= end) {
      throw new InstallError(`${nameOfObject(of)} isn't ready after ${limitMs / 1000} s: ${state.waiting}`);
    }
    await delay(clock, pollMs);
  }
}

/** Whether a CustomResourceDefinition is served. */
export function definitionState(stored: Stored | undefined): State {
  const conditions = stored?.status?.conditions ?? [];
  const refused = conditions.find(({ type, status }) => type === "NamesAccepted" && status === "False");
  if (refused !== undefined) return { failed: `its names are taken: ${refused.message ?? refused.reason ?? ""}` };
  const established = conditions.find(({ type }) => type === "Established");
  return established?.status === "True" ? "there" : { waiting: "the API server doesn't serve it yet" };
}

/** Whether all Pods of a Deployment are those of its newest template, and ready. */
export function rolloutState(stored: Stored | undefined): State {
  if (stored === undefined) return { failed: "it was deleted meanwhile" };
  const { status = {}, spec = {}, metadata } = stored;
  if ((status.observedGeneration ?? 0) < (metadata.generation ?? 0)) {
    return { waiting: "the cluster's controllers haven't looked at it yet" };
  }
  const progress = status.conditions?.find(({ type }) => type === "Progressing");
  const failure = status.conditions?.find(({ type, status: is }) => type === "ReplicaFailure" && is === "True");
  if (failure !== undefined) return { failed: `its Pods can't be made: ${failure.message ?? failure.reason ?? ""}` };
  if (progress?.reason === "ProgressDeadlineExceeded") return { failed: progress.message ?? progress.reason };
  const wanted = spec.replicas ?? 1;
  const { updatedReplicas = 0, replicas = 0, availableReplicas = 0 } = status;
  if (updatedReplicas < wanted) return { waiting: `${updatedReplicas} of ${wanted} new Pods are made` };
  if (replicas > updatedReplicas) return { waiting: `${replicas - updatedReplicas} old Pods are still to end` };
  if (availableReplicas < wanted) return { waiting: `${availableReplicas} of ${wanted} Pods are ready` };
  return "there";
}

/** Whether the object with the uid is gone: another of its name is another. */
export function goneState(stored: Stored | undefined, uid: string | undefined): State {
  if (stored === undefined || stored.metadata.uid !== uid) return "there";
  const { finalizers = [] } = stored.metadata;
  return { waiting: finalizers.length === 0 ? "it is being deleted" : `${finalizers.join(", ")} keep it` };
}
