import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { SourceMemory } from "../memory.ts";
import { gitView } from "./git-view.ts";
import { locateSource } from "./locate.ts";
import { findCommit, parseRefs, pinCommit } from "./pin-git.ts";
import { prepareSource } from "./prepare.ts";

const signal = new AbortController().signal;

async function directory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "elafros-cli-source-"));
  onTestFinished(() => rm(path, { recursive: true }));
  return path;
}

function git(cwd: string, ...words: string[]): string {
  const who = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"];
  return execFileSync("git", [...who, ...words], { cwd, encoding: "utf8" }).trim();
}

/** A repository with the branches `main` and `dev` and the annotated tag `v1`. */
async function repository() {
  const path = await directory();
  git(path, "init", "-q");
  await writeFile(join(path, "index.html"), "<h1>1</h1>");
  await mkdir(join(path, "ä b"));
  await writeFile(join(path, "ä b", "x.txt"), "x");
  git(path, "add", ".");
  git(path, "commit", "-q", "-m", "one");
  git(path, "tag", "-a", "v1", "-m", "one");
  const first = git(path, "rev-parse", "HEAD");
  await writeFile(join(path, "index.html"), "<h1>2</h1>");
  git(path, "commit", "-q", "-a", "-m", "two");
  git(path, "branch", "dev");
  return { path, first, second: git(path, "rev-parse", "HEAD") };
}

async function archiveOf(files: Record<string, string | Buffer>): Promise<{ path: string; digest: string }> {
  const place = await directory();
  for (const [name, text] of Object.entries(files)) await writeFile(join(place, name), text);
  execFileSync("tar", ["-czf", "a.tar.gz", ...Object.keys(files)], { cwd: place });
  const path = join(place, "a.tar.gz");
  return {
    path,
    digest: createHash("sha256")
      .update(await readFile(path))
      .digest("hex"),
  };
}

