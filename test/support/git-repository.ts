/** Git repositories for tests, made by git itself. */
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface Repository {
  /** The bare repository. */
  path: string;
  /** Commits files on a branch (`main` unless given), and gives the commit. */
  commit(files: Record<string, string>, options?: { branch?: string }): Promise<string>;
  /** Runs git in the repository; gives what it says. */
  git(...args: string[]): Promise<string>;
  /** Makes another repository a submodule at a path, with this URL, and gives the commit. */
  addSubmodule(path: string, url: string, commit: string): Promise<string>;
}

const env = {
  PATH: process.env["PATH"],
  HOME: "/nonexistent",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_AUTHOR_NAME: "A",
  GIT_AUTHOR_EMAIL: "a@example.com",
  GIT_COMMITTER_NAME: "A",
  GIT_COMMITTER_EMAIL: "a@example.com",
};

/** Makes an empty one at `path`, with a working copy beside it. */
export async function makeRepository(path: string, options: { format?: "sha1" | "sha256" } = {}): Promise<Repository> {
  const work = `${path}.work`;
  const format = `--object-format=${options.format ?? "sha1"}`;
  await mkdir(dirname(path), { recursive: true });
  await run("git", ["init", "--quiet", "--bare", format, "-b", "main", path], { env });
  await run("git", ["init", "--quiet", format, "-b", "main", work], { env });
  const git = async (directory: string, args: readonly string[]) =>
    (await run("git", args, { cwd: directory, env })).stdout.trim();
  const push = async (branch: string) => {
    await git(work, ["commit", "--quiet", "--allow-empty", "-m", "change"]);
    await git(work, ["push", "--quiet", "--force", path, `HEAD:refs/heads/${branch}`]);
    return git(work, ["rev-parse", "HEAD"]);
  };
  return {
    path,
    git: (...args) => git(path, args),
    async commit(files, { branch = "main" } = {}) {
      for (const [name, text] of Object.entries(files)) {
        await mkdir(dirname(join(work, name)), { recursive: true });
        await writeFile(join(work, name), text);
      }
      await git(work, ["add", "--all"]);
      return push(branch);
    },
    async addSubmodule(at, url, commit) {
      const file = ["config", "--file", ".gitmodules"];
      await git(work, [...file, `submodule.${at}.path`, at]);
      await git(work, [...file, `submodule.${at}.url`, url]);
      await git(work, ["add", ".gitmodules"]);
      await git(work, ["update-index", "--add", "--cacheinfo", `160000,${commit},${at}`]);
      return push("main");
    },
  };
}
