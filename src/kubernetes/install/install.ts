/**
 * Installing on a cluster, and upgrading, which is the same: everything is applied on the server's side, so what a new version doesn't say any
 * more goes, and what others set stays theirs. Uninstalling takes away exactly that.
 */
import { isReason } from "../../api/meta/errors.ts";
import type { ApplyingClient } from "../../client/client.ts";
import { manifests } from "../manifests/manifests.ts";
import { type InstallOptions, type Manifest, partOf } from "../manifests/names.ts";
import { type Stored, kindOf, nameOfObject } from "./kinds.ts";
import { InstallError, type Waiting, definitionState, find, rolloutState, until } from "./wait.ts";

/** Who the API server records as having applied an installation. */
const fieldManager = "elafros-install";

const definitionMs = 60_000;
/** Longer than a Deployment's own deadline for progress, so that its reason is told. */
const rolloutMs = 660_000;

/** Steps as they are shown. */
export interface Steps {
  start(label: string): void;
  done(label: string): void;
}

/** Whether something was made by an installation. */
export function isOurs({ metadata }: Pick<Stored, "metadata">): boolean {
  return Object.entries(partOf).every(([key, value]) => metadata.labels?.[key] === value);
}

/** Fails where a definition of the same name is somebody else's: what is stored by it would be lost. */
async function refuseForeign(client: ApplyingClient, definitions: readonly Manifest[]): Promise<void> {
  for (const definition of definitions) {
    const stored = await find(client, definition);
    if (stored === undefined || isOurs(stored)) continue;
    throw new InstallError(
      `${nameOfObject(definition)} is there and wasn't made by Elafros: remove what it belongs to, or use another cluster`,
    );
  }
}

/** Applies one object. A Deployment keeps the number of Pods that it has: whoever scaled it meant it. */
export async function applyOne(client: ApplyingClient, manifest: Manifest, dryRun = false): Promise<void> {
  let object = manifest;
  if (manifest.kind === "Deployment") {
    const replicas = (await find(client, manifest))?.spec?.replicas;
    if (replicas !== undefined) object = { ...manifest, spec: { ...(manifest["spec"] as object), replicas } };
  }
  try {
    await client.apply(kindOf(object), object, { fieldManager, force: true, dryRun });
  } catch (error) {
    if (!isReason(error, "Forbidden")) throw error;
    throw new InstallError(
      `Cannot apply ${nameOfObject(manifest)}: ${(error as Error).message}. Installing needs the rights of a cluster administrator`,
      { cause: error },
    );
  }
}

/**
 * Installs, or brings an installation to this version.
 * @param rollout whether to wait until controllers and gateways run
 */
export async function install(
  { client, clock }: Waiting,
  options: InstallOptions,
  { steps, rollout }: { steps: Steps; rollout: boolean },
): Promise<void> {
  const all = manifests(options);
  const definitions = all.filter(({ kind }) => kind === "CustomResourceDefinition");
  await refuseForeign(client, definitions);
  steps.start("Defining the kinds");
  for (const definition of definitions) await applyOne(client, definition);
  for (const definition of definitions) await until({ client, clock }, definition, definitionState, definitionMs);
  steps.done("Defining the kinds");
  steps.start("Applying controllers and gateways");
  for (const manifest of all.slice(definitions.length)) await applyOne(client, manifest);
  steps.done("Applying controllers and gateways");
  if (!rollout) return;
  for (const deployment of all.filter(({ kind }) => kind === "Deployment")) {
    steps.start(`Starting ${deployment.metadata.name}`);
    await until({ client, clock }, deployment, rolloutState, rolloutMs);
    steps.done(`Starting ${deployment.metadata.name}`);
  }
}
