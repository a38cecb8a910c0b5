/** The source as it lies in the workspace: everything, also what an earlier step made. */
import { constants } from "node:fs";
import { open, readdir, realpath, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import type { SourceView } from "../../lib/source/view.ts";

/** Lock files of large apps have some megabytes. */
const maxTextBytes = 64 << 20;

/**
 * The folder that is built: `context` below the workspace.
 * @throws with a sentence, where it isn't there, or leads out
 */
export async function contextDirectory(workspace: string, context: string): Promise<string> {
  const root = await realpath(workspace);
  const directory = await realpath(join(root, context)).catch(() => undefined);
  const inside = directory !== undefined && (directory === root || directory.startsWith(root + sep));
  if (!inside || !(await stat(directory)).isDirectory()) {
    throw new Error(`Cannot find folder "${context}" in the source. Give a folder of it as _CONTEXT`);
  }
  return directory;
}

/** The view of a folder: its regular files, but git's own and installed modules. */
export async function workspaceView(directory: string): Promise<SourceView> {
  const files: string[] = [];
  const pending = [directory];
  for (const folder of pending) {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isFile()) files.push(relative(directory, path));
      else if (entry.isDirectory() && entry.name !== ".git" && entry.name !== "node_modules") pending.push(path);
    }
  }
  const known = new Set(files);
  return {
    files: files.sort(),
    read: async (path) => {
      if (!known.has(path)) return undefined;
      const file = await open(join(directory, path), constants.O_RDONLY | constants.O_NOFOLLOW);
      try {
        const { size } = await file.stat();
        if (size > maxTextBytes) throw new Error(`Cannot read "${path}": it has more than ${maxTextBytes >> 20} MiB`);
        return await file.readFile("utf8");
      } finally {
        await file.close();
      }
    },
  };
}
