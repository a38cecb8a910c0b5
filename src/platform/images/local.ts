/** Images that only this machine has: written out of its storage, for whoever sends them on. */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { ImageError } from "../../runtime/images.ts";
import { chooseDriver, prepareStorage } from "../../runtime/oci/storage-config.ts";
import { lastWords, runTool } from "../../runtime/oci/storage-run.ts";
import { platformPaths } from "../config.ts";
import { requireRoot } from "../settings.ts";

/**
 * Writes an image of an installation's storage as a layout, its layers compressed, and calls `use` with its directory, which goes afterwards. The
 * installation may run meanwhile: storage has locks.
 * @param name `localhost/NAME` with tag or digest
 * @throws ImageError where it isn't there
 */
export async function withLocalImage<T>(
  { dataDir, name }: { dataDir: string; name: string },
  use: (layout: string) => Promise<T>,
): Promise<T> {
  requireRoot("images copy");
  const { images, run } = platformPaths(dataDir);
  const paths = { images, runRoot: join(run, "images") };
  const env = await prepareStorage(paths, await chooseDriver(paths));
  const directory = await mkdtemp(join(images, "tmp", "copy-"));
  try {
    const layout = join(directory, "layout");
    const args = [
      "--insecure-policy",
      `--tmpdir=${directory}`,
      "copy",
      "--quiet",
      `containers-storage:${name}`,
      `oci:${layout}`,
    ];
    const result = await runTool("skopeo", args, { env });
    if (result.code !== 0) {
      throw new ImageError(
        `Cannot read image "${name}" of this machine (data directory "${dataDir}"): ${lastWords(result)}`,
      );
    }
    return await use(layout);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
