/**
 * What `--source` names.
 */
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { looksLikeGitUrl, parseGitUrl, shownUrl } from "../../lib/source/git-url.ts";
import { parseLocation } from "../../lib/source/location.ts";
import { UsageError } from "../errors.ts";

export type Located =
  | { type: "directory"; path: string }
  | { type: "archive"; path: string }
  /** An archive elsewhere; `sha256` where the person pinned it. */
  | { type: "url"; url: string; sha256?: string }
  /** `at`: a branch, tag, ref or commit. */
  | { type: "git"; url: string; shown: string; at?: string };

/**
 * A path that is there is that directory or archive, whatever it looks like; else it must be a URL. A repository on this machine,
 * also as `file://`, means its working copy.
 */
export async function locateSource(text: string, cwd: string): Promise<Located> {
  const here = await localSource(resolve(cwd, text));
  if (here !== undefined) return here;
  if (looksLikeGitUrl(text)) {
    const [url, at] = splitFragment(text);
    const git = parseGitUrl(url);
    if (git.transport !== "file") {
      return { type: "git", url: git.url, shown: shownUrl(git.url), ...(at === undefined ? {} : { at }) };
    }
    if (at !== undefined) {
      throw new UsageError(
        `--source "${text}" names "${at}" of a repository on this machine, whose working copy is deployed as it is: check "${at}" out there, and leave out #${at}`,
      );
    }
    const copy = await localSource(git.path);
    if (copy !== undefined) return copy;
  } else if (/^[a-z0-9]+:\/\//i.test(text)) {
    const location = parseLocation(text);
    if (location.type === "url") return location;
  }
  throw new UsageError(
    `--source "${text}" isn't there: give a directory, an archive (zip, tar, tar.gz), its https:// URL, or a git URL such as https://HOST/PATH#BRANCH`,
  );
}

async function localSource(path: string): Promise<Located | undefined> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) return { type: "directory", path };
    if (found.isFile()) return { type: "archive", path };
    throw new UsageError(`--source "${path}" is neither a directory nor a file`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG") return undefined;
    if (code === undefined) throw error;
    throw new UsageError(`Cannot read --source "${path}": ${code}`, { cause: error });
  }
}

/** `URL#AT`; an empty one is none. */
function splitFragment(text: string): [url: string, at?: string] {
  const at = text.indexOf("#");
  if (at === -1) return [text];
  const fragment = text.slice(at + 1);
  return fragment === "" ? [text.slice(0, at)] : [text.slice(0, at), fragment];
}
