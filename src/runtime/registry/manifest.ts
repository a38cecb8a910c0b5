/** Manifests of images and lists of them, as far as copying needs to know them (OCI image specification; Docker's schema 2). */
import { createHash } from "node:crypto";
import { ImageError } from "../images.ts";

/** What refers to bytes by their digest. */
export interface Descriptor {
  mediaType: string;
  /** `sha256:…`. */
  digest: string;
  /** Of the bytes. */
  size: number;
}

export interface Manifest {
  mediaType: string;
  digest: string;
  /** As they are: the digest is theirs. */
  bytes: Buffer;
  /** Of a list of images: those images. */
  manifests: Descriptor[];
  /** Of an image: its configuration and its layers, but for layers that registries aren't to have. */
  blobs: Descriptor[];
}

const indexTypes: readonly string[] = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];
const imageTypes: readonly string[] = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];

/** For `Accept`. */
export const manifestTypes: readonly string[] = [...indexTypes, ...imageTypes];

const digestForm = /^sha256:[0-9a-f]{64}$/u;
const mostEntries = 1000;

/**
 * Reads a manifest.
 * @param from where it came from, for messages
 * @throws ImageError where it isn't one of the known forms
 */
export function readManifest(bytes: Buffer, mediaType: string, from: string): Manifest {
  const fail = (why: string) => new ImageError(`Cannot read the manifest of ${from}: ${why}`);
  const digest = digestOf(bytes);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw new ImageError(`Cannot read the manifest of ${from}: it is no JSON`, { cause: error });
  }
  const { manifests, config, layers } = (value ?? {}) as Record<string, unknown>;
  if (indexTypes.includes(mediaType)) {
    const all = Array.isArray(manifests) ? (manifests as unknown[]).map(descriptor) : [undefined];
    const named = all.filter((one) => one !== undefined);
    if (named.length !== all.length || all.length > mostEntries) throw fail("it has no list of manifests by digest");
    return { mediaType, digest, bytes, manifests: named, blobs: [] };
  }
  if (!imageTypes.includes(mediaType)) {
    throw fail(`its type "${mediaType}" isn't known: only OCI images and Docker's schema 2 can be copied`);
  }
  const all = [config, ...(Array.isArray(layers) ? (layers as unknown[]) : [undefined])].map(descriptor);
  const named = all.filter((one) => one !== undefined);
  if (named.length !== all.length || all.length > mostEntries) throw fail("it doesn't name its parts by digest");
  return { mediaType, digest, bytes, manifests: [], blobs: named.filter(isDistributed) };
}

/** `sha256:…` of bytes. */
export function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

function descriptor(value: unknown): Descriptor | undefined {
  const { mediaType, digest, size } = (value ?? {}) as Record<string, unknown>;
  if (typeof mediaType !== "string" || typeof digest !== "string" || typeof size !== "number") return undefined;
  return digestForm.test(digest) && Number.isSafeInteger(size) && size >= 0 ? { mediaType, digest, size } : undefined;
}

/** Layers with a licence that forbids it are had from their maker alone. */
function isDistributed({ mediaType }: Descriptor): boolean {
  return !/nondistributable|foreign/u.test(mediaType);
}
