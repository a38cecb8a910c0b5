import { constants } from "node:fs";
import { chmod, lstat, mkdir, open, readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/**
 * Writes a file by temporary file and rename: a crash of this process leaves the old content or the new. Not synced to disk: what
 * the driver keeps is worthless after a reboot, when no instance runs any more.
 */
export async function saveFile(path: string, data: string | Uint8Array, mode = 0o600): Promise<void> {
  const temporary = `${path}.tmp`;
  await writeFile(temporary, data, { mode });
  await rename(temporary, path);
}

/** Reads at most `limit` bytes from the end of a file that others may write to; empty where it isn't there. Never follows a symbolic link. */
export async function readEnd(path: string, limit: number): Promise<Buffer> {
  let file;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return Buffer.alloc(0);
  }
  try {
    const stat = await file.stat();
    if (!stat.isFile()) return Buffer.alloc(0);
    const length = Math.min(stat.size, limit);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, stat.size - length);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Reads a small text file; undefined where it isn't there. */
export async function readText(path: string): Promise<string | undefined> {
  const data = await readEnd(path, 1 << 20);
  return data.length === 0 ? undefined : data.toString("utf8").trim();
}

/** Names in a directory; none where it isn't there. */
export async function names(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/**
 * Every path below a directory, each directory before what is in it; none where it isn't there. Links are named and never followed, which the
 * recursion of `readdir` does: for directories that a container wrote to.
 */
export async function* pathsBelow(directory: string): AsyncGenerator<string> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
  for (const entry of entries) {
    const path = join(directory, entry.name);
    yield path;
    if (entry.isDirectory()) yield* pathsBelow(path);
  }
}

export function isMissing(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR", "ENODEV"].includes((error as NodeJS.ErrnoException).code ?? "");
}

/**
 * Parts of a path that must stay inside its root, as volumes' paths have to.
 * @throws TypeError where it is absolute or leaves the root
 */
export function insideParts(path: string, what: string): string[] {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (path.startsWith("/") || parts.includes("..") || path.includes("\0")) {
    throw new TypeError(`Cannot use ${what} "${path}": it must be a relative path without ".."`);
  }
  return parts;
}

/**
 * The host's path of `path` below `root`, where no part is a symbolic link; a part that isn't there is made, as a directory.
 * For directories that a container wrote to: nothing may run in it meanwhile.
 * @throws Error where a part is a symbolic link, which could lead out of the volume
 */
export async function safeBelow(root: string, path: string, what: string): Promise<string> {
  let at = root;
  for (const part of insideParts(path, what)) {
    at = join(at, part);
    try {
      if ((await lstat(at)).isSymbolicLink()) {
        throw new Error(`Cannot use ${what} "${path}": "${part}" is a symbolic link`);
      }
    } catch (error) {
      if (!isMissing(error)) throw error;
      await mkdir(at, { mode: 0o755 });
      await chmod(at, 0o755);
    }
  }
  return at;
}

/** Writes files below a directory that isn't there yet, which appears whole or not at all. */
export async function writeTree(
  root: string,
  files: readonly { path: string; data: Uint8Array; mode: number }[],
): Promise<void> {
  const temporary = `${root}.tmp`;
  await rm(temporary, { recursive: true, force: true });
  await makeDirectory(temporary, 0o755);
  for (const file of files) {
    const parts = insideParts(file.path, "volume file");
    if (parts.length === 0) throw new TypeError(`Cannot use volume file "${file.path}": it has no name`);
    const path = join(temporary, ...parts);
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    await writeFile(path, file.data, { mode: file.mode & 0o777, flag: "wx" });
    await chmod(path, file.mode & 0o777); // the process's umask doesn't count
  }
  await rename(temporary, root);
}

/** Makes a directory, with these permission bits whatever the umask; fine where it is there. */
export async function makeDirectory(path: string, mode: number): Promise<void> {
  await mkdir(path, { recursive: true, mode });
  await chmod(path, mode);
}
