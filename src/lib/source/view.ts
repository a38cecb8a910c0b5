/** A source as detection sees it: its files' names, and the text of single ones. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join, resolve } from "node:path";

import { unreadable } from "./errors.ts";
import { listSource } from "./walk.ts";

/** What is looked at to find out what a source is, the same for a directory and an archive. */
export interface SourceView {
  /** Paths of all files, relative, with `/`, sorted; without directories and links. */
  files: readonly string[];
  /** The text of a file; undefined where it isn't one of `files`. At most `maxTextBytes` of it. */
  read(path: string): Promise<string | undefined>;
}

/** As much as is read of one file: what detection looks at is small. */
export const maxTextBytes = 1 << 20;

/** The view of a directory: what of it would be packed. */
export async function directoryView(directory: string): Promise<SourceView> {
  const root = resolve(directory);
  const files = (await listSource(root)).filter(({ link }) => link === undefined).map(({ path }) => path);
  const known = new Set(files);
  return {
    files,
    read: async (path) => (known.has(path) ? readStart(join(root, path), path) : undefined),
  };
}

async function readStart(place: string, path: string): Promise<string> {
  try {
    const file = await open(place, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const buffer = Buffer.alloc(Math.min((await file.stat()).size, maxTextBytes));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
      return buffer.toString("utf8", 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw unreadable(path, error);
  }
}
