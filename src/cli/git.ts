import { execFile } from "node:child_process";

/** The commit that a directory's working copy stands on, 40 or 64 hex digits; undefined where it is in none or there is no git. */
export function gitCommit(directory: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile("git", ["rev-parse", "--verify", "HEAD"], { cwd: directory, timeout: 5_000 }, (error, stdout) => {
      const commit = stdout.trim();
      resolve(error === null && /^[0-9a-f]{40,64}$/.test(commit) ? commit : undefined);
    });
  });
}
