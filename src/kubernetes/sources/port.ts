/**
 * The sources port on Kubernetes: uploads are blobs in the installation's registry, in a repository of their namespace, each with a manifest that names it and says when somebody
 * last wanted it.
 */
import { Readable, Transform } from "node:stream";
import { formatBytes } from "../../lib/bytes.ts";
import type { Clock } from "../../lib/clock.ts";
import { digestHex } from "../../lib/source/location.ts";
import { type PruneRules, unneededUploads } from "../../lib/source/pruning.ts";
import { ImageError } from "../../runtime/images.ts";
import { digestOf } from "../../runtime/registry/manifest.ts";
import type { Repository } from "../../runtime/registry/repository.ts";
import { SourceError, type SourcesPort } from "../../runtime/sources.ts";
import { uploadsPath } from "../builds/names.ts";
import type { BuildRegistry } from "../builds/registry.ts";
import { deleteManifest, emptyConfig, endOfHour, listUploads, putUpload, readUpload } from "./manifest.ts";
import type { UploadNamespaces } from "./namespaces.ts";

/** As on one machine, where nobody says otherwise. */
const mostBytes = 2 * 2 ** 30;

export interface ClusterSourcesOptions {
  registry: BuildRegistry;
  /** Those with uploads. */
  namespaces: UploadNamespaces;
  clock: Clock;
  /** The most bytes of one archive; 2 GiB unless given. */
  maxBytes?: number;
}

/** The port. What it rejects with besides SourceError is ImageError, or ApiError of `namespaces`. */
export function createClusterSources(options: ClusterSourcesOptions): SourcesPort {
  const { registry, namespaces, clock, maxBytes = mostBytes } = options;
  const within = async <T>(namespace: string, work: (repository: Repository) => Promise<T>): Promise<T> => {
    const { signal } = new AbortController();
    const repository = await registry.open(namespace, uploadsPath, { signal, deletes: true });
    try {
      return await work(repository);
    } finally {
      repository.close();
    }
  };
  return {
    maxBytes,
    size: async (namespace, digest) => {
      if (digestHex(digest) === undefined) return undefined;
      return within(namespace, async (repository) => {
        const stored = await readUpload(repository, digest);
        const bytes = stored && (await blobSize(repository, digest));
        if (bytes === undefined || stored?.at === endOfHour(clock.now())) return bytes;
        await namespaces.add(namespace);
        await putUpload(repository, { digest, bytes }, clock.now());
        // A registry may take nothing away; its rules of retention do then.
        if (stored !== undefined) await deleteManifest(repository, stored.manifest).catch(() => {});
        return bytes;
      });
    },
    put: async (namespace, digest, body) => {
      // Others would be paths of the registry.
      if (digestHex(digest) === undefined) throw new SourceError("BadDigest", noDigest(digest));
      await within(namespace, async (repository) => {
        await namespaces.add(namespace);
        const bytes = await putBlob(repository, { digest, body, most: maxBytes });
        const config = digestOf(emptyConfig);
        if ((await blobSize(repository, config)) === undefined) {
          await putBlob(repository, { digest: config, body: Readable.from([emptyConfig]), most: emptyConfig.length });
        }
        await putUpload(repository, { digest, bytes }, clock.now());
      });
    },
    async open(namespace, digest) {
      if (digestHex(digest) === undefined) return undefined;
      const repository = await registry.open(namespace, uploadsPath, { signal: new AbortController().signal });
      const answer = await repository.send({ method: "GET", at: `blobs/${digest}` });
      answer.stream.once("close", () => repository.close());
      if (answer.status === 200) return answer.stream;
      if (answer.status !== 404) throw await repository.refusal(answer);
      answer.stream.resume();
      return undefined;
    },
    async prune(rules) {
      const failures: unknown[] = [];
      for (const namespace of await namespaces.list()) {
        try {
          const left = await within(namespace, (repository) => pruneOne(repository, namespace, { rules, clock }));
          if (left === 0 && !rules.namespaces.has(namespace)) await namespaces.remove(namespace);
        } catch (error) {
          failures.push(error);
        }
      }
      // One namespace's trouble isn't the others'.
      if (failures.length > 0) throw failures[0];
    },
  };
}

/** Prunes a namespace's uploads; gives how many are left. */
async function pruneOne(
  repository: Repository,
  namespace: string,
  { rules, clock }: { rules: PruneRules; clock: Clock },
): Promise<number> {
  const now = clock.now();
  const found = [];
  for (const digest of await listUploads(repository)) {
    const stored = await readUpload(repository, digest);
    if (stored !== undefined) found.push(stored);
  }
  const unneeded = unneededUploads({ namespace, uploads: found }, rules, now);
  // By the digest of what was read: an upload that somebody has asked for since has another manifest.
  for (const { manifest } of unneeded) await deleteManifest(repository, manifest);
  return found.length - unneeded.length;
}

function noDigest(written: string): string {
  return `${JSON.stringify(written)} is no digest: it must be sha256: and 64 hex digits`;
}

async function blobSize(repository: Repository, digest: string): Promise<number | undefined> {
  const answer = await repository.send({ method: "HEAD", at: `blobs/${digest}` });
  answer.stream.resume();
  if (answer.status === 404) return undefined;
  if (answer.status !== 200) throw await repository.refusal(answer);
  return Number(answer.headers["content-length"] ?? 0);
}

/**
 * Sends a blob of which nobody has said how long it is, as it comes; gives its length. The registry holds its bytes against the digest.
 * @throws SourceError where it has others or too many, ImageError
 */
export async function putBlob(
  repository: Repository,
  { digest, body, most }: { digest: string; body: Readable; most: number },
): Promise<number> {
  const begun = await repository.send({ method: "POST", at: "blobs/uploads/", headers: { "content-length": "0" } });
  const { location } = begun.headers;
  if (begun.status !== 202 || location === undefined) throw await repository.refusal(begun);
  begun.stream.resume();
  let bytes = 0;
  let fault: Error | undefined;
  const counted = new Transform({
    transform(part: Buffer, _, done) {
      bytes += part.length;
      if (bytes > most) fault = new SourceError("TooLarge", `The archive is over the limit of ${formatBytes(most)}`);
      done(fault ?? null, part);
    },
  });
  body.on("error", (error) => {
    fault ??= error;
    counted.destroy(error);
  });
  let opened = false;
  const sent = await repository
    .send({
      method: "PATCH",
      at: new URL(location, begun.url),
      headers: { "content-type": "application/octet-stream" },
      body: () => {
        // What has gone by can't be read again.
        if (opened) throw new ImageError("the registry asked for credentials in the middle of an upload");
        opened = true;
        return body.pipe(counted);
      },
    })
    .catch((error: unknown) => {
      throw fault ?? error;
    });
  const next = sent.headers.location ?? location;
  if (sent.status !== 202) throw fault ?? (await repository.refusal(sent));
  sent.stream.resume();
  const end = new URL(next, sent.url);
  end.searchParams.set("digest", digest);
  const ended = await repository.send({ method: "PUT", at: end, headers: { "content-length": "0" } });
  if (ended.status === 400) {
    ended.stream.resume();
    throw new SourceError("DigestMismatch", `The bytes that came don't have the digest ${digest}`);
  }
  if (ended.status !== 201) throw await repository.refusal(ended);
  ended.stream.resume();
  return bytes;
}
