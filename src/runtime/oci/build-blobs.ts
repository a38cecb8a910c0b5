/**
 * Layers of base images as blobs of images, kept beside their storage: most of an image is its base, and every first build would write, check and copy those bytes anew.
 * They come from images that builds have left, once checked; steps see them read-only, and a layout may hold a link in place of such a blob.
 */
import { chmod, chown, mkdir, readdir, readFile, rename, rm, lstat } from "node:fs/promises";
import { join } from "node:path";
import type { LayoutImage } from "../registry/layout.ts";
import type { StorageDriver } from "./storage-config.ts";

export interface BaseBlobs {
  /** Files named by the SHA-256 of their bytes, in hex. */
  readonly dir: string;
  /** Makes the directory. */
  prepare(): Promise<void>;
  /**
   * Takes blobs that are layers of base images out of an image's layout, which is needed no more.
   * @param image its bytes have been checked, and nobody can have written since
   */
  keep(image: LayoutImage): Promise<void>;
  /** Removes those of images that are gone. For when no build runs. */
  prune(): Promise<void>;
}

/** @param bases the directory of the base images' storage */
export function createBaseBlobs(bases: string, driver: StorageDriver): BaseBlobs {
  const dir = join(bases, "blobs");
  /** The uncompressed digests of the storage's layers: those of blobs in images that stay on the machine. */
  const layers = async (): Promise<Set<string>> => {
    const text = await readFile(join(bases, `${driver}-layers/layers.json`), "utf8").catch(() => "[]");
    const known = JSON.parse(text) as { "diff-digest"?: string }[];
    return new Set(known.flatMap((layer) => layer["diff-digest"]?.replace("sha256:", "") ?? []));
  };
  return {
    dir,
    prepare: async () => void (await mkdir(dir, { recursive: true, mode: 0o755 })),
    keep: async ({ blobs }) => {
      const [wanted, kept] = [await layers(), await readdir(dir)];
      for (const { hex, path } of blobs) {
        if (!wanted.has(hex) || kept.includes(hex) || path === join(dir, hex)) continue;
        // Another name for it might lie where steps of other builds write.
        if ((await lstat(path)).nlink !== 1) continue;
        await chown(path, 0, 0);
        await chmod(path, 0o444);
        await rename(path, join(dir, hex));
      }
    },
    prune: async () => {
      const wanted = await layers();
      for (const hex of await readdir(dir).catch(() => [])) if (!wanted.has(hex)) await rm(join(dir, hex));
    },
  };
}
