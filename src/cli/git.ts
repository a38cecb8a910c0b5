/**
 * What git says about a directory. The CLI asks the person's own git, and nothing that the repository's configuration names is run: a directory that was unpacked from an archive may have any.
 */
import { execFile } from "node:child_process";

/** A working copy, as it stands. */
export interface GitFacts {
  /** 40 or 64 hex digits. */
  commit: string;
  /** Whether the directory holds changes, or files that git doesn't know and doesn't ignore. */
  dirty: boolean;
}

/** Written by the CLI itself, wherever it is used: no change of the source. */
const notOurs = ":(exclude,top,glob)**/.elafros.json";

/**
 * The facts about a directory; undefined where it is in no working copy, has no commit yet, or there is no git. Files that a filter of the working copy's own configuration would have to
 * be run for count as changed.
 */
export async function gitFacts(directory: string): Promise<GitFacts | undefined> {
  const commit = (await git(directory, ["rev-parse", "--verify", "HEAD"]))?.trim() ?? "";
  if (!/^[0-9a-f]{40,64}$/.test(commit)) return undefined;
  const filters = ownFilters(await git(directory, ["config", "--list", "--name-only", "--show-scope", "-z"]));
  if (filters === undefined) return { commit, dirty: true };
  const words = ["status", "--porcelain", "--untracked-files=normal", "--ignore-submodules=dirty", "--", ".", notOurs];
  return { commit, dirty: (await git(directory, words, filters.flatMap(withoutFilter))) !== "" };
}

/**
 * Names of the filters that a working copy's own configuration has, from git's list of scopes and names, each ended by NUL. The person's own are theirs to run.
 * Undefined where they can't be told, or not be named on a command line.
 */
function ownFilters(listing: string | undefined): string[] | undefined {
  if (listing === undefined) return undefined;
  const words = listing.split("\0");
  const names = new Set<string>();
  for (let at = 0; at + 1 < words.length; at += 2) {
    const [scope = "", key = ""] = [words[at], words[at + 1]];
    const name = /^filter\.(.*)\.[^.]+$/s.exec(key)?.[1];
    if (name !== undefined && scope !== "system" && scope !== "global") names.add(name);
  }
  return [...names].some((name) => name.includes("=")) ? undefined : [...names];
}

/** An empty command is none. */
function withoutFilter(name: string): string[] {
  const settings = ["clean=", "smudge=", "process=", "required=false"];
  return settings.flatMap((setting) => ["-c", `filter.${name}.${setting}`]);
}

/** Settings of a repository that would run programs, and those with which a directory that came with the source is taken for one. */
const safe = [
  ["core.fsmonitor", "false"],
  ["core.hooksPath", "/dev/null"],
  ["safe.bareRepository", "explicit"],
].flatMap(([key, value]) => ["-c", `${key}=${value}`]);

/** Objects that aren't there would be fetched by programs that the configuration names. */
const offline = { GIT_NO_LAZY_FETCH: "1", GIT_ALLOW_PROTOCOL: "none", GIT_TERMINAL_PROMPT: "0" };

/** What git says; undefined where it fails. It takes no lock on the index either. */
function git(
  directory: string,
  words: readonly string[],
  settings: readonly string[] = [],
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const env = { ...process.env, ...offline };
    const options = { cwd: directory, env, timeout: 10_000, maxBuffer: 64 * 1024 * 1024 };
    const all = [...safe, ...settings, "--no-optional-locks", ...words];
    execFile("git", all, options, (error, stdout) => resolve(error === null ? stdout : undefined));
  });
}
