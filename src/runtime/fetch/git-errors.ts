/** What git and ssh say when a repository can't be had, as a sentence with the way out. Their own words are in the log. */
import { SourceFault } from "../../lib/source/errors.ts";
import { type GitUrl, shownUrl } from "../../lib/source/git-url.ts";

interface Asked {
  repository: GitUrl;
  /** `branch "main"`, `commit 0123…`. */
  wanted: string;
}

/** The pattern in what was said, and the sentence. `$1` and so on are what the pattern caught. */
const cases: readonly { said: RegExp; sentence: (asked: Asked & { shown: string; caught: string }) => string }[] = [
  {
    said: /REMOTE HOST IDENTIFICATION HAS CHANGED|Host key for .* has changed/,
    sentence: ({ repository, shown }) =>
      `The host key of "${repository.host}" is not the one in known_hosts: somebody may be in between, so ${shown} wasn't fetched; if the host really has a new key, put it into the Secret's known_hosts`,
  },
  {
    said: /Host key verification failed|No \S+ host key is known for/,
    sentence: ({ repository, shown }) =>
      `The host key of "${repository.host}" is not known, so ${shown} wasn't fetched; put the host's line of ssh-keyscan into the Secret's known_hosts`,
  },
  {
    said: /could not read (?:Username|Password) for/,
    sentence: ({ shown, repository }) =>
      `Repository ${shown} asks for a user and a password: it is private or doesn't exist; correct the URL, or give the Build's service account a Secret of type kubernetes.io/basic-auth, annotated build.dev/git-0: ${repository.transport}://${repository.host}`,
  },
  {
    said: /Authentication failed for|returned error: 401/,
    sentence: ({ shown }) => `Repository ${shown} refuses the user and password of the Build's Secret: correct them`,
  },
  {
    said: /Permission denied|Load key .* invalid|error in libcrypto/,
    sentence: ({ shown, repository }) =>
      `Repository ${shown} refuses the Build's ssh key, or there is none: give the Build's service account a Secret of type kubernetes.io/ssh-auth, annotated build.dev/git-0: ${repository.host}, whose key may read it`,
  },
  {
    said: /returned error: 403/,
    sentence: ({ shown }) =>
      `Repository ${shown} may not be read (HTTP 403): give its reader the right, or use the Secret of somebody who has it`,
  },
  {
    said: /couldn't find remote ref|Remote branch .* not found|not our ref|unadvertised object|no such remote ref/i,
    sentence: ({ shown, wanted }) => `Repository ${shown} has no ${wanted}: correct it, or push it there`,
  },
  {
    said: /repository '.*' not found|[Rr]epository not found|does not (?:appear to be a git repository|exist)|not a git repository|returned error: 404|not valid: is this a git repository/,
    sentence: ({ shown }) =>
      `There is no repository ${shown}, or it may not be seen: correct the URL, or give the Build credentials for it`,
  },
  {
    said: /Could not resolve (?:host|hostname|proxy):? *([^\s;:]*)/,
    sentence: ({ shown, repository }) =>
      `Repository ${shown} can't be reached: host "${repository.host}" is not known here; correct the URL`,
  },
  {
    said: /certificate|SSL|TLS/,
    sentence: ({ shown, caught }) =>
      `Repository ${shown} can't be reached safely: its certificate is not accepted (${caught}); repair it, or fetch by ssh`,
  },
  {
    said: /Connection refused|Failed to connect|Connection timed out|Operation timed out|No route to host|Network is unreachable|Operation too slow|Connection reset|closed by remote host|Empty reply/,
    sentence: ({ shown, caught }) =>
      `Repository ${shown} can't be reached (${caught}): see that its server runs and this machine may ask it`,
  },
  {
    said: /No space left on device|Disk quota exceeded/,
    sentence: ({ shown }) =>
      `Cannot fetch ${shown}: the disk of the machine is full; free some space there, then build again`,
  },
  {
    said: /transport '(\w+)' not allowed/,
    sentence: ({ shown }) =>
      `Cannot fetch ${shown}: its server leads to another kind of address, which isn't followed; use the URL that it leads to`,
  },
];

/** The error for a git that failed. */
export function gitFault(said: string, asked: Asked): SourceFault {
  const shown = JSON.stringify(shownUrl(asked.repository.url));
  const found = cases.find((one) => one.said.test(said));
  if (found === undefined) return new SourceFault(`Cannot fetch ${shown}: ${lastLine(said)}`);
  const line = said.split("\n").find((one) => found.said.test(one)) ?? "";
  return new SourceFault(found.sentence({ ...asked, shown, caught: clean(line) }));
}

/** Whether the server gives only what a branch or tag points at. */
export function refusesCommits(said: string): boolean {
  return /unadvertised object/.test(said);
}

/** Whether the server can't give a history without its beginning. */
export function refusesShallow(said: string): boolean {
  return /dumb http transport does not support shallow|does not support shallow/.test(said);
}

/** Whether the repository has names by SHA-256. */
export function wantsSha256(said: string): boolean {
  return /mismatched algorithms: client sha1; server sha256/.test(said);
}

function lastLine(said: string): string {
  const lines = said.split("\n").map(clean);
  return lines.findLast((line) => line !== "") ?? "git failed and said nothing";
}

function clean(line: string): string {
  return line
    .replace(/^(?:fatal|error|remote|ssh): */, "")
    .replaceAll(/(https?:\/\/)[^/@\s]*@/g, "$1")
    .trim()
    .slice(0, 300);
}
