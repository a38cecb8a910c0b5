/**
 * Pins a git repository: to which commit a branch, tag, ref or HEAD leads now. What is deployed is then what was looked at, and the
 * same again builds nothing.
 */
import { FailureError } from "../errors.ts";
import { type GitRun, runGit } from "./git-command.ts";

/** A commit's whole name, of either hash that git has. */
const commitName = /^([0-9a-f]{40}|[0-9a-f]{64})$/;

/**
 * The commit that `at` means: a branch, else a tag, else a ref, else a commit; HEAD where it is undefined.
 * @throws FailureError that names what the repository has instead
 */
export async function pinCommit(url: string, at: string | undefined, run: GitRun): Promise<string> {
  if (at !== undefined && commitName.test(at)) return at;
  const refs = parseRefs(await runGit(["ls-remote", "--", url], run));
  const commit = findCommit(refs, at);
  if (commit !== undefined) return commit;
  const shown = JSON.stringify(run.shown);
  if (refs.size === 0) throw new FailureError(`The repository ${shown} is empty: commit something and push it`);
  const names = [...refs.keys()].flatMap((name) => /^refs\/(?:heads|tags)\/(.+?)(?<!\^\{\})$/.exec(name)?.[1] ?? []);
  const list = names.length > 10 ? `${names.slice(0, 10).join(", ")} and ${names.length - 10} more` : names.join(", ");
  if (at === undefined) {
    throw new FailureError(
      `The repository ${shown} has no HEAD: say what to build with ${run.shown}#BRANCH; it has ${list}`,
    );
  }
  const whole = /^[0-9a-f]{4,63}$/.test(at) ? "; a commit must be given with all its digits" : "";
  throw new FailureError(`The repository ${shown} has no branch, tag or commit "${at}": it has ${list}${whole}`);
}

/** The lines of `git ls-remote`: commit by ref. */
export function parseRefs(text: string): Map<string, string> {
  const refs = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [commit = "", name = ""] = line.split("\t");
    if (commitName.test(commit) && name !== "") refs.set(name, commit);
  }
  return refs;
}

/** An annotated tag is an object of its own; `^{}` names the commit behind it. */
export function findCommit(refs: ReadonlyMap<string, string>, at: string | undefined): string | undefined {
  if (at === undefined) return refs.get("HEAD");
  const name = [`refs/heads/${at}`, `refs/tags/${at}^{}`, `refs/tags/${at}`, `${at}^{}`, at].find((one) =>
    refs.has(one),
  );
  return name === undefined ? undefined : refs.get(name);
}
