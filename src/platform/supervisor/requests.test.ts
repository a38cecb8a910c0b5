import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLog } from "../../lib/log.ts";
import { watchRequests } from "./requests.ts";

let dir: string;
let path: string;
let asked: number;
let stop: () => void;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-requests-"));
  path = join(dir, "replace");
  asked = 0;
  stop = () => {};
});
afterEach(async () => {
  stop();
  await rm(dir, { recursive: true });
});

const watch = (): void => {
  stop = watchRequests(path, { asked: () => (asked += 1), log: silentLog });
};

test("each file is one request, taken away, also one that was there before", async () => {
  await writeFile(path, "");
  watch();
  await expect.poll(() => asked).toBe(1);
  expect(existsSync(path)).toBe(false);
  await writeFile(join(dir, "other"), "");
  await writeFile(path, "");
  await expect.poll(() => asked).toBe(2);
  expect(existsSync(path)).toBe(false);
});

test("what can't be taken away asks for nothing", async () => {
  await mkdir(join(path, "full"), { recursive: true });
  watch();
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(asked).toBe(0);
});
