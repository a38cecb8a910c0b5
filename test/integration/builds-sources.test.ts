/** The source step itself, in its container: `elafros-fetch` with the tools image, uploads, repositories of this disk, and what it must not reach. */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";

import { afterAll, beforeAll, expect, test } from "vitest";

import { packDirectory } from "../../src/lib/source/pack.ts";
import type { BuildSource } from "../../src/runtime/builds.ts";
import { openSourceStore, type SourceStore } from "../../src/runtime/source-store.ts";
import { tarOf } from "../support/archives.ts";
import { type BuildBed, buildBed, buildEnd, buildLog, buildSpec, shellStep, untilTidy } from "../support/builds.ts";
import { makeRepository, type Repository } from "../support/git-repository.ts";

let dir: string;
let bed: BuildBed;
let sources: SourceStore;
let app: Repository;
let commit: string;

beforeAll(async () => {
  dir = await mkdtemp("/var/tmp/elafros-builds-sources-");
  sources = await openSourceStore({ dir: join(dir, "sources"), maxBytes: 64 << 20, reserveBytes: 0 });
  app = await makeRepository(join(dir, "repositories/app.git"));
  const library = await makeRepository(join(dir, "repositories/library.git"));
  const used = await library.commit({ "library.txt": "library" });
  await app.commit({ "hello.txt": "hello" });
  commit = await app.addSubmodule("vendor/library", "../library.git", used);
  bed = await buildBed({
    sourceFile: (namespace, digest) => sources.file(namespace, digest),
    fileSources: [join(dir, "repositories")],
    limits: { sourceBytes: 20 << 20, sourceEntries: 1000 },
  });
});
afterAll(async () => {
  await bed.close();
  await rm(dir, { recursive: true });
});

let built = 0;
async function build(source: BuildSource, script: string, namespace = "default") {
  const key = { namespace, name: `app-${String(++built).padStart(5, "0")}` };
  bed.driver.builds.start(key, buildSpec([shellStep("look", script)], { source }));
  const state = await buildEnd(bed.driver, key);
  return { state, log: (step: string) => buildLog(bed.driver, key, step) };
}

/** Uploads; gives the location. */
async function upload(content: Uint8Array): Promise<string> {
  const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;
  await sources.put("default", digest, Readable.from([content]));
  return `upload:${digest}`;
}

const list = "cd /workspace && find . ! -type d | sort && cat hello.txt; id -u";

test("a directory that was packed and uploaded is the workspace of the steps", async () => {
  const root = join(dir, "project");
  await mkdir(join(root, "bin"), { recursive: true });
  await writeFile(join(root, "hello.txt"), "hello");
  await writeFile(join(root, "bin/run"), "#!/bin/sh\n", { mode: 0o755 });
  const file = join(dir, "project.tar.gz");
  const packed = await packDirectory(root, { file, maxBytes: 1 << 20 });
  const location = await upload(await readFile(file));
  const source: BuildSource = { type: "archive", location };
  const { state, log } = await build(source, `${list}; bin/run && touch written && ls -n bin`);
  expect(state).toMatchObject({ phase: "succeeded", source: { archive: location, context: packed.digest } });
  expect(await log("look")).toMatch(/^\.\/bin\/run\n\.\/hello\.txt\nhello0\n.*-rwxr-xr-x/s);
  expect(await log("source")).toBe(`Unpacking ${packed.digest}\n`);
  await untilTidy(bed.dir);
});

test("a repository of this disk comes with its submodules, and nothing of git", async () => {
  const { state, log } = await build({ type: "git", url: `file://${app.path}`, branch: "main" }, list);
  expect(state.source).toEqual({ repository: `file://${app.path}`, context: commit });
  expect(await log("look")).toBe("./.gitmodules\n./hello.txt\n./vendor/library/library.txt\nhello0\n");
});

test.each([
  [
    "a repository elsewhere on this disk",
    (): BuildSource => ({ type: "git", url: "file:///etc", branch: "main" }),
    'Repository "file:///etc" is on the server\'s own disk, where only directories may be used that its operator allows',
  ],
  [
    "a branch that isn't there",
    (): BuildSource => ({ type: "git", url: `file://${app.path}`, branch: "nope" }),
    'has no branch "nope": correct it, or push it there',
  ],
  [
    "a server on this machine's own loopback",
    (): BuildSource => ({ type: "git", url: "https://127.0.0.1:6443/app", branch: "main" }),
    'Repository "https://127.0.0.1:6443/app" can\'t be reached (',
  ],
  [
    "an archive on a server of this machine",
    (): BuildSource => ({ type: "archive", location: "https://127.0.0.1:6443/app.zip" }),
    'Source "https://127.0.0.1:6443/app.zip" can\'t be downloaded (',
  ],
])("%s is SourceMissing, with what to do", async (_what, source, message) => {
  const { state } = await build(source(), "true");
  expect(state.failure?.reason).toBe("SourceMissing");
  expect(state.failure?.message).toContain(message);
  expect(state.steps[1]).toMatchObject({ phase: "waiting" });
  await untilTidy(bed.dir);
});

test.each([
  ["leads out", () => tarOf([{ name: "../../etc/evil", content: "x" }]), "would be written outside of the source"],
  ["has a link out", () => tarOf([{ name: "l", type: "2", link: "/builder/home" }]), "which leads out of the source"],
  [
    "is too large",
    () => tarOf([{ name: "noise", content: randomBytes(21 << 20) }]),
    "unpacks to more than 20 MiB, the limit of a source",
  ],
  ["is none", () => Buffer.from("hello"), "a zip, tar or tar.gz is needed"],
])("an upload that %s is SourceMissing, and leaves nothing", async (_what, content, message) => {
  const { state } = await build({ type: "archive", location: await upload(content()) }, "true");
  expect(state.failure).toMatchObject({ reason: "SourceMissing", message: expect.stringContaining(message) as string });
  await untilTidy(bed.dir);
});

test("another namespace's upload is not there", async () => {
  const location = await upload(tarOf([{ name: "a", content: "secret" }]));
  const { state } = await build({ type: "archive", location }, "true", "other");
  expect(state.failure).toEqual({
    reason: "SourceMissing",
    message: `Source "${location}" is not here: upload the archive again, as "elafros deploy --source" does`,
  });
});
