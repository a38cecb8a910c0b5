/**
 * Packs a directory as an archive whose digest tells what is in it: the same files give the same bytes on every machine, whatever their
 * times, owners and order on disk, so that an unchanged source needs no second upload.
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";

import { formatBytes } from "../bytes.ts";
import { SourceFault, unreadable } from "./errors.ts";
import { leadsOutside } from "./links.ts";
import { tarEnd, tarHeader, tarPadding } from "./tar-header.ts";
import { listSource, type SourceEntry } from "./walk.ts";

const chunkBytes = 256 * 1024;

/** An archive that can be uploaded. */
export interface PackedSource {
  /** `sha256:HEX` of its bytes. */
  digest: string;
  bytes: number;
  /** Files and links in it. */
  entries: number;
}

export interface PackOptions {
  /** Where the archive goes: a path that isn't there yet. */
  file: string;
  /** The most bytes that it may have, as the server says. */
  maxBytes: number;
  signal?: AbortSignal;
}

/**
 * Packs a directory as tar.gz, without what `.gitignore` and `.elafrosignore` leave out. Nothing is left of the archive where it fails.
 * @throws SourceFault where something can't be packed, or the archive gets too large
 */
export async function packDirectory(directory: string, options: PackOptions): Promise<PackedSource> {
  const root = resolve(directory);
  const entries = await listSource(root);
  if (entries.length === 0) {
    throw new SourceFault(
      `Directory ${JSON.stringify(root)} has no files to build: it is empty, or .gitignore and .elafrosignore leave out all of them`,
    );
  }
  checkLinks(entries);
  const { file, maxBytes, signal } = options;
  const hash = createHash("sha256");
  let bytes = 0;
  const tooLarge = () =>
    new SourceFault(
      `Directory ${JSON.stringify(root)} is over the limit of ${formatBytes(maxBytes)} when packed; leave out what the build doesn't need with lines in .elafrosignore (${largest(entries)})`,
    );
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      // The tenth byte of gzip tells the system that packed (RFC 1952): said to be unknown, so that it is the same everywhere.
      if (bytes < 10 && bytes + chunk.length >= 10) chunk[9 - bytes] = 255;
      bytes += chunk.length;
      if (bytes > maxBytes) return done(tooLarge());
      hash.update(chunk);
      return done(null, chunk);
    },
  });
  const out = await open(file, "wx", 0o600);
  try {
    const bounds = signal === undefined ? {} : { signal };
    const write = (chunks: AsyncIterable<Buffer>) => out.writeFile(chunks);
    await pipeline(tarBytes(root, entries), createGzip({ level: 6 }), meter, write, bounds);
    return { digest: `sha256:${hash.digest("hex")}`, bytes, entries: entries.length };
  } catch (error) {
    await rm(file, { force: true });
    throw unwritable(file, error);
  } finally {
    await out.close();
  }
}

function unwritable(file: string, error: unknown): unknown {
  if ((error as NodeJS.ErrnoException).code !== "ENOSPC") return error;
  return new SourceFault(
    `Cannot write the packed source to ${JSON.stringify(file)}: the disk is full; free some space, or set TMPDIR to a directory that has more`,
    { cause: error },
  );
}

function checkLinks(entries: readonly SourceEntry[]): void {
  const links = new Map(entries.flatMap(({ path, link }) => (link === undefined ? [] : [[path, link]])));
  for (const [path, target] of links) {
    if (!leadsOutside(path, links)) continue;
    throw new SourceFault(
      `Cannot pack ${JSON.stringify(path)}: it is a symbolic link to ${JSON.stringify(target)}, which leads out of the source; copy there what it leads to, or leave it out with a line in .elafrosignore`,
    );
  }
}

/** The three largest entries of the top level, for a person to see what to leave out. */
function largest(entries: readonly SourceEntry[]): string {
  const sizes = new Map<string, number>();
  for (const { path, size } of entries) {
    const [top = ""] = path.split("/", 1);
    sizes.set(top, (sizes.get(top) ?? 0) + size);
  }
  const top = [...sizes].sort(([, a], [, b]) => b - a).slice(0, 3);
  return `largest: ${top.map(([name, size]) => `${name} ${formatBytes(size)}`).join(", ")}`;
}

/** The archive's bytes. A file is open only while its own are read, also where nobody wants the rest. */
async function* tarBytes(root: string, entries: readonly SourceEntry[]): AsyncGenerator<Buffer> {
  for (const { path, link, executable } of entries) {
    if (link !== undefined) {
      yield tarHeader({ path, mode: 0o777, size: 0, link });
      continue;
    }
    const file = await openFile(join(root, path), path);
    try {
      const stat = await file.stat();
      if (!stat.isFile()) throw changed(path);
      yield tarHeader({ path, mode: executable ? 0o755 : 0o644, size: stat.size });
      yield* content(file, path, stat.size);
      yield tarPadding(stat.size);
    } finally {
      await file.close();
    }
  }
  yield tarEnd();
}

async function openFile(place: string, path: string): Promise<FileHandle> {
  try {
    return await open(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** Exactly `size` bytes: what the header said. */
async function* content(file: FileHandle, path: string, size: number): AsyncGenerator<Buffer> {
  for (let left = size; left > 0;) {
    const buffer = Buffer.allocUnsafe(Math.min(left, chunkBytes));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
    if (bytesRead === 0) throw changed(path);
    left -= bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

function changed(path: string): SourceFault {
  return new SourceFault(
    `Cannot pack ${JSON.stringify(path)}: it changed while it was read; try again when nothing writes there`,
  );
}
