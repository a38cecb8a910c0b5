/** Leaves an image of buildah's storage in an OCI layout. */
import { constants } from "node:fs";
import { copyFile, mkdir, mkdtemp, readFile, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { runTold } from "./tools.ts";

export interface ExportOptions {
  /** The image's id. */
  id: string;
  /** The name that it gets. */
  image: string;
  /** The layout's directory. */
  output: string;
  /** Where blobs are kept between builds: those of base images are most of an image, and the same each time. */
  blobs: string;
  env: NodeJS.ProcessEnv;
}

/** Others may be about to copy what is younger. */
const keptMs = 3_600_000;

/**
 * Writes the layout. An image that stays on this machine isn't compressed: that would only cost time, twice.
 * @throws with a sentence, where it can't be written
 */
export async function exportImage({ id, image, output, blobs, env }: ExportOptions): Promise<void> {
  const stays = !/^[^/]*[.:][^/]*\//u.test(image) || image.startsWith("localhost/");
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
    await take(layout, output, join(blobs, "sha256"));
  } finally {
    await rm(layout, { recursive: true, force: true });
  }
}

/** Copies a layout and the blobs that it consists of. */
async function take(layout: string, output: string, kept: string): Promise<void> {
  const used = await blobsOf(layout, kept);
  await mkdir(join(output, "blobs/sha256"), { recursive: true });
  for (const name of ["oci-layout", "index.json"]) await copyFile(join(layout, name), join(output, name));
  for (const name of used) {
    // Shares the bytes where the file system can; linking isn't possible from one mount to another.
    await copyFile(join(kept, name), join(output, "blobs/sha256", name), constants.COPYFILE_FICLONE);
  }
  for (const name of await readdir(kept)) {
    const path = join(kept, name);
    const age = Date.now() - ((await stat(path).catch(() => undefined))?.mtimeMs ?? Date.now());
    if (!used.includes(name) && age > keptMs) await rm(path, { force: true });
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
