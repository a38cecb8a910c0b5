import { join } from "node:path";
import { maxTextBytes, type SourceView } from "../../lib/source/view.ts";
import { FailureError } from "../errors.ts";
import { type GitRun, runGit } from "./git-command.ts";

/**
 * The view of a repository's commit, fetched without its history.
 * @param directory where the objects go: an empty one, which the caller removes
 */
export async function gitView(
  url: string,
  commit: string,
  { directory, run }: { directory: string; run: GitRun },
): Promise<SourceView> {
  const bare = join(directory, "repository.git");
  const format = commit.length === 64 ? "sha256" : "sha1";
  await runGit(["init", "--quiet", "--bare", `--object-format=${format}`, bare], run);
  const inside = { ...run, cwd: bare };
  await fetchCommit(url, commit, inside);
  const files = regularFiles(await runGit(["ls-tree", "-r", "-z", commit], inside));
  const known = new Set(files);
  return {
    files: files.toSorted(),
    read: async (path) =>
      known.has(path)
        ? (await runGit(["cat-file", "blob", `${commit}:${path}`], inside)).slice(0, maxTextBytes)
        : undefined,
  };
}

/** Servers that don't give single commits, or no shallow ones, give everything. */
async function fetchCommit(url: string, commit: string, run: GitRun): Promise<void> {
  const fetch = ["fetch", "--quiet", "--no-tags"];
  try {
    await runGit([...fetch, "--depth", "1", "--", url, commit], run);
  } catch {
    run.signal.throwIfAborted();
    await runGit([...fetch, "--", url, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"], run);
    await runGit(["cat-file", "-e", `${commit}^{commit}`], run).catch((error: unknown) => {
      throw new FailureError(`The repository ${JSON.stringify(run.shown)} has no commit ${commit} on a branch or tag`, {
        cause: error,
      });
    });
  }
}

/** `MODE TYPE NAME\tPATH`, ended by NUL: links and submodules are no files. */
function regularFiles(listing: string): string[] {
  return listing.split("\0").flatMap((line) => /^100\d{3} blob [0-9a-f]+\t(.+)$/s.exec(line)?.[1] ?? []);
}
