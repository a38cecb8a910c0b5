import { join } from "node:path";
import { maxTextBytes, type SourceView } from "../../lib/source/view.ts";
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
  await runGit(["init", "--quiet", "--bare", bare], run);
  const inside = { ...run, cwd: bare };
  await runGit(["fetch", "--quiet", "--depth", "1", "--no-tags", "--", url, commit], inside);
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

/** `MODE TYPE NAME\tPATH`, ended by NUL: links and submodules are no files. */
function regularFiles(listing: string): string[] {
  return listing.split("\0").flatMap((line) => /^100\d{3} blob [0-9a-f]+\t(.+)$/s.exec(line)?.[1] ?? []);
}
