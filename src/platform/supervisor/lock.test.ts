import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";

const run = promisify(execFile);
const lock = new URL("./lock.ts", import.meta.url).href;
let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-lock-"));
});
afterEach(() => rm(dir, { recursive: true }));

/** A program that tries to take the directory, prints whether it has, and does more. */
const taking = (more = "") => [
  "--input-type=module",
  "-e",
  `import { lockDirectory } from ${JSON.stringify(lock)}; console.log(lockDirectory(${JSON.stringify(dir)})); ${more}`,
];
const take = async () =>
  (await run(process.execPath, ["--disable-warning=ExperimentalWarning", ...taking()])).stdout.trim();

test("lockDirectory() is one process's, and anybody's after that was killed", async () => {
  const holder = spawn(process.execPath, taking("setInterval(() => {}, 1000);"), {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [line] = (await once(holder.stdout, "data")) as [Buffer];
  expect(line.toString().trim()).toBe("true");
  expect((await stat(join(dir, "lock"))).mode & 0o777).toBe(0o600);
  expect(await take()).toBe("false");
  holder.kill("SIGKILL");
  await once(holder, "exit");
  expect(await take()).toBe("true");
});
