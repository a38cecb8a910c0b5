/** Sources from git: real servers, over https and ssh and from this disk, with credentials as a build has them. */
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { beforeAll, afterAll, describe, expect, test } from "vitest";

import { openPki, type Pki } from "../../src/apiserver/pki.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { fetchSource } from "../support/fetch-source.ts";
import { gitHttps } from "../support/git-https.ts";
import { makeRepository, type Repository } from "../support/git-repository.ts";
import { sshServer } from "../support/ssh-server.ts";

let dir: string;
let pki: Pki;
let app: Repository;
/** Commits: the first, one on branch `next`, one that only a pull request has, and the newest of `main`. */
const commits = { first: "", next: "", pull: "", newest: "" };

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-git-"));
  pki = await openPki({ dir: join(dir, "pki"), clock: systemClock });
  app = await makeRepository(join(dir, "root/team/app.git"));
  commits.first = await app.commit({ "a.txt": "first", "dir/b.txt": "b" });
  commits.next = await app.commit({ "a.txt": "next" }, { branch: "next" });
  commits.pull = await app.commit({ "a.txt": "pull" }, { branch: "temporary" });
  await app.git("update-ref", "refs/pull/7/head", commits.pull);
  await app.git("update-ref", "-d", "refs/heads/temporary");
  await app.git("-c", "user.name=a", "-c", "user.email=a@b", "tag", "-a", "v1", "-m", "v1", commits.first);
  commits.newest = await app.commit({ "a.txt": "newest" });
});
afterAll(() => rm(dir, { recursive: true }));

const root = () => join(dir, "root");
const user = { name: "ann", password: "p@ss word/:" };
const basic = (url: string, password = user.password) =>
  ({ type: "basic", url, username: user.name, password }) as const;

