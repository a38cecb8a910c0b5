/**
 * The sources port on this machine's disk: `DIR/NAMESPACE/sha256-HEX`, each written beside, checked, synced and then renamed, so that a file that
 * has its name is whole, whatever crashes. The directory is the platform's own, readable by root alone.
 */
import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, mkdir, open, readdir, rename, rm, rmdir, statfs, utimes } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";

import { formatBytes } from "../lib/bytes.ts";
import { type Clock, systemClock } from "../lib/clock.ts";
import { digestHex } from "../lib/source/location.ts";
import { type PruneRules, unneededUploads } from "../lib/source/pruning.ts";
import { SourceError, type SourcesPort } from "./sources.ts";

export interface SourceStoreOptions {
  /** Made where it isn't there. */
  dir: string;
  /** The most bytes of one archive. */
  maxBytes: number;
  /** What an upload leaves free on the disk, which the platform's own store is on too. */
  reserveBytes: number;
  clock?: Clock;
}

/** Where unfinished uploads are: no namespace begins with a dot. */
const incoming = ".incoming";
/** Bytes between two looks at the free space. */
const lookBytes = 32 * 1024 * 1024;

/** The sources port as files, which steps of builds on this machine can have mounted. */
export interface SourceStore extends SourcesPort {
  /** The path of an archive, where the namespace has it. Counts as a put. */
  file(namespace: string, digest: string): Promise<string | undefined>;
}

/** Opens the store, and removes what uploads that never ended have left. */
export async function openSourceStore(options: SourceStoreOptions): Promise<SourceStore> {
  const { dir, maxBytes, clock = systemClock } = options;
  await rm(join(dir, incoming), { recursive: true, force: true });
  await mkdir(join(dir, incoming), { recursive: true, mode: 0o700 });
  const present = async (namespace: string, digest: string): Promise<string | undefined> => {
    const file = fileOf(dir, namespace, digest);
    return file === undefined || (await touched(file, clock)) === undefined ? undefined : file;
  };
  return {
    maxBytes,
    file: present,
    async size(namespace, digest) {
      const file = fileOf(dir, namespace, digest);
      return file === undefined ? undefined : touched(file, clock);
    },
    put: (namespace, digest, body) => put(options, { namespace, digest }, body),
    async open(namespace, digest) {
      const file = await present(namespace, digest);
      return file === undefined ? undefined : createReadStream(file);
    },
    prune: (rules) => prune(dir, rules, clock.now()),
  };
}

/** The file of an archive; undefined where the names can be none. */
function fileOf(dir: string, namespace: string, digest: string): string | undefined {
  const hex = digestHex(digest);
  if (hex === undefined || !/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(namespace)) return undefined;
  return join(dir, namespace, `sha256-${hex}`);
}

/** Sets the time since when nobody wanted the file, and gives its size; undefined where it isn't there. */
async function touched(file: string, clock: Clock): Promise<number | undefined> {
  try {
    const now = clock.now() / 1000;
    await utimes(file, now, now);
    return (await lstat(file)).size;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function put(
  options: SourceStoreOptions,
  { namespace, digest }: { namespace: string; digest: string },
  body: Readable,
): Promise<void> {
  const { dir, clock = systemClock } = options;
  const target = fileOf(dir, namespace, digest);
  if (target === undefined) {
    throw new SourceError("BadDigest", `${JSON.stringify(digest)} is no digest: it must be sha256: and 64 hex digits`);
  }
  const temporary = join(dir, incoming, randomBytes(12).toString("hex"));
  try {
    const found = await receive(options, temporary, body);
    if (found !== digest) {
      throw new SourceError(
        "DigestMismatch",
        `The archive that was sent has the digest ${found}, not ${digest}: it changed on the way or while it was sent; send it again`,
      );
    }
    const now = clock.now() / 1000;
    await utimes(temporary, now, now);
    await keep(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw isFull(error) ? noSpace("", error) : error;
  }
}

/** Writes the body to a file, at most as much as is allowed; gives its digest. Doesn't destroy the body where it stops early: its sender wants an answer. */
async function receive(
  { dir, maxBytes, reserveBytes }: SourceStoreOptions,
  path: string,
  body: Readable,
): Promise<string> {
  const hash = createHash("sha256");
  const file = await open(path, "wx", 0o600);
  try {
    let bytes = 0;
    let look = 0;
    for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) {
        throw new SourceError(
          "TooLarge",
          `The archive is over the limit of ${formatBytes(maxBytes)} (--max-source-size)`,
        );
      }
      if (bytes > look) {
        const { bavail, bsize } = await statfs(dir);
        const free = bavail * bsize;
        if (free < reserveBytes) {
          throw noSpace(`: it has ${formatBytes(free)} left, and archives leave ${formatBytes(reserveBytes)} free`);
        }
        look = bytes + lookBytes;
      }
      hash.update(chunk);
      await file.writeFile(chunk);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return `sha256:${hash.digest("hex")}`;
}

/** Gives a complete file its name, and makes that last. Pruning may remove the directory just before. */
async function keep(temporary: string, target: string): Promise<void> {
  const directory = join(target, "..");
  for (let attempt = 1; ; attempt += 1) {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    try {
      await rename(temporary, target);
      break;
    } catch (error) {
      if (!isMissing(error) || attempt === 3) throw error;
    }
  }
  for (const path of [directory, join(directory, "..")]) {
    const handle = await open(path, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

async function prune(dir: string, rules: PruneRules, now: number): Promise<void> {
  for (const namespace of await readdir(dir)) {
    if (namespace === incoming) continue;
    const names = await readdir(join(dir, namespace)).catch(() => []);
    const found = await Promise.all(
      names.map(async (name) => {
        const file = join(dir, namespace, name);
        const at = await timeOf(file);
        return at === undefined ? [] : [{ file, at, digest: name.replace("sha256-", "sha256:") }];
      }),
    );
    for (const { file, at } of unneededUploads({ namespace, uploads: found.flat() }, rules, now)) {
      // Not where somebody has asked for it since.
      if ((await timeOf(file)) === at) await rm(file, { force: true });
    }
    // Only where nothing is left in it.
    await rmdir(join(dir, namespace)).catch(() => {});
  }
}

/** Since when nobody wanted a file; undefined where another pruning was faster. */
async function timeOf(file: string): Promise<number | undefined> {
  return (await lstat(file).catch(() => undefined))?.mtimeMs;
}

/** @param why as it follows the sentence's beginning */
function noSpace(why: string, cause?: unknown): SourceError {
  const message = `There is no room for the archive on the server's disk${why}; free some space there, then send it again`;
  const error = new SourceError("NoSpace", message);
  if (cause !== undefined) error.cause = cause;
  return error;
}

function isFull(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT"].includes((error as NodeJS.ErrnoException).code ?? "");
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}
