/** Which state of a repository is wanted, as names that can be asked for. */
import { SourceFault } from "../../lib/source/errors.ts";

export interface Wanted {
  /** For messages: `branch "main"`. */
  shown: string;
  /** What to ask the server for; nothing: everything, in which `commit` is then looked for. */
  refs: readonly string[];
  /** As it was given, perhaps shortened. */
  commit?: string;
  /** Whether the commit's name is one by SHA-256. */
  sha256: boolean;
}

/** Reads what a source says; nothing means the repository's own HEAD. @throws SourceFault where a name can be none */
export function readWanted(source: { commit?: string; branch?: string; tag?: string; ref?: string }): Wanted {
  const { commit, branch, tag, ref } = source;
  if (commit !== undefined) return wantedCommit(commit);
  if (branch !== undefined)
    return wantedRef("branch", branch, branch.startsWith("refs/heads/") ? branch : `refs/heads/${branch}`);
  if (tag !== undefined) return wantedRef("tag", tag, tag.startsWith("refs/tags/") ? tag : `refs/tags/${tag}`);
  if (ref !== undefined) return wantedRef("ref", ref, ref);
  return { shown: "its HEAD", refs: ["HEAD"], sha256: false };
}

function wantedCommit(commit: string): Wanted {
  const name = commit.toLowerCase();
  const shown = `commit ${JSON.stringify(commit)}`;
  if (!/^[0-9a-f]{4,64}$/.test(name)) {
    throw new SourceFault(
      `${JSON.stringify(commit)} is no commit: it must be 4 to 64 hex digits; use branch, tag or ref for names`,
    );
  }
  const whole = name.length === 40 || name.length === 64;
  return { shown, refs: whole ? [name] : [], commit: name, sha256: name.length > 40 };
}

/** git-check-ref-format(1), and nothing that a refspec would read otherwise. */
function wantedRef(kind: string, given: string, ref: string): Wanted {
  // eslint-disable-next-line no-control-regex -- no name of a ref holds them
  const bad = /[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{|\/\/|^[-+/.]|\/\.|\.lock(?:\/|$)|[/.]$|^@?$/.test(ref);
  if (bad) throw new SourceFault(`${JSON.stringify(given)} is no ${kind} of a repository: git allows no such name`);
  return { shown: `${kind} ${JSON.stringify(given)}`, refs: [ref], sha256: false };
}
