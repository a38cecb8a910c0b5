/** Leaves an image of buildah's storage in an OCI layout. */
import { constants } from "node:fs";
import { copyFile, lstat, mkdir, mkdtemp, readFile, readdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { runTold } from "./tools.ts";

export interface ExportOptions {
  /** The image's id. */
  id: string;
  /** The name that it gets. */
  image: string;
  /** The layout's directory. */
  output: string;
  /** Where blobs are kept between builds. */
  blobs: string;
  /** Blobs of base images, which are most of an image: the layout has links to them. */
  baseBlobs: string;
  env: NodeJS.ProcessEnv;
}

/** Others may be about to copy what is younger. */
const keptMs = 3_600_000;

/**
 * Writes the layout. An image that stays on this machine isn't compressed: that would only cost time, twice.
 * @throws with a sentence, where it can't be written
 */
export async function exportImage({ id, image, output, blobs, baseBlobs, env }: ExportOptions): Promise<void> {
  const stays = !/^[^/]*[.:][^/]*\//u.test(image) || image.startsWith("localhost/");
  const kept = join(blobs, "sha256");
  const bases = await linkBases(baseBlobs, kept);
  // Beside the blobs, for skopeo moves them there; the output is another mount.
  await mkdir(blobs, { recursive: true });
  const layout = await mkdtemp(join(blobs, "layout-"));
  const args = [
    "copy",
    "--quiet",
    ...(stays ? ["--dest-oci-accept-uncompressed-layers"] : []),
    `--dest-shared-blob-dir=${blobs}`,
    `containers-storage:${id}`,
    `oci:${layout}:latest`,
  ];
  try {
    const { code, lines } = await runTold("skopeo", args, { env });
    if (code !== 0) {
      const words = lines.findLast((line) => line.trim() !== "") ?? `skopeo ended with ${code}`;
      throw new Error(`Cannot write the image: ${words}`);
    }
    await take({ layout, output, kept, bases });
  } finally {
    await rm(layout, { recursive: true, force: true });
  }
}

/** Puts links to the blobs of base images among the kept ones, so that skopeo doesn't make them again; gives their paths by name. */
async function linkBases(from: string, kept: string): Promise<Map<string, string>> {
  await mkdir(kept, { recursive: true });
  const there = await readdir(from).catch(() => []);
  const paths = new Map(there.map((name) => [name, join(from, name)]));
  for (const [name, path] of paths) {
    await symlink(path, join(kept, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  }
  return paths;
}

interface Taken {
  layout: string;
  output: string;
  kept: string;
  bases: ReadonlyMap<string, string>;
}

/** Copies a layout and the blobs that it consists of. */
async function take({ layout, output, kept, bases }: Taken): Promise<void> {
  const used = await blobsOf(layout, kept);
  await mkdir(join(output, "blobs/sha256"), { recursive: true });
  for (const name of ["oci-layout", "index.json"]) await copyFile(join(layout, name), join(output, name));
  for (const name of used) {
    const base = bases.get(name);
    if (base !== undefined) {
      await symlink(base, join(output, "blobs/sha256", name));
      continue;
    }
    // Shares the bytes where the file system can; linking isn't possible from one mount to another.
    await copyFile(join(kept, name), join(output, "blobs/sha256", name), constants.COPYFILE_FICLONE);
  }
  for (const name of await readdir(kept)) {
    const path = join(kept, name);
    const age = Date.now() - ((await lstat(path).catch(() => undefined))?.mtimeMs ?? Date.now());
    if ((!used.includes(name) || bases.has(name)) && age > keptMs) await rm(path, { force: true });
  }
}

interface Descriptor {
  digest: string;
}

/** What the layout consists of: the manifest, the configuration, the layers. */
async function blobsOf(layout: string, kept: string): Promise<string[]> {
  const json = async (path: string) => JSON.parse(await readFile(path, "utf8")) as unknown;
  const { manifests } = (await json(join(layout, "index.json"))) as { manifests: Descriptor[] };
  const names: string[] = [];
  for (const { digest } of manifests) {
    const { config, layers } = (await json(join(kept, hex(digest)))) as { config: Descriptor; layers: Descriptor[] };
    names.push(hex(digest), hex(config.digest), ...layers.map((layer) => hex(layer.digest)));
  }
  return [...new Set(names)];
}

function hex(digest: string): string {
  return digest.replace("sha256:", "");
}
