/**
 * What git says about a directory. The CLI asks the person's own git, with nothing of the repository's configuration run.
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

/** The facts about a directory; undefined where it is in no working copy, has no commit yet, or there is no git. */
export async function gitFacts(directory: string): Promise<GitFacts | undefined> {
  const commit = (await git(directory, ["rev-parse", "--verify", "HEAD"]))?.trim() ?? "";
  if (!/^[0-9a-f]{40,64}$/.test(commit)) return undefined;
  const changes = await git(directory, ["status", "--porcelain", "--untracked-files=normal", "--", ".", notOurs]);
  return { commit, dirty: changes !== "" };
}

function git(directory: string, words: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    // A monitor program that the repository's configuration names isn't wanted here, nor is a lock on its index.
    const safe = ["-c", "core.fsmonitor=false", "--no-optional-locks"];
    const options = { cwd: directory, timeout: 10_000, maxBuffer: 64 * 1024 * 1024 };
    execFile("git", [...safe, ...words], options, (error, stdout) => resolve(error === null ? stdout : undefined));
  });
}
