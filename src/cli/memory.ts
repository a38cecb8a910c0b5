/**
 * What a directory remembers: the service that commands there are about, and the image that each service was last deployed
 * with from there. Kept in `.elafros.json` in that directory; it holds nothing secret, and whether it is committed is its
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
}

/** Reads a directory's memory; empty where there is none. A file that isn't ours is a usage error. */
export async function readMemory(directory: string): Promise<Memory> {
  const path = join(directory, memoryFile);
  let value: unknown;
  try {
    value = await readJson(path);
  } catch (error) {
    throw new UsageError(`Cannot read "${path}": mend or remove it, it only holds the last --service and image`, {
      cause: error,
    });
  }
  if (typeof value !== "object" || value === null) return {};
  const { service, images } = value as Memory;
  return {
    ...(typeof service === "string" ? { service } : {}),
    ...(typeof images === "object" && images !== null ? { images } : {}),
  };
}

/** Adds to a directory's memory. */
export async function remember(
  directory: string,
  { service, image }: { service: string; image?: string },
): Promise<void> {
  const before = await readMemory(directory);
  const images = image === undefined ? before.images : { ...before.images, [service]: image };
  const after: Memory = { service, ...(images === undefined ? {} : { images }) };
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