describe("over https", () => {
  test.each([
    ["its HEAD", {}, "newest"],
    ["a branch", { branch: "next" }, "next"],
    ["a tag with a message", { tag: "v1" }, "first"],
    ["a ref", { ref: "refs/pull/7/head" }, "pull"],
    ["a commit in the middle", { commit: "first" }, "first"],
    ["a shortened commit", { commit: "short" }, "next"],
  ] as const)("fetches %s, and leaves nothing of git", async (_what, wanted, expected) => {
    const server = await gitHttps({ root: root(), tls: pki.serving(), user });
    const names: Record<string, string> = { first: commits.first, short: commits.next.slice(0, 9) };
    const named = "commit" in wanted ? { commit: names[wanted.commit] ?? "" } : wanted;
    const url = `${server.url}/team/app.git`;
    const fetched = await fetchSource({
      source: { type: "git", url, ...named },
      credentials: [basic(server.url)],
      ca: pki.ca,
    });
    expect(fetched.sentence).toBe("");
    expect(fetched.found).toEqual({ repository: url, context: commits[expected] });
    expect(fetched.files).toEqual({ "a.txt": expected === "first" ? "first" : expected, "dir/b.txt": "b" });
    expect(fetched.log).toContain(`Fetched commit ${commits[expected]}\n`);
    expect(fetched.log + fetched.stderr).not.toContain("p@ss");
  });

  test("trusts the authorities that a cluster's installation adds to the public ones, and no others", async () => {
    const server = await gitHttps({ root: root(), tls: pki.serving() });
    const source = { type: "git", url: `${server.url}/team/app.git` } as const;
    const file = join(dir, "authorities.crt");
    await writeFile(file, pki.ca);
    const fetched = await fetchSource({ source, env: { NODE_EXTRA_CA_CERTS: file } });
    expect(fetched.sentence).toBe("");
    expect(fetched.found?.context).toBe(commits.newest);
    expect((await fetchSource({ source })).exitCode).toBe(1);
  });

  test.each([
    ["knows only branches and tags", { old: true }, { commit: "first" }],
    ["is plain files", { dumb: true }, { commit: "first" }],
    ["is plain files", { dumb: true }, { branch: "next" }],
  ])("fetches from a server that %s", async (_what, kind, wanted) => {
    const server = await gitHttps({ root: root(), tls: pki.serving(), ...kind });
    const named = "commit" in wanted ? { commit: commits.first } : wanted;
    const source = { type: "git", url: `${server.url}/team/app.git`, ...named } as const;
    const fetched = await fetchSource({ source, ca: pki.ca });
    expect(fetched.sentence).toBe("");
    expect(fetched.files["a.txt"]).toBe("commit" in wanted ? "first" : "next");
  });

  test("fetches a repository whose names are by SHA-256", async () => {
    const modern = await makeRepository(join(dir, "root/modern.git"), { format: "sha256" });
    const commit = await modern.commit({ a: "modern" });
    const server = await gitHttps({ root: root(), tls: pki.serving() });
    for (const wanted of [{ commit }, { branch: "main" }]) {
      const fetched = await fetchSource({
        source: { type: "git", url: `${server.url}/modern.git`, ...wanted },
        ca: pki.ca,
      });
      expect(fetched.sentence).toBe("");
      expect(fetched.found?.context).toBe(commit);
    }
  });

  test.each([
    [
      "no such repository",
      "/team/none.git",
      {},
      'There is no repository "URL", or it may not be seen: correct the URL',
    ],
    [
      "no such branch",
      "/team/app.git",
      { branch: "nope" },
      'Repository "URL" has no branch "nope": correct it, or push it there',
    ],
    ["no such tag", "/team/app.git", { tag: "v9" }, 'Repository "URL" has no tag "v9"'],
    ["no such ref", "/team/app.git", { ref: "refs/pull/9/head" }, 'Repository "URL" has no ref "refs/pull/9/head"'],
    [
      "no such commit",
      "/team/app.git",
      { commit: "1".repeat(40) },
      `Repository "URL" has no commit "${"1".repeat(40)}"`,
    ],
    ["no such shortened commit", "/team/app.git", { commit: "11111111" }, 'Repository "URL" has no commit "11111111"'],
    [
      "a commit that is none",
      "/team/app.git",
      { commit: "main" },
      '"main" is no commit: it must be 4 to 64 hex digits',
    ],
    [
      "a branch that can be none",
      "/team/app.git",
      { branch: "a:refs/heads/b" },
      '"a:refs/heads/b" is no branch of a repository',
    ],
    ["an option as ref", "/team/app.git", { ref: "--upload-pack=id" }, '"--upload-pack=id" is no ref of a repository'],
  ])("says what to do about %s", async (_what, path, wanted, expected) => {
    const server = await gitHttps({ root: root(), tls: pki.serving() });
    const fetched = await fetchSource({ source: { type: "git", url: `${server.url}${path}`, ...wanted }, ca: pki.ca });
    expect(fetched.exitCode).toBe(1);
    expect(fetched.sentence.replace(`${server.url}${path}`, "URL")).toContain(expected);
    expect(fetched.found).toBeUndefined();
    expect(fetched.files).toEqual({});
  });

  test("says what to do without a password, with a wrong one, and with a certificate that nobody knows", async () => {
    const server = await gitHttps({ root: root(), tls: pki.serving(), user });
    const url = `${server.url}/team/app.git`;
    const source = { type: "git", url } as const;
    const without = await fetchSource({ source, ca: pki.ca });
    expect(without.sentence).toBe(
      `Repository "${url}" asks for a user and a password: it is private or doesn't exist; correct the URL, or give the Build's service account a Secret of type kubernetes.io/basic-auth, annotated build.dev/git-0: ${server.url}`,
    );
    const wrong = await fetchSource({ source, ca: pki.ca, credentials: [basic(server.url, "wrong")] });
    expect(wrong.sentence).toBe(
      `Repository "${url}" refuses the user and password of the Build's Secret: correct them`,
    );
    const unknown = await fetchSource({ source, credentials: [basic(server.url)] });
    expect(unknown.sentence).toContain(`Repository "${url}" can't be reached safely: its certificate is not accepted`);
    server.seen.length = 0;
    const other = await fetchSource({
      source,
      ca: pki.ca,
      credentials: [basic("https://other.example"), basic(`${server.url}/other`)],
    });
    expect(other.sentence).toContain("asks for a user and a password");
    expect(server.seen.every((shown) => shown === "")).toBe(true);
  });

  test("says what to do about a server that isn't there", async () => {
    const gone = await fetchSource({ source: { type: "git", url: "https://127.0.0.1:1/a" } });
    expect(gone.sentence).toContain(`Repository "https://127.0.0.1:1/a" can't be reached (`);
    const unknown = await fetchSource({ source: { type: "git", url: "https://nowhere.invalid/a" } });
    expect(unknown.sentence).toBe(
      'Repository "https://nowhere.invalid/a" can\'t be reached: host "nowhere.invalid" is not known here; correct the URL',
    );
  });

  test("stops before it writes more than the limits", async () => {
    const large = await makeRepository(join(dir, "root/large.git"));
    await large.commit({ zeros: "0".repeat(3_000_000), more: "1".repeat(3_000_000) });
    const server = await gitHttps({ root: root(), tls: pki.serving() });
    const source = { type: "git", url: `${server.url}/large.git` } as const;
    const bytes = await fetchSource({ source, ca: pki.ca, limits: { bytes: 5_000_000, entries: 10 } });
    expect(bytes.sentence).toContain(`Repository "${source.url}" unpacks to more than 4.8 MiB, the limit of a source`);
    expect(Object.keys(bytes.files)).toEqual([]);
    const entries = await fetchSource({ source, ca: pki.ca, limits: { bytes: 50_000_000, entries: 1 } });
    expect(entries.sentence).toContain("holds more than 1 files and directories, the limit of a source");
  });
});

