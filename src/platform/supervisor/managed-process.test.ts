import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLog } from "../../lib/log.ts";
import { endProcess, identifyProcess, isRunning } from "../../lib/process.ts";
import { type PlatformPaths, platformPaths } from "../config.ts";
import { ManagedProcess, type ProcessSpec } from "./managed-process.ts";
import { type ProcessRecord, readRecord, runningUnder, writeRecord } from "./records.ts";

let dir: string;
let paths: PlatformPaths;
const all: ManagedProcess[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-managed-"));
  paths = platformPaths(dir);
  await mkdir(paths.run);
});
afterEach(async () => {
  await Promise.all(all.splice(0).map((each) => each.stop()));
  await rm(dir, { recursive: true });
});

/** A shell script under management; one that serves until SIGTERM unless given. */
function manage(script = "echo '{}'; exec sleep 1000", change: Partial<ProcessSpec> = {}): ManagedProcess {
  const managed = new ManagedProcess(
    {
      name: "gateway",
      version: "1",
      command: "/bin/sh",
      args: () => ["-c", script],
      fds: [],
      saysReady: true,
      graceMs: 5_000,
      logFile: join(paths.logs, "gateway.log"),
      ...change,
    },
    paths,
    silentLog,
  );
  all.push(managed);
  return managed;
}

const record = () => readRecord(paths, "gateway");
const log = () => readFile(join(paths.logs, "gateway.log"), "utf8");

/** The record of a process that serves and isn't the one before. */
async function next(before?: ProcessRecord): Promise<ProcessRecord> {
  let found: ProcessRecord | undefined;
  await expect
    .poll(
      async () => {
        found = await record();
        return found !== undefined && found.starting !== true && found.pid !== before?.pid && (await isRunning(found));
      },
      { interval: 10 },
    )
    .toBe(true);
  if (found === undefined) throw new Error("No record");
  return found;
}

test("start() waits until the process serves, and records it", async () => {
  const go = join(dir, "go");
  const starting = manage(`until [ -e ${go} ]; do sleep 0.01; done; echo '{}'; exec sleep 1000`).start();
  await expect.poll(record).toMatchObject({ name: "gateway", starting: true });
  await writeFile(go, "");
  await starting;
  const found = await next();
  expect(found).toMatchObject({ name: "gateway", version: "1" });
  expect(found.starting).toBeUndefined();
});

test("start() gives the process its directory, its environment and its descriptors, and no other", async () => {
  const script = `pwd >&2; echo "$A-\${HOME:-none}" >&2; cat <&3 >&2; echo '{}'; exec sleep 1000`;
  const file = join(dir, "descriptor");
  await writeFile(file, "from descriptor 3\n");
  const handle = await open(file, "r");
  await manage(script, { cwd: dir, env: { A: "b" }, fds: [handle.fd] }).start();
  await handle.close();
  expect(await log()).toBe(`${dir}\nb-none\nfrom descriptor 3\n`);
});

test("start() fails with what the process says, or how it ended, and leaves no record", async () => {
  const says = `echo '{"error":"the port is taken"}'; exit 1`;
  await expect(manage(says).start()).rejects.toThrow(
    `Process "gateway" did not start: the port is taken; see ${join(paths.logs, "gateway.log")}`,
  );
  await expect(manage("exit 3").start()).rejects.toThrow("it ended with code 3");
  await expect(manage("", { command: join(dir, "none") }).start()).rejects.toThrow("ENOENT");
  expect(await record()).toBeUndefined();
});

test("a process that ends is started again, also one whose start fails a few times", async () => {
  const count = join(dir, "count");
  // The second and third of its starts fail.
  const script = `echo x >> ${count}; n=$(wc -l < ${count}); [ $n -eq 2 ] || [ $n -eq 3 ] && exit 1; echo '{}'; exec sleep 1000`;
  await manage(script).start();
  const first = await next();
  process.kill(first.pid, "SIGKILL");
  await next(first);
  expect((await readFile(count, "utf8")).length).toBe(8);
});

