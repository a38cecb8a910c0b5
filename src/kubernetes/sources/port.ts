/**
 * The sources port on Kubernetes: uploads are blobs in the installation's registry, in a repository of their namespace. Each has a manifest that names it, so that the registry's own
 * collection of garbage leaves it; what is to go, the registry's rules of retention say.
 */
import { Readable, Transform } from "node:stream";
import { ImageError } from "../../runtime/images.ts";
import { digestOf } from "../../runtime/registry/manifest.ts";
import type { Repository } from "../../runtime/registry/repository.ts";
import { SourceError, type SourcesPort } from "../../runtime/sources.ts";
import type { BuildRegistry } from "../builds/registry.ts";
import { uploadsPath } from "../builds/names.ts";

/** As on one machine, unless it is told otherwise. */
const maxBytes = 2 * 2 ** 30;
const uploadType = "application/vnd.elafros.source.v1";
const emptyType = "application/vnd.oci.empty.v1+json";
const manifestType = "application/vnd.oci.image.manifest.v1+json";

/** The port without `prune`. */
export function createClusterSources(registry: BuildRegistry): Omit<SourcesPort, "prune"> {
  const within = async <T>(namespace: string, work: (repository: Repository) => Promise<T>): Promise<T> => {
    const repository = await registry.open(namespace, uploadsPath, new AbortController().signal);
    try {
      return await work(repository);
    } finally {
      repository.close();
    }
  };
  return {
    maxBytes,
    size: (namespace, digest) =>
      within(namespace, async (repository) => {
        const answer = await repository.send({
          method: "HEAD",
          at: `manifests/${tagOf(digest)}`,
          headers: { accept: manifestType },
        });
        answer.stream.resume();
        if (answer.status === 404) return undefined;
        if (answer.status !== 200) throw await repository.refusal(answer);
        return blobSize(repository, digest);
      }),
    put: (namespace, digest, body) =>
      within(namespace, async (repository) => {
        const bytes = await putBlob(repository, { digest, body, most: maxBytes });
        const config = Buffer.from("{}");
        if ((await blobSize(repository, digestOf(config))) === undefined) {
          await putBlob(repository, { digest: digestOf(config), body: Readable.from([config]), most: config.length });
        }
        const manifest = Buffer.from(
          JSON.stringify({
            schemaVersion: 2,
            mediaType: manifestType,
            artifactType: uploadType,
            config: { mediaType: emptyType, digest: digestOf(config), size: config.length },
            layers: [{ mediaType: uploadType, digest, size: bytes }],
          }),
        );
        const answer = await repository.send({
          method: "PUT",
          at: `manifests/${tagOf(digest)}`,
          headers: { "content-type": manifestType, "content-length": String(manifest.length) },
          body: () => Readable.from([manifest]),
        });
        if (answer.status !== 201) throw await repository.refusal(answer);
        answer.stream.resume();
      }),
    async open(namespace, digest) {
      const repository = await registry.open(namespace, uploadsPath, new AbortController().signal);
      const answer = await repository.send({ method: "GET", at: `blobs/${digest}` });
      answer.stream.once("close", () => repository.close());
      if (answer.status === 200) return answer.stream;
      if (answer.status !== 404) throw await repository.refusal(answer);
      answer.stream.resume();
      return undefined;
    },
  };
}

/** A tag can't have a colon. */
function tagOf(digest: string): string {
  return digest.replace(":", "-");
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
      if (bytes > most) fault = new SourceError("TooLarge", `The archive has more than ${most} bytes`);
      done(fault ?? null, part);
    },
  });
  body.on("error", (error) => counted.destroy(error));
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
