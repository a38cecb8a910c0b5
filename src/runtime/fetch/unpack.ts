/**
 * Unpacks an archive that nobody trusts. Nothing is written through a link: links are made last, when all files are there, and only where every one
 * stays inside. Nothing else writes to the directory meanwhile.
 */
import { constants } from "node:fs";
import { chmod, type FileHandle, link, lstat, mkdir, open, stat, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";

import { formatBytes } from "../../lib/bytes.ts";
import { type ArchiveEntry, entryPath, quoted } from "../../lib/source/archive-entry.ts";
import { readArchive } from "../../lib/source/archive.ts";
import { capitalized, SourceFault } from "../../lib/source/errors.ts";
import { leadsOutside } from "../../lib/source/links.ts";
import type { Budget } from "./budget.ts";

/** From here on, unpacking to more than `mostRatio` times the archive's size is taken for a bomb. */
const ratioFrom = 256 * 1024 * 1024;
const mostRatio = 250;

interface Unpacking {
  directory: string;
  shown: string;
  budget: Budget;
  /** Bytes of the archive itself. */
  packed: number;
  unpacked: number;
  /** Directories that are there: none is a link, as there are none yet. */
  directories: Set<string>;
  links: Map<string, string>;
}

/**
 * Unpacks into a directory that is empty, or holds what another archive left there.
 * @param shown how messages name the archive
 * @throws SourceFault where it is damaged, too large, or would write outside of the directory
 */
export async function unpack(
  file: string,
  { directory, shown, budget }: { directory: string; shown: string; budget: Budget },
): Promise<void> {
  const { size } = await stat(file);
  const state: Unpacking = {
    directory,
    shown,
    budget,
    packed: size,
    unpacked: 0,
    directories: new Set([""]),
    links: new Map(),
  };
  await readArchive(file, shown, (entry, content) => take(state, entry, content));
  for (const [path, target] of state.links) {
    if (leadsOutside(path, state.links)) {
      throw fault(
        state,
        path,
        `is a symbolic link to ${quoted(target)}, which leads out of the source: pack what it leads to instead`,
      );
    }
  }
  for (const [path, target] of state.links) await create(state, path, () => symlink(target, join(directory, path)));
}

async function take(state: Unpacking, entry: ArchiveEntry, content: AsyncIterable<Uint8Array>): Promise<void> {
  const path = entryPath(entry.name, state.shown);
  state.budget.entry(state.shown);
  switch (entry.type) {
    case "directory":
      return makeDirectories(state, path);
    case "file":
      await makeParents(state, path);
      return writeFile(state, path, { entry, content });
    case "symlink":
      await makeParents(state, path);
      if (state.links.has(path)) throw twice(state, path);
      state.links.set(path, entry.link ?? "");
      return undefined;
    case "hardlink": {
      await makeParents(state, path);
      const target = entryPath(entry.link ?? "", state.shown);
      // No link is there yet, so the path that it names is in the source, if it is anywhere.
      return create(state, path, () => link(join(state.directory, target), join(state.directory, path)));
    }
    case "other":
      throw fault(state, path, "is a device, a pipe or something else that is no file: leave it out");
  }
}

async function makeParents(state: Unpacking, path: string): Promise<void> {
  if (path === "") throw fault(state, path, "has no name: pack it again");
  const parent = dirname(path);
  await makeDirectories(state, parent === "." ? "" : parent);
}

async function makeDirectories(state: Unpacking, path: string): Promise<void> {
  if (state.directories.has(path)) return;
  await makeParents(state, path);
  if (state.links.has(path)) throw through(state, path);
  const place = join(state.directory, path);
  try {
    await mkdir(place, { mode: 0o755 });
    await chmod(place, 0o755); // whatever the umask
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw systemFault(state, path, error);
    const found = await lstat(place);
    if (found.isSymbolicLink()) throw through(state, path);
    if (!found.isDirectory()) throw twice(state, path);
  }
  state.directories.add(path);
}

function through(state: Unpacking, path: string): SourceFault {
  return fault(
    state,
    path,
    "is a symbolic link and also a directory with files in it: pack the files where they belong",
  );
}

async function writeFile(
  state: Unpacking,
  path: string,
  { entry, content }: { entry: ArchiveEntry; content: AsyncIterable<Uint8Array> },
): Promise<void> {
  // What the archive itself says is over the limit needs no first byte.
  if (state.budget.used + entry.size > state.budget.limits.bytes) state.budget.bytes(entry.size, state.shown);
  const place = join(state.directory, path);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const file = await create(state, path, () => open(place, flags, 0o600));
  try {
    await copy(state, file, content);
    // Only who may run it counts: no set-user-id, and the owner can always read.
    await file.chmod((entry.mode & 0o111) === 0 ? 0o644 : 0o755);
  } catch (error) {
    throw systemFault(state, path, error);
  } finally {
    await file.close();
  }
}

async function copy(state: Unpacking, file: FileHandle, content: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of content) {
    state.budget.bytes(chunk.length, state.shown);
    state.unpacked += chunk.length;
    if (state.unpacked > ratioFrom && state.unpacked > state.packed * mostRatio) {
      throw new SourceFault(
        `${capitalized(state.shown)} has ${formatBytes(state.packed)} and unpacks to more than ${mostRatio} times as much, as no real source does: leave out the files of zeros`,
      );
    }
    await file.writeFile(chunk);
  }
}

/** Makes something new at a path. */
async function create<T>(state: Unpacking, path: string, make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    throw systemFault(state, path, error);
  }
}

function twice(state: Unpacking, path: string): SourceFault {
  return fault(state, path, "is there twice: pack it once");
}

function systemFault(state: Unpacking, path: string, error: unknown): unknown {
  switch ((error as NodeJS.ErrnoException).code) {
    case "EEXIST":
    case "EISDIR":
    case "ENOTDIR":
      return twice(state, path);
    case "ENOENT":
    case "EPERM":
      return fault(state, path, "is a hard link to something that isn't a file before it: pack it as a file");
    case "EMLINK":
      return fault(state, path, "is linked too often: pack it as a file");
    case "ENOSPC":
    case "EDQUOT":
      return new SourceFault(
        `Cannot unpack ${state.shown}: the disk of the machine is full; free some space there, then build again`,
        {
          cause: error,
        },
      );
    default:
      return error;
  }
}

function fault({ shown }: Unpacking, path: string, why: string): SourceFault {
  return new SourceFault(`Entry ${quoted(path)} of ${shown} ${why}`);
}
