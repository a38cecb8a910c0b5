/** How far a pull is: skopeo doesn't say when it isn't on a terminal, but its downloads are files. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { PullProgress } from "../images.ts";

const everyMs = 200;
/** An image's configuration lies there for a moment as well: less than this need not be of layers. */
const leastBytes = 64 * 1024;

/** Bytes of each layer as it is transferred, by digest. */
export type LayerSizes = ReadonlyMap<string, number>;

/** What a manifest says of its image's layers; undefined for a list of images. */
export function layerSizes(manifest: Buffer): LayerSizes | undefined {
  try {
    const { layers } = JSON.parse(manifest.toString("utf8")) as { layers?: { digest?: string; size?: number }[] };
    return layers === undefined ? undefined : new Map(layers.map(({ digest = "", size = 0 }) => [digest, size]));
  } catch {
    return undefined;
  }
}

/** Bytes of some of the layers, or of all. */
export function sumOf(sizes: LayerSizes, digests: Iterable<string> = sizes.keys()): number {
  let sum = 0;
  for (const digest of digests) sum += sizes.get(digest) ?? 0;
  return sum;
}

/** The layers that skopeo has transferred, as its debug output tells: not those that the storage had already. */
export function transferred(result: { stdout: Buffer; stderr: string }): string[] {
  const digests = (text: string, line: RegExp) => [...text.matchAll(line)].map((match) => match[1] ?? "");
  const present = new Set(digests(result.stderr, /Skipping blob (sha256:[0-9a-f]{64}) \(already present\)/gu));
  const copied = digests(result.stdout.toString("utf8"), /^Copying blob (sha256:[0-9a-f]{64})/gmu);
  return [...new Set(copied)].filter((digest) => !present.has(digest));
}

/** Tells the size of a download directory whenever it has grown (from 64 KiB on), until the returned function is called. */
export function watchDownload(dir: string, total: number | undefined, progress: PullProgress): () => void {
  let done = leastBytes;
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
