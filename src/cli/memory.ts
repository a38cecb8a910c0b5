/**
 * What a directory remembers: the service that commands there are about, and for each service what was last deployed from there,
 * an image or a source. Kept in `.elafros.json` in that directory; it holds nothing secret, and whether it is committed is its
 * owner's choice.
 */
import { join } from "node:path";
import { readJson, writeFileAtomic } from "../lib/files.ts";
import { UsageError } from "./errors.ts";

const memoryFile = ".elafros.json";

export interface Memory {
  /** The last `--service` that was given here. */
  service?: string;
  /** By service: the image that was last deployed from here. */
  images?: Record<string, string>;
  /** By service: the source that was last deployed from here. A service has an image or a source here, never both. */
  sources?: Record<string, SourceMemory>;
}

/** A source and how it was built, as it was said on the command line. */
export interface SourceMemory {
  source: string;
  template?: string;
  /** Its entry point; true where that was left to detection. */
  function?: string | true;
  /** Where the image goes, where that was said. */
  image?: string;
  buildArgs?: Record<string, string>;
}

/** Reads a directory's memory; empty where there is none. A file that isn't ours is a usage error. */
export async function readMemory(directory: string): Promise<Memory> {
  const path = join(directory, memoryFile);
  let value: unknown;
  try {
    value = await readJson(path);
  } catch (error) {
    throw new UsageError(
      `Cannot read "${path}": mend or remove it, it only holds the last --service, image and source`,
      {
        cause: error,
      },
    );
  }
  if (typeof value !== "object" || value === null) return {};
  const { service, images, sources } = value as Memory;
  return {
    ...(typeof service === "string" ? { service } : {}),
    ...(typeof images === "object" && images !== null ? { images } : {}),
    ...(typeof sources === "object" && sources !== null ? { sources } : {}),
  };
}

/** Adds to a directory's memory. What a service was last deployed with from here takes the place of what it was before. */
export async function remember(
  directory: string,
  { service, image, source }: { service: string; image?: string; source?: SourceMemory },
): Promise<void> {
  const before = await readMemory(directory);
  const images = new Map(Object.entries(before.images ?? {}));
  const sources = new Map(Object.entries(before.sources ?? {}));
  if (image !== undefined || source !== undefined) {
    images.delete(service);
    sources.delete(service);
  }
  if (image !== undefined) images.set(service, image);
  if (source !== undefined) sources.set(service, source);
  const after: Memory = {
    service,
    ...(images.size === 0 ? {} : { images: Object.fromEntries(images) }),
    ...(sources.size === 0 ? {} : { sources: Object.fromEntries(sources) }),
  };
  if (JSON.stringify(after) === JSON.stringify(before)) return;
  await writeFileAtomic(join(directory, memoryFile), `${JSON.stringify(after, undefined, 2)}\n`, 0o644);
}

/** The service that a command is about: the one given, else the one that the directory remembers. */
export async function requireService(directory: string, given: string | undefined): Promise<string> {
  const service = given ?? (await readMemory(directory)).service;
  if (service === undefined) {
    throw new UsageError("No service is given: name it with --service; later commands in this directory remember it");
  }
  return service;
}
