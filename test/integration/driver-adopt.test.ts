/** What a new control makes of what the last one left, whenever that one ended. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { mountPoints } from "../../src/runtime/oci/rootfs.ts";
import {
  type DriverBed,
  driverBed,
  eventually,
  instanceSpec,
  logOf,
  shellSpec,
  untilReady,
} from "../support/driver.ts";

const key = { namespace: "default", name: "stay-00001" };
let bed: DriverBed;
beforeEach(async () => {
  bed = await driverBed();
});
afterEach(() => bed.close());

const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
const pidOf = async (id: string) => Number(await readFile(join(bed.dir, "run/mem/i", id, "pid"), "utf8"));

test("a new driver takes over what runs, at once, with its state", async () => {
  bed.driver.scale(key, instanceSpec(), 2);
  const before = (await untilReady(bed.driver, key, 2)).toSorted(byId);
  const pids = await Promise.all(before.map((one) => pidOf(one.id)));
  await bed.restart();
  const state = bed.driver.get(key);
  expect(state?.desired).toBe(2);
  expect(state?.instances.toSorted(byId)).toEqual(before.map((one) => ({ ...one, startedAt: expect.any(Number) })));
  bed.driver.scale(key, instanceSpec(), 2);
  await sleep(200);
  expect(await Promise.all(before.map((one) => pidOf(one.id)))).toEqual(pids);
  expect(bed.driver.get(key)?.instances).toHaveLength(2);
  expect(await logOf(bed.driver, before[0]?.id ?? "")).toContain("serving on 8080");
});

test("what ended while no driver ran is started again, and says why", async () => {
  bed.driver.scale(key, shellSpec("echo so it goes; httpd -p 8080 -h /; sleep 1000"), 1);
  const [before] = await untilReady(bed.driver, key);
  await bed.restart({
    before: async () => {
      process.kill(await pidOf(before?.id ?? ""), "SIGKILL");
      await sleep(300);
    },
  });
  const state = await eventually(bed.driver, key, ({ instances }) => instances[0]?.restarts === 1);
  expect(state.instances[0]).toMatchObject({ id: before?.id, lastExit: { code: 137, message: "so it goes" } });
  const [after] = await untilReady(bed.driver, key);
  expect(after?.address).toEqual(before?.address);
});

test("an ended run that the last driver had no time to take apart doesn't hinder the next start", async () => {
  bed.driver.scale(key, shellSpec("echo so it goes; exit 5"), 1);
  const { instances } = await eventually(bed.driver, key, (state) => (state.instances[0]?.restarts ?? 0) >= 2);
  const id = instances[0]?.id ?? "";
  await bed.restart({
    before: async () => void (await mkdir(join(bed.dir, "run/mem/i", id, "root"), { recursive: true })),
  });
  const restarts = bed.driver.get(key)?.instances[0]?.restarts ?? 0;
  const told = new Set<string | undefined>();
  const end = bed.driver.subscribe(() => told.add(bed.driver.get(key)?.problem?.reason));
  await eventually(bed.driver, key, (state) => (state.instances[0]?.restarts ?? 0) > restarts);
  end();
  expect([...told]).toEqual(["ExitCode"]);
  bed.driver.remove(key);
});

test("a stop that was begun goes on", async () => {
  bed.driver.scale(
    key,
    shellSpec("trap '' TERM; httpd -p 8080 -h /; while :; do sleep 1; done", { terminationGraceMs: 700 }),
    1,
  );
  await untilReady(bed.driver, key);
  bed.driver.remove(key);
  await eventually(bed.driver, key, ({ instances }) => instances[0]?.phase === "stopping");
  await bed.restart();
  await eventually(bed.driver, key, ({ instances }) => instances.length === 0);
});

test("one that waits for its next start goes on waiting, with its problem", async () => {
  bed.driver.scale(key, shellSpec("echo broken; exit 4"), 1);
  const before = await eventually(bed.driver, key, ({ instances }) => (instances[0]?.restarts ?? 0) >= 3);
  await bed.restart();
  const state = bed.driver.get(key);
  expect(state?.problem).toMatchObject({ reason: "ExitCode", code: 4, message: "broken" });
  expect(state?.instances[0]).toMatchObject({ id: before.instances[0]?.id, restarts: 3 });
});

test("after another boot nothing is adopted and nothing is left", async () => {
  bed.driver.scale(key, instanceSpec(), 1);
  const [before] = await untilReady(bed.driver, key);
  const record = join(bed.dir, "run/mem/i", before?.id ?? "", "instance.json");
  await bed.restart({
    before: async () => {
      const old = JSON.parse(await readFile(record, "utf8")) as object;
      await writeFile(record, JSON.stringify({ ...old, bootId: "another" }));
    },
  });
  expect(bed.driver.list()).toEqual([]);
  expect(await readdir(join(bed.dir, "instances"))).toEqual([]);
  bed.driver.scale(key, instanceSpec(), 1);
  expect((await untilReady(bed.driver, key))[0]?.id).not.toBe(before?.id);
});

test("a lost monitor ends the instance, which is started again", async () => {
  bed.driver.scale(key, instanceSpec(), 1);
  const [before] = await untilReady(bed.driver, key);
  process.kill(Number(await readFile(join(bed.dir, "run/mem/i", before?.id ?? "", "monitor.pid"), "utf8")), "SIGKILL");
  const state = await eventually(bed.driver, key, ({ instances }) => instances[0]?.restarts === 1);
  expect(state.instances[0]?.lastExit?.message).toContain("monitor");
  await untilReady(bed.driver, key);
});

test("a driver killed at any moment of starting leaves nothing twice, nothing lost, nothing behind", async () => {
  const count = 3;
  await bed.driver.close();
  const program = join(import.meta.dirname, "../support/driver-child.ts");
  const start = (): ChildProcess =>
    spawn(process.execPath, [program, bed.dir, String(count)], { stdio: ["ignore", "pipe", "inherit"] });
  // Moments over the whole of a start, from the first files to all ready; the child's own start-up comes first.
  for (let moment = 0; moment < 8; moment++) {
    const child = start();
    await new Promise((resolve) => child.stdout?.once("data", resolve)); // the driver is there; the starts begin
    await sleep(moment * 20);
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("exit", resolve));
  }
  await bed.restart();
  const crashed = { namespace: "default", name: "crash-00001" };
  bed.driver.scale(crashed, instanceSpec({ terminationGraceMs: 100 }), count);
  const instances = await untilReady(bed.driver, crashed, count);
  const ids = instances.map((one) => one.id).sort();
  expect((await readdir(join(bed.dir, "instances"))).sort()).toEqual(ids);
  const roots = mountPoints(await readFile("/proc/self/mountinfo", "utf8")).filter((point) =>
    point.startsWith(`${bed.dir}/run/mem/`),
  );
  expect(roots.sort()).toEqual([]);
  expect((await readdir(join(bed.dir, "run/mem/oci"))).map((cid) => cid.replace(/\.\d+$/, "")).sort()).toEqual(ids);
  expect((await readdir(join(bed.dir, "run/network"))).map((name) => name.replace(/^\d+\./, "")).sort()).toEqual(ids);
  const { stdout } = await promisify(execFile)("ps", ["-eo", "args"]);
  expect(stdout.split("\n").filter((line) => line.includes("conmon") && line.includes(bed.dir))).toHaveLength(count);
});