describe("submodules", () => {
  test("come with their commits, relative ones and those in them too, with the same credentials", async () => {
    const inner = await makeRepository(join(dir, "root/libs/inner.git"));
    const old = await inner.commit({ "inner.txt": "old" });
    await inner.commit({ "inner.txt": "new" });
    const middle = await makeRepository(join(dir, "root/libs/middle.git"));
    await middle.commit({ "middle.txt": "middle" });
    const middleCommit = await middle.addSubmodule("deep/inner", "../inner.git", old);
    const outer = await makeRepository(join(dir, "root/team/outer.git"));
    await outer.commit({ "outer.txt": "outer" });
    const server = await gitHttps({ root: root(), tls: pki.serving(), user });
    await outer.addSubmodule("libs/middle", "../../libs/middle.git", middleCommit);
    const commit = await outer.addSubmodule("libs/whole", `${server.url}/libs/inner.git`, old);
    const source = { type: "git", url: `${server.url}/team/outer.git` } as const;
    const fetched = await fetchSource({ source, ca: pki.ca, credentials: [basic(server.url)] });
    expect(fetched.sentence).toBe("");
    expect(fetched.found?.context).toBe(commit);
    const { ".gitmodules": _own, "libs/middle/.gitmodules": _inner, ...files } = fetched.files;
    expect(files).toEqual({
      "outer.txt": "outer",
      "libs/middle/middle.txt": "middle",
      "libs/middle/deep/inner/inner.txt": "old",
      "libs/whole/inner.txt": "old",
    });
  });

  test.each([
    ["this disk", () => `file://${app.path}`, "is on the server's own disk, and its parent isn't"],
    ["a program", () => "ext::sh -c 'touch /tmp/elafros-evil'", "is no git URL"],
    ["an option", () => "--upload-pack=touch", "is no git URL"],
    ["above its host", () => "../../../../x", "leads above its host"],
    ["a repository that isn't there", () => "./none.git", "There is no repository"],
  ])("that lead to %s fail the source, and name the submodule", async (what, url, expected) => {
    const evil = await makeRepository(join(dir, `root/evil-${what.replaceAll(" ", "-")}.git`));
    await evil.commit({ a: "a" });
    await evil.addSubmodule("sub", url(), commits.first);
    const server = await gitHttps({ root: root(), tls: pki.serving() });
    const name = evil.path.slice(root().length);
    const fetched = await fetchSource({
      source: { type: "git", url: `${server.url}${name}` },
      ca: pki.ca,
      fileSources: [dir],
    });
    expect(fetched.exitCode).toBe(1);
    expect(fetched.sentence).toContain('Submodule "sub": ');
    expect(fetched.sentence).toContain(expected);
  });
});

