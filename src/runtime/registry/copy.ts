/**
 * Copies an image to a registry, blob by blob and as it streams: what is there already, by its digest, isn't sent, and what another repository of the same
 * registry has is mounted there. A list of images is copied whole. The manifest goes last, so that an image which is there is there whole.
 */
import { createHash } from "node:crypto";
import { Readable, Transform } from "node:stream";
import { ImageError } from "../images.ts";
import { type Descriptor, type Manifest, manifestTypes } from "./manifest.ts";
import type { RegistryAnswer, Repository } from "./repository.ts";
import type { ImageSource } from "./source.ts";

export interface CopyOptions {
  source: ImageSource;
  /** The image's tag or digest there. */
  reference: string;
  target: Repository;
  /** The tag that it gets; without one it is there by its digest alone. */
  tag?: string | undefined;
  /** Told of bytes as they go over. */
  onBytes?: (sent: number) => void;
  signal: AbortSignal;
}

/** What it took. */
export interface CopyResult {
  digest: string;
  /** Blobs that were sent, that the registry took from another of its repositories, and that were there. */
  sent: number;
  mounted: number;
  present: number;
  /** Of what was sent. */
  bytes: number;
}

/** Blobs on their way at once. */
const atOnce = 3;
/** How often a blob is tried whose connection breaks. */
const mostTries = 3;

/** @throws ImageError with the registry's own words */
export async function copyImage(options: CopyOptions): Promise<CopyResult> {
  const { source, target, tag } = options;
  const root = await source.manifest(options.reference);
  const result: CopyResult = { digest: root.digest, sent: 0, mounted: 0, present: 0, bytes: 0 };
  if (!(await hasManifest(target, root.digest, root.digest))) await copyParts(options, root, result);
  const name = tag ?? root.digest;
  if (!(await hasManifest(target, name, root.digest))) await putManifest(target, root, name);
  return result;
}

/** Everything that a manifest refers to. */
async function copyParts(options: CopyOptions, manifest: Manifest, result: CopyResult): Promise<void> {
  for (const one of manifest.manifests) {
    const child = await options.source.manifest(one.digest);
    if (await hasManifest(options.target, child.digest, child.digest)) continue;
    await copyParts(options, child, result);
    await putManifest(options.target, child, child.digest);
  }
  const left = [...new Map(manifest.blobs.map((blob) => [blob.digest, blob])).values()];
  const work = async () => {
    for (let blob = left.pop(); blob !== undefined; blob = left.pop()) await copyBlob(options, blob, result);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}

async function copyBlob(options: CopyOptions, blob: Descriptor, result: CopyResult): Promise<void> {
  const { target, source, signal } = options;
  const there = await target.send({ method: "HEAD", at: `blobs/${blob.digest}` });
  there.stream.resume();
  if (there.status === 200) {
    result.present += 1;
    return;
  }
  for (let tried = 1; ; tried += 1) {
    try {
      const upload = await begin(target, source, blob);
      if (upload === undefined) {
        result.mounted += 1;
        return;
      }
      await send(options, blob, upload);
      result.sent += 1;
      result.bytes += blob.size;
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (tried === mostTries || !isBroken(error)) throw error;
    }
  }
}

/** Where the blob is to be sent; undefined where the registry has taken it from another of its repositories. */
async function begin(target: Repository, { place }: ImageSource, { digest }: Descriptor): Promise<URL | undefined> {
  const mounts = place !== undefined && place.registry === target.registry && place.path !== target.path;
  const query = mounts ? `?mount=${digest}&from=${encodeURIComponent(place.path)}` : "";
  const answer = await target.send({
    method: "POST",
    at: `blobs/uploads/${query}`,
    headers: { "content-length": "0" },
  });
  if (answer.status === 201) {
    answer.stream.resume();
    return undefined;
  }
  const { location } = answer.headers;
  if (answer.status !== 202 || location === undefined) throw await target.refusal(answer);
  answer.stream.resume();
  return new URL(location, answer.url);
}

async function send({ source, target, onBytes }: CopyOptions, blob: Descriptor, upload: URL): Promise<void> {
  upload.searchParams.set("digest", blob.digest);
  let fault: ImageError | undefined;
  const body = async () => {
    const check = checked(blob, onBytes, (error) => (fault = error));
    const stream = await source.blob(blob);
    stream.on("error", (error) => check.destroy(error));
    return stream.pipe(check);
  };
  const headers = { "content-type": "application/octet-stream", "content-length": String(blob.size) };
  let answer: RegistryAnswer;
  try {
    answer = await target.send({ method: "PUT", at: upload, headers, body });
  } catch (error) {
    throw fault ?? error;
  }
  if (fault !== undefined) throw fault;
  if (answer.status !== 201) throw await target.refusal(answer);
  answer.stream.resume();
}

/** Lets a blob's bytes through, but not as whole where they aren't what its digest says. */
function checked(
  { digest, size }: Descriptor,
  onBytes: CopyOptions["onBytes"],
  onFault: (error: ImageError) => void,
): Transform {
  const hash = createHash("sha256");
  let length = 0;
  const wrong = () => {
    const error = new ImageError(`the bytes of blob "${digest}" aren't what its digest says: it was not copied`);
    onFault(error);
    return error;
  };
  return new Transform({
    transform(chunk: Buffer, _, done) {
      hash.update(chunk);
      length += chunk.length;
      onBytes?.(chunk.length);
      // The last byte is kept back until all of them are known to be right.
      if (length < size) done(null, chunk);
      else if (length > size || `sha256:${hash.digest("hex")}` !== digest) done(wrong());
      else done(null, chunk);
    },
    flush(done) {
      done(length === size ? null : wrong());
    },
  });
}

async function hasManifest(target: Repository, name: string, digest: string): Promise<boolean> {
  const headers = { accept: manifestTypes.join(", ") };
  const answer = await target.send({ method: "HEAD", at: `manifests/${name}`, headers });
  answer.stream.resume();
  return answer.status === 200 && answer.headers["docker-content-digest"] === digest;
}

async function putManifest(target: Repository, { bytes, mediaType, digest }: Manifest, name: string): Promise<void> {
  const answer = await target.send({
    method: "PUT",
    at: `manifests/${name}`,
    headers: { "content-type": mediaType, "content-length": String(bytes.length) },
    body: () => Readable.from([bytes]),
  });
  if (answer.status !== 201) throw await target.refusal(answer);
  answer.stream.resume();
  const said = answer.headers["docker-content-digest"];
  if (said === undefined || said === digest) return;
  throw new ImageError(`registry "${target.registry}" has stored the manifest under another digest, ${String(said)}`);
}

/** A connection that broke, or a registry that is in trouble: another try may do. */
function isBroken(error: unknown): boolean {
  const { cause, message } = error as Error;
  return cause !== undefined || /status 5\d\d/u.test(message);
}