test("start() takes over one that runs already, and starts it again when that ends", async () => {
  const left = spawn("sleep", ["1000"], { stdio: "ignore", detached: true });
  const identity = await identifyProcess(left.pid ?? 0);
  if (identity === undefined) throw new Error("It doesn't run");
  await writeRecord(paths, { ...identity, name: "gateway", since: "2026-01-01T00:00:00Z", version: "0" });
  await manage().start();
  const before = await next();
  expect(before).toMatchObject({ pid: left.pid, version: "0" });
  left.kill("SIGKILL");
  expect(await next(before)).toMatchObject({ version: "1" });
});

test("start() takes no other process for its own, whose pid is the same", async () => {
  const other = await identifyProcess(process.pid);
  if (other === undefined) throw new Error("This process doesn't run");
  await writeRecord(paths, { ...other, startTicks: "1", name: "gateway", since: "2026-01-01T00:00:00Z", version: "0" });
  await manage().start();
  expect((await next()).pid).not.toBe(process.pid);
});

test("replace() ends the one before only when the next one serves", async () => {
  const go = join(dir, "go");
  const managed = manage(
    `[ -e ${dir}/first ] && until [ -e ${go} ]; do sleep 0.01; done; touch ${dir}/first; echo '{}'; exec sleep 1000`,
  );
  await managed.start();
  const before = await next();
  const replaced = managed.replace();
  await expect.poll(() => runningUnder(paths, "gateway")).toHaveLength(2);
  expect(await isRunning(before)).toBe(true);
  await writeFile(go, "");
  await replaced;
  await expect.poll(() => isRunning(before)).toBe(false);
  expect(await runningUnder(paths, "gateway")).toMatchObject([{ pid: (await next(before)).pid }]);
});

const slow = "trap '' TERM; echo '{}'; while :; do sleep 0.05; done";

test("replace() gives the one before its time, and stop() no more than others", async () => {
  const managed = manage(slow, { graceMs: 100, replacedGraceMs: 3_600_000 });
  await managed.start();
  const before = await next();
  await managed.replace();
  await expect.poll(record).toMatchObject({ beside: [{ pid: before.pid, ending: true }] });
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(await isRunning(before)).toBe(true);
  await managed.stop();
  expect(await isRunning(before)).toBe(false);
});

test("start() doesn't ask again what an earlier supervisor asked to end: it would drop what it has", async () => {
  const asked = join(dir, "asked");
  const child = spawn("/bin/sh", ["-c", `trap 'echo x >> ${asked}' TERM; while :; do sleep 0.05; done`]);
  const left = await identifyProcess(child.pid ?? 0);
  if (left === undefined) throw new Error("It doesn't run");
  const about = { name: "gateway" as const, since: "2026-01-01T00:00:00Z", version: "0" };
  const beside = [{ ...left, ending: true as const }];
  await writeRecord(paths, { ...left, ...about, startTicks: "1", beside });
  const managed = manage(undefined, { graceMs: 100, replacedGraceMs: 3_600_000 });
  await managed.start();
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(await isRunning(left)).toBe(true);
  await managed.stop();
  expect(await isRunning(left)).toBe(false);
  await expect(readFile(asked)).rejects.toThrow("ENOENT");
});

test("release() starts nothing again, and resume() what ended meanwhile", async () => {
  const managed = manage();
  await managed.start();
  const before = await next();
  await managed.release();
  await endProcess(before, 0);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect((await record())?.pid).toBe(before.pid);
  await managed.resume();
  expect((await next(before)).pid).not.toBe(before.pid);
});

test("resume() looks after what another supervisor started meanwhile", async () => {
  const managed = manage();
  await managed.start();
  const before = await next();
  await managed.release();
  const other = manage();
  await other.start();
  await other.restart();
  const between = await next(before);
  await other.release();
  await managed.resume();
  await endProcess(between, 0);
  expect((await next(between)).pid).not.toBe(between.pid);
});

