/**
 * Uninstalling: what an installation applied, and nothing else. The kinds' definitions can't go without every object of them, so services
 * that are there are a reason to refuse unless the caller says that they are to go too.
 */
import { Build } from "../../api/build.ts";
import { Configuration } from "../../api/configuration.ts";
import { routedFinalizer } from "../../api/labels.ts";
import { isReason } from "../../api/meta/errors.ts";
import type { Kind } from "../../api/meta/kind.ts";
import type { KubeObject } from "../../api/meta/types.ts";
import { Revision } from "../../api/revision.ts";
import { Route } from "../../api/route.ts";
import type { ApplyingClient } from "../../client/client.ts";
import { manifests } from "../manifests/manifests.ts";
import { Pod } from "../kinds/pod.ts";
import { type InstallOptions, type Manifest, partOf } from "../manifests/names.ts";
import { delay } from "../../lib/clock.ts";
import { type Steps, isOurs } from "./install.ts";
import { kindOf } from "./kinds.ts";
import { InstallError, type Waiting, find, goneState, until } from "./wait.ts";

const goneMs = 120_000;
/** From the request to end until a Pod of an installation that goes is killed. */
const podSeconds = 5;
const pollMs = 250;
/** As many as a refusal names. */
const shown = 5;

async function objectsOf(client: ApplyingClient, kind: Kind): Promise<KubeObject[]> {
  try {
    return (await client.list(kind)).items;
  } catch (error) {
    if (isReason(error, "NotFound")) return [];
    throw error;
  }
}

const keyOf = ({ metadata }: KubeObject) => `${metadata.namespace ?? ""}/${metadata.name}`;

/** Says which services are in the way. */
export function refusal(services: readonly string[]): string {
  const names = services.slice(0, shown).join(", ");
  const more = services.length > shown ? ` and ${services.length - shown} more` : "";
  const count = services.length === 1 ? "1 service is" : `${services.length} services are`;
  return `Cannot uninstall: ${count} there (${names}${more}), and uninstalling deletes them: delete them first, or say --delete-services`;
}

/** Deletes all services. Revisions are held by the controllers while Routes name them, which nobody may be there to undo. */
async function deleteServices(client: ApplyingClient): Promise<void> {
  for (const kind of [Route, Configuration, Build, Revision] as Kind[]) {
    for (const object of await objectsOf(client, kind)) await remove(client, kind, object);
  }
  await release(client);
}

/** Lets Revisions go that are held for Routes: there are none any more. */
async function release(client: ApplyingClient): Promise<void> {
  for (const revision of await objectsOf(client, Revision)) {
    const { finalizers = [] } = revision.metadata;
    if (!finalizers.includes(routedFinalizer)) continue;
    const body = { metadata: { finalizers: finalizers.filter((one) => one !== routedFinalizer) } };
    await ignoringGone(client.patch(Revision, revision.metadata, { type: "merge", body }));
  }
}

async function remove(client: ApplyingClient, kind: Kind, { metadata }: KubeObject): Promise<void> {
  const preconditions = metadata.uid === undefined ? {} : { preconditions: { uid: metadata.uid } };
  await ignoringGone(client.delete(kind, metadata, { ...preconditions, propagationPolicy: "Background" }));
}

/**
 * Ends the installation's Pods, whose Deployments are gone, and waits for that. Nobody is served any more, so a gateway needn't wait for anything; and a
 * namespace with Pods that may take ten minutes is looked at again by Kubernetes only after half of that.
 */
async function endPods({ client, clock }: Waiting, namespace: string): Promise<void> {
  const labelSelector = Object.entries(partOf)
    .map(([key, value]) => `${key}=${value}`)
    .join();
  const told = new Set<string | undefined>();
  const limit = clock.now() + goneMs;
  for (;;) {
    const { items } = await client.list(Pod, { namespace, labelSelector });
    if (items.length === 0) return;
    if (clock.now() >= limit) {
      const names = items.map(({ metadata }) => metadata.name).join(", ");
      throw new InstallError(
        `Pods of ${namespace} don't end (${names}): their nodes may be gone; see kubectl -n ${namespace} get pods -o wide, and uninstall again`,
      );
    }
    for (const { metadata } of items) {
      if (told.has(metadata.uid)) continue;
      told.add(metadata.uid);
      await ignoringGone(client.delete(Pod, metadata, { gracePeriodSeconds: podSeconds }));
    }
    await delay(clock, pollMs);
  }
}

async function ignoringGone(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!isReason(error, "NotFound")) throw error;
  }
}

/**
 * Takes an installation away.
 * @param deleteServices whether services that are there are deleted with it; without it they are a refusal
 */
export async function uninstall(
  { client, clock }: Waiting,
  options: InstallOptions,
  how: { steps: Steps; deleteServices: boolean },
): Promise<void> {
  const kinds = [Configuration, Route] as Kind[];
  const services = (await Promise.all(kinds.map((kind) => objectsOf(client, kind)))).flat();
  const names = [...new Set(services.map(keyOf))].sort();
  if (names.length > 0 && !how.deleteServices) throw new InstallError(refusal(names));
  const all = manifests(options);
  if (names.length > 0) {
    how.steps.start("Deleting services");
    await deleteServices(client);
    how.steps.done("Deleting services");
  }
  how.steps.start("Removing Elafros");
  const removed: { manifest: Manifest; uid: string | undefined }[] = [];
  for (const manifest of all.toReversed()) {
    // Deployments went before.
    if (manifest.kind === "Namespace" && manifest.metadata.name === options.namespace) {
      await endPods({ client, clock }, options.namespace);
    }
    const stored = await find(client, manifest);
    if (stored === undefined || !isOurs(stored)) continue;
    await remove(client, kindOf(manifest), stored);
    removed.push({ manifest, uid: stored.metadata.uid });
  }
  // Controllers may have held one again until they ended.
  if (how.deleteServices) await release(client);
  for (const { manifest, uid } of removed) {
    await until({ client, clock }, manifest, (stored) => goneState(stored, uid), goneMs);
  }
  how.steps.done("Removing Elafros");
}