describe("over ssh", () => {
  test("fetches with a key and known hosts, and says what is wrong without", async () => {
    const server = await sshServer(join(dir, "ssh"));
    const url = `${server.url}${app.path}`;
    const source = { type: "git", url, commit: commits.first } as const;
    const key = (privateKey: string, knownHosts?: string) => [
      { type: "ssh", host: "127.0.0.1", privateKey, ...(knownHosts === undefined ? {} : { knownHosts }) } as const,
    ];
    const fetched = await fetchSource({ source, credentials: key(server.key, server.knownHosts) });
    expect(fetched.sentence).toBe("");
    expect(fetched.found).toEqual({ repository: url.replace("root@", ""), context: commits.first });
    expect(fetched.files).toEqual({ "a.txt": "first", "dir/b.txt": "b" });

    const trusting = await fetchSource({ source, credentials: key(server.key) });
    expect(trusting.sentence).toBe("");
    expect(trusting.log).toMatch(/Permanently added '\[127\.0\.0\.1\]:\d+' \(ED25519\) to the list of known hosts/);

    const other = await fetchSource({ source, credentials: key(server.key, server.otherKnownHosts) });
    expect(other.sentence).toBe(
      `The host key of "127.0.0.1:${server.port}" is not the one in known_hosts: somebody may be in between, so "${url.replace("root@", "")}" wasn't fetched; if the host really has a new key, put it into the Secret's known_hosts`,
    );
    const unknown = await fetchSource({ source, credentials: key(server.key, "example.com ssh-ed25519 AAAA\n") });
    expect(unknown.sentence).toContain(`The host key of "127.0.0.1:${server.port}" is not known`);
    for (const credentials of [key(server.otherKey, server.knownHosts), []]) {
      const refused = await fetchSource({ source, credentials });
      expect(refused.sentence).toContain("refuses the Build's ssh key, or there is none");
      expect(refused.exitCode).toBe(1);
    }
    const missing = await fetchSource({
      source: { ...source, url: `${server.url}/none.git` },
      credentials: key(server.key, server.knownHosts),
    });
    expect(missing.sentence).toContain("There is no repository");
  });
});

describe("from this disk", () => {
  test("fetches below the directories that the operator allows, and nowhere else", async () => {
    const source = { type: "git", url: `file://${app.path}`, branch: "next" } as const;
    const fetched = await fetchSource({ source, fileSources: [root()] });
    expect(fetched.sentence).toBe("");
    expect(fetched.files["a.txt"]).toBe("next");
    for (const fileSources of [[], [`${root()}/tea`], [join(dir, "pki")]]) {
      const refused = await fetchSource({ source, fileSources });
      expect(refused.sentence).toContain(
        "only directories may be used that its operator allows: elafros up --allow-file-sources DIR",
      );
    }
  });

  test("runs no hooks of the repository, and none that a source brings", async () => {
    const hooked = await makeRepository(join(dir, "root/hooked.git"));
    await hooked.commit({ a: "a", ".gitattributes": "* filter=evil\n", hooks: "x" });
    await symlink("/bin/false", join(hooked.path, "hooks/post-checkout"));
    await hooked.git("config", "filter.evil.smudge", "false");
    await hooked.git("config", "uploadpack.packObjectsHook", "false");
    const fetched = await fetchSource({ source: { type: "git", url: `file://${hooked.path}` }, fileSources: [root()] });
    expect(fetched.sentence).toBe("");
    expect(fetched.files["a"]).toBe("a");
  });
});