test("resume() looks after one again that it had taken over itself", async () => {
  const first = manage();
  await first.start();
  const before = await next();
  await first.release();
  const managed = manage();
  await managed.start();
  await managed.release();
  // So that it has looked meanwhile, and seen that it is another's.
  await new Promise((resolve) => setTimeout(resolve, 200));
  await managed.resume();
  await endProcess(before, 0);
  expect((await next(before)).pid).not.toBe(before.pid);
});

test("resume() ends what another supervisor only began to start", async () => {
  const managed = manage();
  await managed.start();
  const before = await next();
  await managed.release();
  await endProcess(before, 0);
  const begun = spawn("sleep", ["1000"]);
  const ended = once(begun, "exit");
  const identity = await identifyProcess(begun.pid ?? 0);
  if (identity === undefined) throw new Error("It doesn't run");
  await writeRecord(paths, { ...identity, name: "gateway", since: before.since, version: "2", starting: true });
  await managed.resume();
  await ended;
  expect((await next(before)).pid).not.toBe(begun.pid);
});

test("replace() and restart() leave alone what another supervisor looks after", async () => {
  const managed = manage();
  await managed.start();
  const before = await next();
  await managed.release();
  await expect(managed.replace()).rejects.toThrow('Another supervisor looks after "gateway" now');
  await expect(managed.restart()).rejects.toThrow('Another supervisor looks after "gateway" now');
  expect(await isRunning(before)).toBe(true);
  await managed.resume();
});

test("replaceAsked() replaces at once, and asks each start for its arguments", async () => {
  let starts = 0;
  const managed = manage(undefined, {
    args: () => ["-c", `echo ${++starts} >> ${dir}/starts; echo '{}'; exec sleep 1000`],
  });
  await managed.start();
  const before = await next();
  managed.replaceAsked();
  await next(before);
  expect(await readFile(join(dir, "starts"), "utf8")).toBe("1\n2\n");
});

test("replace() keeps the one before where the next one doesn't start", async () => {
  const managed = manage(`[ -e ${dir}/first ] && exit 1; touch ${dir}/first; echo '{}'; exec sleep 1000`);
  await managed.start();
  const before = await next();
  await expect(managed.replace()).rejects.toThrow("it ended with code 1");
  expect(await isRunning(before)).toBe(true);
  expect((await record())?.pid).toBe(before.pid);
});

test("restart() has never two at once", async () => {
  const managed = manage(
    `mkdir ${dir}/only || exit 1; trap 'kill $!; rmdir ${dir}/only; exit 0' TERM; sleep 1000 & echo '{}'; wait`,
  );
  await managed.start();
  const before = await next();
  await managed.restart();
  expect((await next(before)).pid).not.toBe(before.pid);
});

test("stop() ends it for good, by SIGKILL where it must, and removes the record", async () => {
  const managed = manage("trap '' TERM; echo '{}'; while :; do sleep 0.05; done", { graceMs: 100 });
  await managed.start();
  const running = await next();
  await managed.stop();
  expect(await isRunning(running)).toBe(false);
  expect(await record()).toBeUndefined();
});

test("stop() ends one that is just starting, and nothing starts it again", async () => {
  const managed = manage("exec sleep 1000");
  const starting = managed.start();
  const failed = expect(starting).rejects.toThrow("did not start");
  await expect.poll(record).toMatchObject({ starting: true });
  const [running] = await runningUnder(paths, "gateway");
  await managed.stop();
  await failed;
  if (running === undefined) throw new Error("It never ran");
  expect(await isRunning(running)).toBe(false);
  expect(await record()).toBeUndefined();
});

test("start() ends what an earlier supervisor was replacing it with", async () => {
  const [current, beside] = [spawn("sleep", ["1000"]), spawn("sleep", ["1000"])];
  const [own, left] = await Promise.all([current, beside].map((child) => identifyProcess(child.pid ?? 0)));
  if (own === undefined || left === undefined) throw new Error("They don't run");
  await writeRecord(paths, { ...own, name: "gateway", since: "2026-01-01T00:00:00Z", version: "0", beside: [left] });
  const ended = once(beside, "exit");
  await manage().start();
  await ended;
  expect(await isRunning(own)).toBe(true);
  await endProcess(own, 0);
});
