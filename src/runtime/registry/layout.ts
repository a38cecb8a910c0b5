/**
 * Reads an OCI image layout (image-spec 1.1) that a container has written and nobody writes to any more. Nothing in it is believed: only regular files in real
 * directories are opened, of the size and digest that is said of them. What a step may have left beside them is not looked at.
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { lstat, open } from "node:fs/promises";
import { join } from "node:path";
import { formatBytes } from "../../lib/bytes.ts";
import { ImageError } from "../images.ts";

/** What refers to a blob (image-spec `descriptor`). */
interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  platform?: { architecture?: string; os?: string };
}

const manifestType = "application/vnd.oci.image.manifest.v1+json";
const indexType = "application/vnd.oci.image.index.v1+json";
const largestDocument = 4 << 20;
const mostLayers = 500;
const digestForm = /^sha256:[0-9a-f]{64}$/;

/** Node's names of architectures as images have them. */
const architectures: Record<string, string> = { x64: "amd64", arm64: "arm64" };

/** Whether there is anything at the place where a layout is expected. */
export async function hasLayout(dir: string): Promise<boolean> {
  return lstat(join(dir, "index.json")).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "ENOTDIR") return false;
      throw error;
    },
  );
}

/** A file of an image: a regular one of the size that is said of it. */
export interface Blob {
  /** SHA-256 of its bytes as it is said, in hex. */
  hex: string;
  path: string;
  /** The bytes are what is said. Those of others have not been looked at. */
  known: boolean;
}

/** A layout's image. */
export interface LayoutImage {
  manifest: Descriptor;
  /** The manifest, and what it refers to. */
  blobs: Blob[];
}

/** Whom a layout is read for. */
export interface LayoutReader {
  /** This machine's architecture, as `process.arch`. */
  arch: string;
  /** A directory of blobs whose names are true: one of them counts in place of whatever the layout has. */
  knownBlobs?: string;
}

/**
 * The image of a layout: its only one, or the one for this machine's architecture.
 * @throws ImageError
 */
export async function readLayout(dir: string, { arch, knownBlobs }: LayoutReader): Promise<LayoutImage> {
  for (const path of [dir, join(dir, "blobs"), join(dir, "blobs/sha256")]) await needDirectory(path, dir);
  const layout = await readDocument(dir, "oci-layout");
  if (layout["imageLayoutVersion"] !== "1.0.0") throw fault(`"oci-layout" is not of version 1.0.0`);
  let chosen = choose(await readDocument(dir, "index.json"), "index.json", arch);
  if (chosen.mediaType === indexType) chosen = choose(await readBlob(dir, chosen), chosen.digest, arch);
  if (chosen.mediaType !== manifestType)
    throw fault(`its manifest has the type "${chosen.mediaType}", not "${manifestType}"`);
  const { config, layers } = await readBlob(dir, chosen);
  if (!Array.isArray(layers) || layers.length > mostLayers)
    throw fault(`its manifest has no list of at most ${mostLayers} layers`);
  const blobs = [await needBlob(dir, chosen)];
  for (const each of [config, ...(layers as unknown[])]) {
    const blob = descriptor(each, "its manifest");
    blobs.push((await knownBlob(knownBlobs, blob)) ?? (await needBlob(dir, blob)));
  }
  return { manifest: chosen, blobs };
}

/** The only entry, or the only one for this architecture: a list may hold attestations besides images. */
function choose(index: Record<string, unknown>, name: string, arch: string): Descriptor {
  const { manifests } = index;
  if (!Array.isArray(manifests)) throw fault(`"${name}" has no list of manifests`);
  const all = manifests.map((each) => descriptor(each, `"${name}"`));
  const wanted = architectures[arch] ?? arch;
  const fitting = all.filter(
    ({ platform }) => platform?.architecture === wanted && (platform.os ?? "linux") === "linux",
  );
  const [chosen, ...more] = all.length === 1 ? all : fitting;
  if (chosen === undefined) throw fault(`"${name}" lists ${all.length} images, and none for linux/${wanted}`);
  if (more.length > 0) throw fault(`"${name}" lists ${fitting.length} images for linux/${wanted}: leave one`);
  return chosen;
}

function descriptor(value: unknown, where: string): Descriptor {
  const { mediaType, digest, size, platform } = (value ?? {}) as Partial<Descriptor>;
  if (typeof mediaType !== "string" || typeof digest !== "string" || !digestForm.test(digest)) {
    throw fault(`${where} refers to something without a type and a digest sha256:…`);
  }
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0)
    throw fault(`${where} gives "${digest}" no size`);
  return { mediaType, digest, size, ...(typeof platform === "object" ? { platform } : {}) };
}

function hexOf(digest: string): string {
  return digest.slice("sha256:".length);
}

/** A blob that is a JSON document, checked against its digest. */
async function readBlob(dir: string, blob: Descriptor): Promise<Record<string, unknown>> {
  const { path } = await needBlob(dir, blob);
  const bytes = await readBounded(path, blob.digest);
  const found = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  if (found !== blob.digest) throw fault(`the bytes of blob "${blob.digest}" have the digest "${found}"`);
  return parse(bytes, blob.digest);
}

/** A blob that is known before. */
async function knownBlob(dir: string | undefined, { digest, size }: Descriptor): Promise<Blob | undefined> {
  if (dir === undefined) return undefined;
  const hex = hexOf(digest);
  const path = join(dir, hex);
  const stat = await lstat(path).catch(() => undefined);
  return stat?.isFile() === true && stat.size === size ? { hex, path, known: true } : undefined;
}

/** A blob of the layout that is a regular file of its size. The bytes of what isn't read here are checked before they are copied. */
async function needBlob(dir: string, { digest, size }: Descriptor): Promise<Blob> {
  const hex = hexOf(digest);
  const path = join(dir, "blobs/sha256", hex);
  const stat = await lstat(path).catch(() => undefined);
  if (stat === undefined) throw fault(`blob "${digest}" is missing`);
  if (!stat.isFile()) throw fault(`blob "${digest}" is not a regular file`);
  if (stat.size !== size) throw fault(`blob "${digest}" has ${stat.size} bytes, not ${size}`);
  return { hex, path, known: false };
}

async function needDirectory(path: string, dir: string): Promise<void> {
  const stat = await lstat(path).catch(() => undefined);
  const name = path === dir ? "it" : `"${path.slice(dir.length + 1)}"`;
  if (stat === undefined) throw fault(`${name} is missing`);
  if (!stat.isDirectory()) throw fault(`${name} is not a directory`);
}

async function readDocument(dir: string, name: string): Promise<Record<string, unknown>> {
  return parse(await readBounded(join(dir, name), name), name);
}

async function readBounded(path: string, name: string): Promise<Buffer> {
  // Neither a link nor a pipe in its place is read.
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    () => undefined,
  );
  if (file === undefined) throw fault(`"${name}" is missing or not a regular file`);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw fault(`"${name}" is not a regular file`);
    if (stat.size > largestDocument) {
      throw fault(
        `"${name}" has ${formatBytes(stat.size)}, more than the ${formatBytes(largestDocument)} that are read`,
      );
    }
    return await file.readFile();
  } finally {
    await file.close();
  }
}

function parse(bytes: Buffer, name: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(bytes.toString("utf8"));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // told below
  }
  throw fault(`"${name}" is no JSON object`);
}

/** What is wrong with a layout. */
export function fault(what: string): ImageError {
  return new ImageError(`Cannot take the OCI layout in "/builder/image": ${what}`);
}
