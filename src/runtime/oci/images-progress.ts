/** How far a pull is: skopeo doesn't say when it isn't on a terminal, but its downloads are files. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { PullProgress } from "../images.ts";

const everyMs = 200;

/** What a manifest says its image has to transfer, in bytes; undefined for a list of images. */
export function transferSize(manifest: Buffer): number | undefined {
  try {
    const { layers } = JSON.parse(manifest.toString("utf8")) as { layers?: { size?: number }[] };
    return layers?.reduce((sum, layer) => sum + (layer.size ?? 0), 0);
  } catch {
    return undefined;
  }
}

/** Tells the size of a download directory whenever it has grown, until the returned function is called. */
export function watchDownload(dir: string, total: number | undefined, progress: PullProgress): () => void {
  let done = 0;
  let looking = false;
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    void sizeOf(dir)
      .then((size) => {
        if (size > done) progress((done = size), total);
      })
      .finally(() => (looking = false));
  }, everyMs);
  timer.unref();
  return () => clearInterval(timer);
}

async function sizeOf(dir: string): Promise<number> {
  const files = await readdir(dir, { recursive: true }).catch(() => []);
  const sizes = await Promise.all(
    files.map(async (name) => {
      const found = await stat(join(dir, name)).catch(() => undefined); // it may be gone meanwhile
      return found?.isFile() === true ? found.size : 0;
    }),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
