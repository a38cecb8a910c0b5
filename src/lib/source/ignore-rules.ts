/**
 * Which files of a directory are no source: `.gitignore` as git reads it, in every directory, and `.elafrosignore` in the same
 * syntax, whose lines come after those of the `.gitignore` beside it and so win.
 */
import { lstat, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

import ignore, { type Ignore } from "ignore";

import { unreadable } from "./errors.ts";

/** Later files win. */
const ruleFiles = [".gitignore", ".elafrosignore"];
/** Never source: git's own directory (a file in submodules and worktrees), and what the CLI remembers here, which changes with each deploy. */
const never = new Set([".git", ".elafros.json"]);

/** The rules that hold in one directory. */
export interface IgnoreRules {
  /** Whether an entry of this directory is left out. */
  ignores(name: string, isDirectory: boolean): boolean;
  /** The rules of a subdirectory: these and its own. */
  below(name: string): Promise<IgnoreRules>;
}

/** Rules for the directory that is the source: its own, and those of the git working copy that it stands in, if it does. */
export async function readIgnoreRules(directory: string): Promise<IgnoreRules> {
  const above = await workingCopyAbove(directory);
  let rules = ignore();
  let path = "";
  for (const [index, name] of above.names.entries()) {
    const parent = join(above.root, ...above.names.slice(0, index));
    rules = await extended(rules, path, parent, [".gitignore"]);
    path = `${path}${name}/`;
    // Whoever names a directory that the working copy ignores means it: only its own rules count then.
    if (rules.test(path).ignored) return rulesAt(await extended(ignore(), "", directory), "", directory);
  }
  return rulesAt(await extended(rules, path, directory), path, directory);
}

/** The root of the working copy around a directory, and the names that lead from it to the directory; none where it is a root, or in no working copy. */
async function workingCopyAbove(directory: string): Promise<{ root: string; names: string[] }> {
  const names: string[] = [];
  let at = directory;
  while (!(await exists(join(at, ".git")))) {
    const parent = dirname(at);
    if (parent === at) return { root: directory, names: [] };
    names.unshift(basename(at));
    at = parent;
  }
  return { root: at, names };
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/** `prefix` is the path from where the rules begin, empty or ending in a slash. */
function rulesAt(rules: Ignore, prefix: string, directory: string): IgnoreRules {
  return {
    ignores: (name, isDirectory) => never.has(name) || rules.test(`${prefix}${name}${isDirectory ? "/" : ""}`).ignored,
    below: async (name) => {
      const inside = `${prefix}${name}/`;
      const path = join(directory, name);
      return rulesAt(await extended(rules, inside, path), inside, path);
    },
  };
}

/** The rules with those of a directory's own files behind them. */
async function extended(
  rules: Ignore,
  prefix: string,
  directory: string,
  files: readonly string[] = ruleFiles,
): Promise<Ignore> {
  let all = rules;
  for (const name of files) {
    const text = await readRules(join(directory, name));
    if (text === undefined) continue;
    all = ignore({ ignorecase: false }).add(all).add(rebased(text, prefix));
  }
  return all;
}

/** A rule file's text; undefined where there is none. Git doesn't follow a link here either. */
async function readRules(path: string): Promise<string | undefined> {
  try {
    return (await lstat(path)).isFile() ? await readFile(path, "utf8") : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw unreadable(path, error);
  }
}

/**
 * The lines of a rule file as rules of a directory above it: all rules then are in one list, in which the last match decides and a
 * directory that is left out takes everything below with it, as in git.
 */
function rebased(text: string, prefix: string): string[] {
  const lines = text.replace(/^\uFEFF/, "").split("\n");
  return lines.flatMap((raw) => {
    const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
    if (line === "" || line.startsWith("#")) return [];
    if (prefix === "") return [line];
    const negative = line.startsWith("!");
    const pattern = negative ? line.slice(1) : line;
    const trimmed = pattern.replace(/(?<!\\) +$/, "");
    if (trimmed === "" || trimmed === "/") return [];
    const anchored = trimmed.slice(0, -1).includes("/");
    const place = `/${prefix.replaceAll(/[\\*?[\]!# ]/g, String.raw`\$&`)}`;
    const rest = anchored ? trimmed.replace(/^\//, "") : `**/${trimmed}`;
    return [`${negative ? "!" : ""}${place}${rest}`];
  });
}
