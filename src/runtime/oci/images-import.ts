/** Takes images out of the layouts that builds leave: into this machine's storage, and to the registry of their name. */
import { symlink, writeFile, mkdtemp, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { ImageError } from "../images.ts";
import type { RegistryAuth } from "../workloads.ts";
import { reason } from "./images-errors.ts";
import { type Blob, fault, type LayoutImage, readLayout } from "../registry/layout.ts";
import { type ImageReference, isLoopback, parseReference } from "../registry/reference.ts";
import { type RegistryContext, withCredentials } from "./images-registry.ts";
import type { ToolResult } from "./storage-run.ts";
import { killTools } from "./tool-kill.ts";

/** What was built here is nobody's to sign: the machine's policy is for what it gets from others. */
const ownImage = "--insecure-policy";
/** How long a push may take in all. */
const pushTimeout = "60m";

/**
 * The name that a build's image gets: one without a registry is this machine's, `localhost/…`.
 * @throws ImageError
 */
export function builtReference(written: string): ImageReference {
  const reference = parseReference(written);
  if (reference.digest !== undefined) {
    throw new ImageError(
      `Cannot build image ${JSON.stringify(written)}: a name with a digest can't be given to a new image; write a tag`,
    );
  }
  return reference.short ? parseReference(`localhost/${written}`) : reference;
}

/** A layout, and the name that its image gets. */
interface NamedLayout {
  layout: string;
  reference: ImageReference;
  /** A directory of blobs whose bytes are what their names say. */
  knownBlobs?: string;
}

/**
 * Copies a layout's image into local storage as `name@digest`, and gives that. Doing it again is harmless.
 * @param signal ends the copying
 * @throws ImageError
 */
export async function importLayout(
  context: RegistryContext,
  { reference, ...from }: NamedLayout,
  signal: AbortSignal,
): Promise<string> {
  return withCopy(context, from, async (copy, { manifest, blobs }) => {
    await checkBlobs(context, copy, blobs);
    const exact = `${reference.name}@${manifest.digest}`;
    const args = [
      ownImage,
      `--tmpdir=${copy}`,
      "copy",
      "--preserve-digests",
      `oci:${copy}`,
      `containers-storage:${exact}`,
    ];
    const result = await abortable(context, args, { copy, signal });
    if (result.code !== 0) throw new ImageError(`Cannot take the image in "/builder/image": ${reason(result.stderr)}`);
    return exact;
  });
}

/**
 * Sends a layout's image to its name's registry, under its tag and with its digest. By the given credentials alone: with the machine's, everybody who
 * may build could replace whatever its administrator may.
 * @param signal ends the sending
 * @throws ImageError with the registry's own words
 */
export async function pushLayout(
  context: RegistryContext,
  { reference, auth, ...from }: NamedLayout & { auth: readonly RegistryAuth[] },
  signal: AbortSignal,
): Promise<void> {
  await withCopy(context, from, (copy) =>
    withCredentials({ ...context, givenOnly: true }, reference, auth, (file) =>
      abortable(
        context,
        [
          "--debug",
          ownImage,
          `--command-timeout=${pushTimeout}`,
          `--tmpdir=${copy}`,
          "copy",
          "--preserve-digests",
          ...(file === undefined ? [] : [`--dest-authfile=${file}`]),
          ...(isLoopback(reference.registry) ? ["--dest-tls-verify=false"] : []),
          `oci:${copy}`,
          `docker://${reference.name}:${reference.tag ?? "latest"}`,
        ],
        { copy, signal },
      ),
    ),
  );
}

/** A layout of our own with the one image and the other's blobs, so that nothing but what was checked is chosen. */
async function withCopy<T>(
  context: RegistryContext,
  { layout, ...known }: { layout: string; knownBlobs?: string },
  use: (copy: string, image: LayoutImage) => Promise<T>,
): Promise<T> {
  const image = await readLayout(layout, { arch: process.arch, ...known });
  const { mediaType, digest, size } = image.manifest;
  const copy = await mkdtemp(join(context.temporary, "layout-"));
  try {
    await mkdir(join(copy, "blobs/sha256"), { recursive: true });
    const blobs = new Map(image.blobs.map(({ hex, path }) => [hex, path]));
    for (const [hex, path] of blobs) await symlink(path, join(copy, "blobs/sha256", hex));
    await writeFile(join(copy, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
    await writeFile(
      join(copy, "index.json"),
      JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType, digest, size }] }),
    );
    return await use(copy, image);
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

/**
 * Checks the bytes of every blob. The tool would take a layer that storage has already by its digest alone: without its bytes, a layout could name one of another's
 * image.
 */
async function checkBlobs(context: RegistryContext, copy: string, blobs: readonly Blob[]): Promise<void> {
  const files = new Set(blobs.filter(({ known }) => !known).map(({ hex }) => hex));
  const input = [...files].map((hex) => `${hex}  blobs/sha256/${hex}\n`).join("");
  const result = await context.run("sha256sum", ["--check", "--strict", "--quiet"], { cwd: copy, input });
  if (result.code === 0) return;
  const hex = /^blobs\/sha256\/([0-9a-f]{64}): /m.exec(result.stdout.toString("utf8"))?.[1] ?? "";
  throw fault(`the bytes of blob "sha256:${hex}" have another digest`);
}

/** Runs skopeo until it has ended; after `signal` it is killed. Its process is found by the directory that only it is given. */
async function abortable(
  context: RegistryContext,
  args: string[],
  { copy, signal }: { copy: string; signal: AbortSignal },
): Promise<ToolResult> {
  signal.throwIfAborted();
  const end = () => void killTools(`--tmpdir=${copy}`);
  signal.addEventListener("abort", end, { once: true });
  try {
    const result = await context.run("skopeo", args, { env: context.env });
    signal.throwIfAborted();
    return result;
  } finally {
    signal.removeEventListener("abort", end);
  }
}
