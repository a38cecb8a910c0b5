/** A build's result in its Pod: what the steps have left becomes an exact image in a registry. Doing it again has the same result. */
import { constants, createReadStream } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { formatBytes } from "../../../lib/bytes.ts";
import { namelessFailure, notPushedWords, pushFailure, unpushableFailure } from "../../../runtime/build-words.ts";
import { ImageError } from "../../../runtime/images.ts";
import { copyImage } from "../../../runtime/registry/copy.ts";
import { hasLayout, type LayoutImage, readLayout } from "../../../runtime/registry/layout.ts";
import { readManifest } from "../../../runtime/registry/manifest.ts";
import { type ImageReference, parseReference } from "../../../runtime/registry/reference.ts";
import { openRepository, type Repository } from "../../../runtime/registry/repository.ts";
import type { ImageSource } from "../../../runtime/registry/source.ts";
import type { RegistryAuth } from "../../../runtime/workloads.ts";
import { createClusterImages } from "../../images/port.ts";
import { openDoor } from "../door.ts";
import type { ImageRequest, ImageResult } from "../programs.ts";

interface Places {
  /** Where a layout is, where the steps have left one. */
  layout: string;
  /** The file with the digest of what a step has pushed itself. */
  digest: string;
}

/** Of a name with its digest; what is longer is none. */
const longestWritten = 4_096;

/** @param say is told what goes on */
export async function takeImage(
  { image: name, registryAuths, door }: ImageRequest,
  { layout, digest }: Places,
  say: (line: string) => void,
): Promise<ImageResult> {
  if (!(await hasLayout(layout))) return name === undefined ? {} : pushedImage({ name, registryAuths }, digest);
  if (name === undefined) return { failure: namelessFailure };
  let image;
  let reference: ImageReference;
  try {
    reference = builtReference(name);
    image = await readLayout(layout, { arch: process.arch });
  } catch (error) {
    return { failure: { reason: "ImageMissing", message: wordsOf(error) } };
  }
  try {
    const { signal } = new AbortController();
    const target =
      door === undefined
        ? openRepository({ reference, auths: registryAuths, write: true, signal })
        : await openDoor(door.to, { write: true, signal });
    const to = door ?? { name: reference.name, tag: reference.tag ?? "latest" };
    return { image: `${to.name}@${await push(image, target, { ...to, say })}` };
  } catch (error) {
    return { failure: pushFailure(name, wordsOf(error)) };
  }
}

/** The name that an image gets; on a cluster it has a registry. @throws ImageError */
function builtReference(written: string): ImageReference {
  const reference = parseReference(written);
  if (reference.digest !== undefined) {
    throw new ImageError(
      `Cannot build image ${JSON.stringify(written)}: a name with a digest can't be given to a new image; write a tag`,
    );
  }
  return reference;
}

/** Sends what was checked of a layout; gives the manifest's digest. */
async function push(
  { manifest, blobs }: LayoutImage,
  target: Repository,
  { name, tag, say }: { name: string; tag: string; say: (line: string) => void },
): Promise<string> {
  const { signal } = new AbortController();
  const paths = new Map(blobs.map(({ hex, path }) => [`sha256:${hex}`, path]));
  const pathOf = (digest: string) => paths.get(digest) ?? "";
  const source: ImageSource = {
    manifest: async () => {
      const found = readManifest(await readFile(pathOf(manifest.digest)), manifest.mediaType, "the layout");
      // The file may have been written to since it was looked at.
      if (found.digest === manifest.digest) return found;
      throw new ImageError(`the manifest has the digest "${found.digest}", not "${manifest.digest}"`);
    },
    blob: ({ digest }) => Promise.resolve(createReadStream(pathOf(digest), { highWaterMark: 1 << 18 })),
  };
  try {
    const { digest, sent, present, bytes } = await copyImage({ source, reference: tag, target, tag, signal });
    say(`Pushed ${name}:${tag}: ${sent} parts of ${formatBytes(bytes)} were sent, ${present} were there`);
    return digest;
  } finally {
    target.close();
  }
}

/** What a step has pushed itself: the digest that it wrote down, else what the tag is now. */
async function pushedImage(
  { name, registryAuths }: { name: string; registryAuths: RegistryAuth[] },
  digest: string,
): Promise<ImageResult> {
  try {
    const reference = builtReference(name);
    if (reference.local || reference.short) return { failure: unpushableFailure(name) };
    const written = (await readWritten(digest))?.split("@").at(-1);
    const exact =
      written === undefined
        ? await createClusterImages().resolve(name, registryAuths, "Always")
        : `${reference.name}@${written}`;
    parseReference(exact); // what a step has written may be anything
    return { image: exact };
  } catch (error) {
    return { failure: { reason: "ImageMissing", message: notPushedWords(name, wordsOf(error)) } };
  }
}

/**
 * What a step wrote into a file; undefined where there is nothing. Neither a link nor a pipe is read: what this container has besides isn't the step's to
 * see, and a message says what was found.
 */
async function readWritten(path: string): Promise<string | undefined> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags).catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    if (!(await file.stat()).isFile()) return undefined;
    const { buffer, bytesRead } = await file.read(Buffer.alloc(longestWritten), 0, longestWritten, 0);
    return buffer.toString("utf8", 0, bytesRead).trim() || undefined;
  } finally {
    await file.close();
  }
}

function wordsOf(error: unknown): string {
  // Whatever isn't a sentence of ours is told whole in the log.
  if (!(error instanceof ImageError)) process.stderr.write(`${(error as Error).stack ?? ""}\n`);
  return (error as Error).message;
}