async function served(answer: { status: number; body: Buffer }): Promise<string> {
  const server = createServer((_request, response) => response.writeHead(answer.status).end(answer.body));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("locateSource", () => {
  it("locateSource() takes what is there for what it is, and then URLs", async () => {
    const cwd = await directory();
    await mkdir(join(cwd, "host:app"));
    await writeFile(join(cwd, "a.zip"), "");
    expect(await locateSource(".", cwd)).toEqual({ type: "directory", path: cwd });
    expect(await locateSource("host:app", cwd)).toEqual({ type: "directory", path: join(cwd, "host:app") });
    expect(await locateSource("a.zip", cwd)).toEqual({ type: "archive", path: join(cwd, "a.zip") });
    expect(await locateSource(`file://${cwd}`, "/")).toEqual({ type: "directory", path: cwd });
    expect(await locateSource("https://example.com/a/b.git#v2", cwd)).toEqual({
      type: "git",
      url: "https://example.com/a/b.git",
      shown: "https://example.com/a/b.git",
      at: "v2",
    });
    expect(await locateSource("git@example.com:a/b", cwd)).toMatchObject({ type: "git", url: "git@example.com:a/b" });
    expect(await locateSource("https://example.com/a.tar.gz", cwd)).toEqual({
      type: "url",
      url: "https://example.com/a.tar.gz",
    });
  });

  it.each([
    ["nothing", /--source "nothing" isn't there: give a directory/],
    ["file:///nothing", /isn't there/],
    ["file:///tmp#main", /working copy is deployed as it is: check "main" out there/],
    ["ftp://example.com/a.zip", /is no location of a source/],
    ["https://user:secret@example.com/a.git", /holds a password/],
    ["/dev/null", /neither a directory nor a file/],
  ])("locateSource() refuses %s with the way out", async (text, message) => {
    await expect(locateSource(text, "/tmp")).rejects.toThrow(message);
  });
});

describe("pinCommit", () => {
  it("pinCommit() finds HEAD, branches, tags behind their objects, refs and commits", async () => {
    const { path, first, second } = await repository();
    const run = { shown: path, cwd: "/", env: process.env, signal };
    expect(await pinCommit(path, undefined, run)).toBe(second);
    expect(await pinCommit(path, "dev", run)).toBe(second);
    expect(await pinCommit(path, "v1", run)).toBe(first);
    expect(await pinCommit(path, "refs/heads/main", run)).toBe(second);
    expect(await pinCommit("/nowhere", first, run)).toBe(first);
    await expect(pinCommit(path, "v2", run)).rejects.toThrow(
      /has no branch, tag or commit "v2": it has dev, main, v1$/,
    );
    await expect(pinCommit(path, first.slice(0, 8), run)).rejects.toThrow(/must be given with all its digits$/);
  });

  it("pinCommit() says why a repository can't be read", async () => {
    const empty = await directory();
    git(empty, "init", "-q");
    const run = { shown: "x", cwd: "/", env: process.env, signal };
    await expect(pinCommit(empty, undefined, run)).rejects.toThrow('The repository "x" is empty');
    await expect(pinCommit("/nowhere", undefined, run)).rejects.toThrow(
      /^Cannot read the repository "x": .*does not (exist|appear)/,
    );
    await expect(pinCommit(empty, undefined, { ...run, env: { PATH: "/nowhere" } })).rejects.toThrow(
      "there is no git on this machine",
    );
    const url = await served({ status: 401, body: Buffer.from("") });
    await expect(pinCommit(`${url}/a.git`, undefined, run)).rejects.toThrow(/Cannot read the repository "x": /);
  });

  it("findCommit() prefers branches, then what a tag leads to", () => {
    const [a, b, c] = ["a", "b", "c"].map((digit) => digit.repeat(40));
    const refs = parseRefs(
      `${a}\tHEAD\n${a}\trefs/tags/x\n${b}\trefs/tags/x^{}\n${c}\trefs/heads/y\n${a}\trefs/tags/y\nnonsense\n`,
    );
    expect([findCommit(refs, "x"), findCommit(refs, "y"), findCommit(refs, "z")]).toEqual([b, c, undefined]);
  });
});

describe("gitView", () => {
  it("gitView() shows a commit's files, without its history and links", async () => {
    const { path, first } = await repository();
    git(path, "checkout", "-q", "-b", "links", first);
    execFileSync("ln", ["-s", "index.html", join(path, "link")]);
    git(path, "add", ".");
    git(path, "commit", "-q", "-m", "link");
    const run = { shown: path, cwd: "/", env: process.env, signal };
    const view = await gitView(`file://${path}`, git(path, "rev-parse", "HEAD"), { directory: await directory(), run });
    expect(view.files).toEqual(["index.html", "ä b/x.txt"]);
    expect(await view.read("ä b/x.txt")).toBe("x");
    expect(await view.read("link")).toBeUndefined();
    expect(await view.read("index.html")).toBe("<h1>1</h1>");
  });
});

describe("prepareSource", () => {
  const prepare = async (source: SourceMemory, cwd: string) => {
    const prepared = await prepareSource(source, { cwd, env: process.env, signal });
    onTestFinished(() => prepared[Symbol.asyncDispose]());
    return prepared;
  };

  it("prepareSource() sends an archive as it is", async () => {
    const { path, digest } = await archiveOf({ "index.html": "x" });
    const { spec, archive, detection, git: facts } = await prepare({ source: path }, "/");
    expect(spec).toEqual({ gcs: { location: `upload:sha256:${digest}`, type: "archive" } });
    expect(archive).toMatchObject({ digest: `sha256:${digest}`, file: path });
    expect(detection?.template).toBe("static");
    expect(facts).toBeUndefined();
  });

  it("prepareSource() pins an archive elsewhere by its digest, and looks into it", async () => {
    const { path, digest } = await archiveOf({ "index.html": "x", big: randomBytes(300_000) });
    const url = await served({ status: 200, body: await readFile(path) });
    const { spec, archive, detection } = await prepare({ source: `${url}/a.tar.gz` }, "/");
    expect(spec).toEqual({ gcs: { location: `${url}/a.tar.gz#sha256=${digest}`, type: "archive" } });
    expect(archive).toBeUndefined();
    expect(detection?.template).toBe("static");
    const other = "0".repeat(64);
    await expect(prepare({ source: `${url}/a.tar.gz#sha256=${other}` }, "/")).rejects.toThrow(
      `has the digest ${digest}, and #sha256=${other} was asked for`,
    );
  });

  it("prepareSource() says why an archive elsewhere can't be had", async () => {
    const url = await served({ status: 404, body: Buffer.from("") });
    await expect(prepare({ source: `${url}/a.zip` }, "/")).rejects.toThrow(
      `Cannot fetch the source "${url}/a.zip": it was answered with HTTP 404 Not Found`,
    );
    await expect(prepare({ source: "http://127.0.0.1:1/a.zip" }, "/")).rejects.toThrow(
      /a\.zip": .*(ECONNREFUSED|bad port)/,
    );
  });

  it("prepareSource() looks at nothing where the template is named, and leaves nothing behind", async () => {
    const cwd = await directory();
    const place = await directory();
    await writeFile(join(cwd, "x"), "");
    const env = { ...process.env, TMPDIR: place };
    const prepared = await prepareSource({ source: ".", template: "mine" }, { cwd, env, signal });
    expect(prepared.detection).toBeUndefined();
    expect(await readdir(place)).toHaveLength(1);
    await prepared[Symbol.asyncDispose]();
    await expect(prepareSource({ source: "." }, { cwd, env, signal })).rejects.toThrow("Cannot tell how to build");
    expect(await readdir(place)).toEqual([]);
  });
});
