/**
 * The Secrets of a workload. Everything that an instance is given by value goes through them, since a Deployment is read by many who
 * may not read Secrets, and an InstanceSpec doesn't say which of its values came from one. Pure.
 *
 * What an instance sees is in immutable Secrets that are named after what is in them: a changed value is another Secret, so that the Pods of
 * the old template keep theirs, and the Deployment replaces them. Credentials of registries are no part of an instance: they stand in
 * one Secret that changes in place.
 */
import { createHash } from "node:crypto";
import { revisionLabel } from "../../api/labels.ts";
import type { OwnerReference } from "../../api/meta/types.ts";
import type { Secret } from "../../api/secret.ts";
import type { InstanceSpec, RegistryAuth, WorkloadKey } from "../../runtime/workloads.ts";

/** Where a value is. */
export interface SecretPlace {
  secret: string;
  key: string;
}

export interface ValueSecrets {
  secrets: Secret[];
  /** Of each variable that isn't the platform's own, by its place in `env`. */
  env: ReadonlyMap<number, SecretPlace>;
  /** Of each file, by the first mount of its volume and its place there. */
  files: ReadonlyMap<number, readonly SecretPlace[]>;
}

/** Kubernetes' limit is 1 MiB of data; a single value may have that much. */
const mostBytes = 1_000_000;

/** Variables that the platform sets itself: nothing in them is secret, and they are of use to whoever reads a Pod. */
const plain: ReadonlySet<string> = new Set(["PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION"]);

/**
 * Secrets with the values of environment and files, and where each is.
 * @param labels of the Secrets
 */
export function makeValueSecrets(
  key: WorkloadKey,
  spec: Pick<InstanceSpec, "env" | "mounts">,
  owner: OwnerReference,
  labels: Record<string, string> = { [revisionLabel]: key.name },
): ValueSecrets {
  const entries: { name: string; data: string }[] = [];
  const add = (data: string): number => entries.push({ name: `v${entries.length}`, data }) - 1;
  const envEntries = new Map<number, number>();
  for (const [index, { name, value }] of spec.env.entries()) {
    if (!plain.has(name)) envEntries.set(index, add(Buffer.from(value, "utf8").toString("base64")));
  }
  const fileEntries = new Map<number, number[]>();
  const seen = new Set<string>();
  for (const [index, { source, volume }] of spec.mounts.entries()) {
    // Mounts of one volume have one content.
    if (source.type === "files" && !seen.has(volume)) {
      seen.add(volume);
      fileEntries.set(
        index,
        source.files.map(({ data }) => add(data)),
      );
    }
  }
  const hash = createHash("sha256").update(JSON.stringify(entries)).digest("hex").slice(0, 10);
  const chunks = inChunks(entries);
  const places: SecretPlace[] = [];
  const secrets = chunks.map((chunk, index) => {
    const name = `${key.name}-${hash}-${index}`;
    for (const entry of chunk) places.push({ secret: name, key: entry.name });
    const data = Object.fromEntries(chunk.map((entry) => [entry.name, entry.data]));
    return secretOf(key, owner, { name, labels, immutable: true, type: "Opaque", data });
  });
  const placeOf = (entry: number): SecretPlace => places[entry] ?? { secret: "", key: "" };
  return {
    secrets,
    env: new Map([...envEntries].map(([index, entry]) => [index, placeOf(entry)])),
    files: new Map([...fileEntries].map(([index, list]) => [index, list.map(placeOf)])),
  };
}

/** The Secret with a workload's registry credentials; undefined where it has none. */
export function makePullSecret(
  key: WorkloadKey,
  auths: readonly RegistryAuth[],
  owner: OwnerReference,
  labels: Record<string, string> = { [revisionLabel]: key.name },
): Secret | undefined {
  if (auths.length === 0) return undefined;
  const byRegistry: Record<string, { auth: string }> = {};
  for (const { registry, username, password } of auths) {
    // The first that is given for a registry counts, as embedded.
    byRegistry[registry] ??= { auth: Buffer.from(`${username}:${password}`, "utf8").toString("base64") };
  }
  const text = JSON.stringify({ auths: byRegistry });
  return secretOf(key, owner, {
    name: pullSecretName(key),
    labels,
    type: "kubernetes.io/dockerconfigjson",
    data: { ".dockerconfigjson": Buffer.from(text, "utf8").toString("base64") },
  });
}

export function pullSecretName({ name }: WorkloadKey): string {
  return `${name}-pull`;
}

function secretOf(
  key: WorkloadKey,
  owner: OwnerReference,
  {
    name,
    labels,
    ...rest
  }: Pick<Secret, "type" | "data" | "immutable"> & { name: string; labels: Record<string, string> },
): Secret {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace: key.namespace, labels, ownerReferences: [owner] },
    ...rest,
  };
}

function inChunks(entries: readonly { name: string; data: string }[]): { name: string; data: string }[][] {
  const chunks: { name: string; data: string }[][] = [];
  let room = 0;
  for (const entry of entries) {
    const bytes = Math.ceil((entry.data.length * 3) / 4) + entry.name.length;
    const last = chunks.at(-1);
    if (last === undefined || bytes > room) {
      chunks.push([entry]);
      room = mostBytes - bytes;
    } else {
      last.push(entry);
      room -= bytes;
    }
  }
  return chunks;
}
