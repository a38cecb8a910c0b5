import { closeSync, writeSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openAccessLog } from "./access-log.ts";
import { wholeConfig } from "./defaults.ts";

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-open-log-"));
  await mkdir(join(dir, "logs"));
});
afterEach(() => rm(dir, { recursive: true }));

const open = (accessLog: string) => openAccessLog(wholeConfig(dir, undefined, { accessLog }));

test("openAccessLog() opens none unless it is told where", () => {
  expect(openAccessLog(wholeConfig(dir, undefined, {}))).toBeUndefined();
  expect(open("none")).toBeUndefined();
});

test.each([
  ["-", "logs/access.log"],
  ["own.log", "own.log"],
])("openAccessLog() appends to what is there, and makes what isn't for its owner alone: %s", async (given, file) => {
  const path = join(dir, file);
  for (const line of ["one\n", "two\n"]) {
    const log = open(given === "-" ? given : join(dir, given));
    expect(log?.path).toBe(path);
    writeSync(log?.fd ?? -1, line);
    closeSync(log?.fd ?? -1);
  }
  expect(await readFile(path, "utf8")).toBe("one\ntwo\n");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test("openAccessLog() refuses what is no file of its own, with a sentence", async () => {
  await writeFile(join(dir, "file"), "");
  await symlink(join(dir, "file"), join(dir, "link"));
  for (const wrong of ["missing/log", "link", "logs", "file/log"]) {
    expect(() => open(join(dir, wrong)), wrong).toThrow(
      /^Cannot write the access log ".*": .*; give --access-log a file in a directory that exists, or none$/,
    );
  }
});
