/** What a directory holds as a source, in an order of its own. */
import { lstat, readdir, readlink } from "node:fs/promises";
import { join, resolve } from "node:path";

import { SourceFault, unreadable } from "./errors.ts";
import { type IgnoreRules, readIgnoreRules } from "./ignore-rules.ts";

/** A file or symbolic link of a source. Directories are what paths imply: as in git, empty ones are no source. */
export interface SourceEntry {
  /** Relative, with `/`. */
  path: string;
  /** Of a file: bytes when it was listed. */
  size: number;
  executable: boolean;
  /** Of a symbolic link: its target, as it stands there. */
  link?: string;
}

/** The most entries of a source. */
export const maxEntries = 200_000;

/**
 * Lists a directory's files and links, sorted by path, without what `.gitignore` and `.elafrosignore` leave out. Links aren't followed.
 * @throws SourceFault where something can't be read, is neither file, directory nor link, or there are too many
 */
export async function listSource(directory: string): Promise<SourceEntry[]> {
  const root = resolve(directory);
  const entries: SourceEntry[] = [];
  await walk({ root, entries }, "", await readIgnoreRules(root));
  return entries.sort((a, b) => (a.path < b.path ? -1 : 1));
}

interface Walk {
  root: string;
  entries: SourceEntry[];
}

async function walk(state: Walk, prefix: string, rules: IgnoreRules): Promise<void> {
  const { root, entries } = state;
  let found;
  try {
    found = await readdir(join(root, prefix), { withFileTypes: true });
  } catch (error) {
    throw unreadable(prefix === "" ? root : prefix, error);
  }
  for (const one of found) {
    const path = `${prefix}${one.name}`;
    if (rules.ignores(one.name, one.isDirectory())) continue;
    if (one.isDirectory()) {
      await walk(state, `${path}/`, await rules.below(one.name));
      continue;
    }
    if (!one.isFile() && !one.isSymbolicLink()) {
      throw new SourceFault(
        `Cannot pack ${JSON.stringify(path)}: it is ${one.isSocket() ? "a socket" : one.isFIFO() ? "a pipe" : "a device"}, not a file; remove it, or leave it out with a line in .elafrosignore`,
      );
    }
    if (entries.length >= maxEntries) {
      throw new SourceFault(
        `Directory ${JSON.stringify(root)} has more than ${maxEntries} files; leave out what the build doesn't need with lines in .elafrosignore`,
      );
    }
    entries.push(await describe(root, path, one.isSymbolicLink()));
  }
}

async function describe(root: string, path: string, isLink: boolean): Promise<SourceEntry> {
  const place = join(root, path);
  try {
    if (isLink) return { path, size: 0, executable: false, link: await readlink(place) };
    const { size, mode } = await lstat(place);
    return { path, size, executable: (mode & 0o100) !== 0 };
  } catch (error) {
    if (path.includes("\uFFFD")) {
      throw new SourceFault(`Cannot pack ${JSON.stringify(path)}: its name is not UTF-8; rename it`, { cause: error });
    }
    throw unreadable(path, error);
  }
}
