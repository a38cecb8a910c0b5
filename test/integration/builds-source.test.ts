/** The source step: the platform's own program brings files into the workspace, in the tools image. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { BuildSource, BuildSpec } from "../../src/runtime/builds.ts";
import { type BuildBed, buildBed, buildEnd, buildLog, buildSpec, shellStep, untilTidy } from "../support/builds.ts";

let bed: BuildBed;
let archive: string;
let digest: string;
let repository: string;
let commit: string;
beforeAll(async () => {
  bed = await buildBed();
  const files = join(bed.dir, "files");
  await mkdir(join(files, "sub"), { recursive: true });
  await writeFile(join(files, "hello.txt"), "hello\n");
  await writeFile(join(files, "sub/run.sh"), "#!/bin/sh\n", { mode: 0o755 });
  archive = join(bed.dir, "upload");
  execFileSync("tar", ["-C", files, "-czf", archive, "."]);
  digest = `sha256:${createHash("sha256")
    .update(await readFile(archive))
    .digest("hex")}`;
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", files, "-c", "user.name=n", "-c", "user.email=e", ...args], { encoding: "utf8" }).trim();
  git("init", "-q", "-b", "main");
  git("add", ".");
  git("commit", "-q", "-m", "first");
  commit = git("rev-parse", "HEAD");
  repository = `file://${files}`;
  const sourceFile = async (namespace: string, wanted: string) =>
    namespace === "default" && wanted === digest ? archive : undefined;
  await bed.restart({ builds: { sourceFile, fileSources: [files] } });
});
afterAll(() => bed.close());

let made = 0;
async function build(source: BuildSource, more: Partial<BuildSpec> = {}, namespace = "default") {
  const key = { namespace, name: `source-${++made}` };
  const list = shellStep("list", "find . -type f -not -path './.git/*' | sort; ls -la /elafros 2>/dev/null || true");
  bed.driver.builds.start(key, buildSpec([list], { source, ...more }));
  const state = await buildEnd(bed.driver, key);
  await untilTidy(bed.dir);
  return { state, log: (step: string) => buildLog(bed.driver, key, step) };
}

test("an upload is unpacked, and its digest is where the source came from", async () => {
  const { state, log } = await build({ type: "archive", location: `upload:${digest}` });
  expect(state.failure).toBeUndefined();
  expect(state.source).toEqual({ archive: `upload:${digest}`, context: digest });
  expect(await log("list")).toBe("./hello.txt\n./sub/run.sh\n");
});

test("a repository of this machine is cloned where its directory is allowed, and nowhere else", async () => {
  const { state, log } = await build({ type: "git", url: repository, branch: "main" });
  expect(state.failure).toBeUndefined();
  expect(state.source).toMatchObject({ repository, context: commit });
  expect(await log("list")).toBe("./hello.txt\n./sub/run.sh\n");
  const other = await build({ type: "git", url: `file://${bed.dir}` });
  expect(other.state.failure?.reason).toBe("SourceMissing");
  expect(other.state.failure?.message).toContain("--allow-file-sources");
});

test("what can't be had is told in the fetching program's own words", async () => {
  const { state } = await build({ type: "git", url: repository, commit: "0123456789012345678901234567890123456789" });
  expect(state.failure?.reason).toBe("SourceMissing");
  expect(state.failure?.message).toContain("0123456789012345678901234567890123456789");
  expect(state.failure?.message).not.toContain("Step");
  expect(state.steps).toMatchObject([{ name: "source", phase: "ended", exitCode: 1 }, { phase: "waiting" }]);
});

test("an upload of another namespace isn't there", async () => {
  const { state } = await build({ type: "archive", location: `upload:${digest}` }, {}, "other");
  expect(state.failure?.message).toContain("is not here: upload the archive again");
});
