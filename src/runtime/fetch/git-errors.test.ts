import { expect, test } from "vitest";

import { parseGitUrl } from "../../lib/source/git-url.ts";
import { gitFault } from "./git-errors.ts";

const sentence = (said: string, url = "https://me@git.example/team/app") =>
  gitFault(said, { repository: parseGitUrl(url), wanted: 'branch "main"' }).message;

/** What git 2.39 to 2.5x and servers said, word for word, and what a sentence of it must hold. */
test.each([
  ["fatal: couldn't find remote ref refs/heads/main", 'has no branch "main": correct it, or push it there'],
  ["fatal: remote error: upload-pack: not our ref 1111", 'has no branch "main"'],
  ["error: Server does not allow request for unadvertised object 1111", 'has no branch "main"'],
  [
    "remote: Repository not found.\nfatal: repository 'https://git.example/team/app/' not found",
    "There is no repository",
  ],
  ["ERROR: Repository not found.\nfatal: Could not read from remote repository.", "There is no repository"],
  ["fatal: '/srv/none.git' does not appear to be a git repository", "There is no repository"],
  ["fatal: https://git.example/team/app/info/refs not valid: is this a git repository?", "There is no repository"],
  [
    "fatal: could not read Username for 'https://git.example': terminal prompts disabled",
    "asks for a user and a password",
  ],
  [
    "remote: HTTP Basic: Access denied\nfatal: Authentication failed for 'https://git.example/team/app/'",
    "refuses the user and password",
  ],
  [
    "fatal: unable to access 'https://git.example/team/app/': The requested URL returned error: 403",
    "may not be read (HTTP 403)",
  ],
  [
    "git@git.example: Permission denied (publickey).\nfatal: Could not read from remote repository.",
    "refuses the Build's ssh key",
  ],
  [
    'Load key "/builder/home/.ssh/key-0": error in libcrypto\ngit@git.example: Permission denied (publickey).',
    "refuses the Build's ssh key",
  ],
  [
    "No ED25519 host key is known for git.example and you have requested strict checking.\nHost key verification failed.",
    "is not known",
  ],
  [
    "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.",
    "is not the one in known_hosts",
  ],
  [
    "fatal: unable to access 'https://git.example/': Could not resolve host: git.example",
    'host "git.example" is not known here',
  ],
  ["ssh: Could not resolve hostname git.example: Name or service not known", 'host "git.example" is not known here'],
  [
    "fatal: unable to access 'https://git.example/': server certificate verification failed. CAfile: none CRLfile: none",
    "its certificate is not accepted",
  ],
  [
    "fatal: unable to access 'https://git.example/': Failed to connect to git.example port 443: Connection refused",
    "can't be reached (unable to access",
  ],
  ["ssh: connect to host git.example port 22: Connection timed out", "can't be reached (connect to host"],
  ["fatal: write error: No space left on device", "the disk of the machine is full"],
  ["fatal: transport 'ext' not allowed", "leads to another kind of address"],
  [
    "fatal: something that nobody has seen yet",
    'Cannot fetch "https://git.example/team/app": something that nobody has seen yet',
  ],
  ["", 'Cannot fetch "https://git.example/team/app": git failed and said nothing'],
])("gitFault(%j) says: %s", (said, expected) => {
  const text = sentence(said);
  expect(text).toContain(expected);
  expect(text).toContain('"https://git.example/team/app"');
});

test("gitFault() repeats no credentials that git shows", () => {
  expect(sentence("fatal: odd answer of https://me:hunter2@git.example/x")).not.toContain("hunter2");
});
