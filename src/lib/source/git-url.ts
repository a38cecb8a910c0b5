/** URLs of git repositories, in the forms that git has for those transports which a source may use. */
import { SourceFault } from "./errors.ts";

/** A repository's URL, read. */
export interface GitUrl {
  transport: "https" | "http" | "ssh" | "file";
  /** As git takes it. */
  url: string;
  /** Host and, where it isn't the transport's own, port; empty for `file`. */
  host: string;
  user?: string;
  /** Of `file`: the directory. Of the others: what follows the host. */
  path: string;
}

/** Whether a text is meant as a repository's URL and not as a path of a directory or archive: with a git transport, or in the form of scp. */
export function looksLikeGitUrl(text: string): boolean {
  if (/^(?:ssh|git|git\+ssh|ssh\+git|file):/i.test(text)) return true;
  if (/^https?:/i.test(text)) return !/\.(?:zip|tar|tgz|tar\.gz)$/i.test(text.replace(/[?#].*$/s, ""));
  return scpForm.test(text);
}

/** `[USER@]HOST:PATH`; a slash before the colon makes it a path, a single letter could be a drive. */
const scpForm =
  /^(?:(?<user>[A-Za-z0-9_][A-Za-z0-9._+-]*)@)?(?<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9._-]+):(?!\/\/|:)(?<path>.+)$/s;

/**
 * Reads `https://…`, `http://…`, `ssh://…`, `file:///…` or `[USER@]HOST:PATH`.
 * @throws SourceFault whose message says what is wrong with it
 */
export function parseGitUrl(text: string): GitUrl {
  // eslint-disable-next-line no-control-regex -- git's own formats are lines
  if (/[\u0000-\u0020\u007f]/.test(text)) {
    throw new SourceFault(`${quoted(text)} is no git URL: it holds spaces or control characters; encode spaces as %20`);
  }
  if (text.startsWith("-")) throw new SourceFault(`${quoted(text)} is no git URL: it begins with "-"`);
  const scp = /^[a-z+]+:\/\//i.test(text) ? null : scpForm.exec(text);
  if (scp?.groups !== undefined) {
    const { user, host = "", path = "" } = scp.groups;
    if (path.startsWith("-")) throw new SourceFault(`${quoted(text)} is no git URL: its path begins with "-"`);
    return { transport: "ssh", url: text, host, path, ...(user === undefined ? {} : { user }) };
  }
  const url = URL.canParse(text) ? new URL(text) : undefined;
  switch (url?.protocol) {
    case "https:":
    case "http:":
      return remote(url, text, url.protocol === "https:" ? "https" : "http");
    case "ssh:":
      return remote(url, text, "ssh");
    case "file:":
      return local(url, text);
    default:
      throw new SourceFault(
        `${quoted(text)} is no git URL that can be fetched: use https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH`,
      );
  }
}

function remote(url: URL, text: string, transport: "https" | "http" | "ssh"): GitUrl {
  if (url.password !== "") {
    throw new SourceFault(
      `The git URL on host ${quoted(url.host)} holds a password, which everybody could read who sees the Build; put it into a Secret of type kubernetes.io/basic-auth, annotated build.dev/git-0: ${url.protocol}//${url.host}, that the Build's service account names`,
    );
  }
  if (url.search !== "" || url.hash !== "") {
    throw new SourceFault(
      `${quoted(text)} is no git URL: leave out what begins with "${url.search === "" ? "#" : "?"}"`,
    );
  }
  const path = url.pathname;
  const user = decoded(url.username, text);
  // ssh would read such names as its own options.
  const optionLike = [url.hostname, user, path.replace(/^\//, "")].some((part) => part.startsWith("-"));
  if (url.hostname === "" || path === "/" || path === "" || optionLike || !/^[A-Za-z0-9._+@-]*$/.test(user)) {
    throw new SourceFault(`${quoted(text)} is no git URL: write ${url.protocol}//HOST/PATH`);
  }
  return { transport, url: text, host: url.host, path, ...(user === "" ? {} : { user }) };
}

function local(url: URL, text: string): GitUrl {
  const path = decoded(url.pathname, text);
  const parts = path.split("/");
  if (!["", "localhost"].includes(url.host) || parts.includes("..") || path === "/") {
    throw new SourceFault(`${quoted(text)} is no git URL: write file:///DIRECTORY`);
  }
  return { transport: "file", url: `file://${url.pathname}`, host: "", path };
}

function decoded(part: string, text: string): string {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    throw new SourceFault(`${quoted(text)} is no git URL: a % in it begins no encoded character`, { cause: error });
  }
}

/** A URL as logs and messages may show it: without user and password. */
export function shownUrl(text: string): string {
  return text.replace(/^([a-z+]+:\/\/)[^/@]*@/i, "$1").replace(/^[^/:@]*@(?=[^/]*:)/, "");
}

function quoted(text: string): string {
  const shown = shownUrl(text);
  return JSON.stringify(shown.length > 200 ? `${shown.slice(0, 200)}…` : shown);
}
