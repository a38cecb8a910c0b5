/** What stands by at zero: the next instance prepared up to its start, or the last one frozen. */
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { InstanceState, WorkloadKey } from "../../src/runtime/workloads.ts";
import { type DriverBed, driverBed, eventually, instanceSpec, shellSpec, untilReady } from "../support/driver.ts";

let bed: DriverBed;
let made = 0;

beforeAll(async () => {
  bed = await driverBed({ limits: { prepared: 2 } });
});
afterAll(async () => bed.close());

async function get(instance: InstanceState | undefined): Promise<string> {
  const { host, port } = instance?.address ?? { host: "nowhere", port: 0 };
  return (await fetch(`http://${host}:${port}/`)).text();
}

const newKey = (): WorkloadKey => ({ namespace: "standby", name: `app-${++made}` });
const phases = (key: WorkloadKey): string[] => bed.driver.get(key)?.instances.map(({ phase }) => phase) ?? [];

async function only(key: WorkloadKey, phase: string): Promise<InstanceState> {
  const state = await eventually(
    bed.driver,
    key,
    // With an address, so that all of it is made.
    ({ instances }) => instances.length === 1 && instances[0]?.phase === phase && instances[0].address !== undefined,
  );
  const [instance] = state.instances;
  if (instance === undefined) throw new Error("No instance");
  return instance;
}

/** An app that counts the tenths of seconds that it was alive. */
const counting = shellSpec(
  "mkdir /www; i=0; echo 0 > /www/index.html; httpd -f -p 8080 -h /www & while :; do i=$((i+1)); echo $i > /www/index.html; sleep 0.1; done",
  { terminationGraceMs: 2_000 },
);

test("the next instance is prepared as the last one goes, and only started when it is wanted", async () => {
  const key = newKey();
  bed.driver.scale(key, instanceSpec(), 1);
  const [first] = await untilReady(bed.driver, key);
  bed.driver.scale(key, instanceSpec(), 0, "prepared");
  const prepared = await only(key, "prepared");
  expect(prepared.id).not.toBe(first?.id);
  expect(prepared.startedAt).toBeUndefined();
  // Nothing of it answers yet: its program isn't started.
  await expect(get(prepared)).rejects.toThrow();
  bed.driver.scale(key, instanceSpec(), 1, "prepared");
  const [woken] = await untilReady(bed.driver, key);
  expect(woken?.id).toBe(prepared.id);
  expect(await get(woken)).toBe("hello\n");
  bed.driver.remove(key);
  await eventually(bed.driver, key, ({ instances }) => instances.length === 0);
});

test("with another spec another is prepared, and with none it goes", async () => {
  const key = newKey();
  const changed = instanceSpec({
    env: [
      { name: "PORT", value: "8080" },
      { name: "GREETING", value: "changed" },
    ],
  });
  bed.driver.scale(key, instanceSpec(), 1);
  await untilReady(bed.driver, key);
  bed.driver.scale(key, instanceSpec(), 0, "prepared");
  const before = await only(key, "prepared");
  bed.driver.scale(key, changed, 0, "prepared");
  await eventually(bed.driver, key, ({ instances }) => instances.length === 1 && instances[0]?.id !== before.id);
  bed.driver.scale(key, changed, 1, "prepared");
  const [woken] = await untilReady(bed.driver, key);
  expect(await get(woken)).toBe("changed\n");
  bed.driver.scale(key, changed, 0, "none");
  await eventually(bed.driver, key, ({ instances }) => instances.length === 0);
});

test("so many are prepared, of the workloads that were used last", async () => {
  const keys = [newKey(), newKey(), newKey()];
  for (const key of keys) bed.driver.scale(key, instanceSpec(), 1);
  for (const key of keys) await untilReady(bed.driver, key);
  for (const key of keys) {
    bed.driver.scale(key, instanceSpec(), 0, "prepared");
    await only(key, "prepared");
  }
  const [first, second, third] = keys;
  if (first === undefined || second === undefined || third === undefined) throw new Error("No keys");
  await eventually(bed.driver, first, ({ instances }) => instances.length === 0);
  expect([phases(second), phases(third)]).toEqual([["prepared"], ["prepared"]]);
  for (const key of keys) bed.driver.remove(key);
  for (const key of keys) await eventually(bed.driver, key, ({ instances }) => instances.length === 0);
});

test("what is prepared goes with control, and the next control makes none before one was used", async () => {
  const key = newKey();
  bed.driver.scale(key, instanceSpec(), 1);
  await untilReady(bed.driver, key);
  bed.driver.scale(key, instanceSpec(), 0, "prepared");
  await only(key, "prepared");
  await bed.restart();
  expect(bed.driver.get(key)).toBeUndefined();
  bed.driver.scale(key, instanceSpec(), 0, "prepared");
  bed.driver.scale(key, instanceSpec(), 1, "prepared");
  await untilReady(bed.driver, key);
  bed.driver.remove(key);
  await eventually(bed.driver, key, ({ instances }) => instances.length === 0);
});

test("what was prepared and has ended meanwhile is made anew, and nobody notices", async () => {
  const key = newKey();
  bed.driver.scale(key, instanceSpec(), 1);
  await untilReady(bed.driver, key);
  bed.driver.scale(key, instanceSpec(), 0, "prepared");
  const { id } = await only(key, "prepared");
  const pid = Number(await readFile(`${bed.dir}/run/mem/i/${id}/pid`, "utf8"));
  process.kill(pid, "SIGKILL");
  bed.driver.scale(key, instanceSpec(), 1, "prepared");
  await untilReady(bed.driver, key);
  expect(bed.driver.get(key)?.problem).toBeUndefined();
  bed.driver.remove(key);
  await eventually(bed.driver, key, ({ instances }) => instances.length === 0);
});

test("the last instance is drained and frozen: it stands still, keeps what it had, and goes on", async () => {
  const key = newKey();
  bed.driver.scale(key, counting, 1);
  const [first] = await untilReady(bed.driver, key);
  bed.driver.scale(key, counting, 0, "frozen");
  const frozen = await only(key, "frozen");
  expect(frozen.id).toBe(first?.id);
  expect(bed.drained).toContain(frozen.id);
  await sleep(1_500);
  const began = performance.now();
  bed.driver.scale(key, counting, 1, "frozen");
  const [woken] = await untilReady(bed.driver, key);
  process.stderr.write(`thawed in ${(performance.now() - began).toFixed(1)} ms\n`);
  expect([woken?.id, woken?.restarts]).toEqual([first?.id, 0]);
  const count = Number(await get(woken));
  const aliveFor = (Date.now() - (woken?.startedAt ?? 0)) / 100;
  // It lost the time in which it stood still.
  expect(count).toBeLessThan(aliveFor - 12);
  bed.driver.remove(key);
  await eventually(bed.driver, key, ({ instances }) => instances.length === 0);
});

test("a frozen instance is thawed before it is told to end, so that it can end by itself", async () => {
  const key = newKey();
  const polite = shellSpec(
    "trap 'echo bye > /dev/termination-log; exit 0' TERM; httpd -p 8080 -h /; while :; do sleep 0.05; done",
    {
      terminationGraceMs: 60_000,
    },
  );
  bed.driver.scale(key, polite, 1);
  await untilReady(bed.driver, key);
  bed.driver.scale(key, polite, 0, "frozen");
  await only(key, "frozen");
  const began = performance.now();
  bed.driver.scale(key, polite, 0, "none");
  await eventually(bed.driver, key, ({ instances }) => instances.length === 0);
  expect(performance.now() - began).toBeLessThan(30_000);
  bed.driver.remove(key);
});

test("a frozen instance outlives control, and the next control lets it go on", async () => {
  const key = newKey();
  bed.driver.scale(key, counting, 1);
  const [first] = await untilReady(bed.driver, key);
  bed.driver.scale(key, counting, 0, "frozen");
  await only(key, "frozen");
  await bed.restart();
  expect([phases(key), bed.driver.get(key)?.desired]).toEqual([["frozen"], 0]);
  bed.driver.scale(key, counting, 0, "frozen");
  await sleep(200);
  expect(phases(key)).toEqual(["frozen"]);
  bed.driver.scale(key, counting, 1, "frozen");
  expect((await untilReady(bed.driver, key))[0]?.id).toBe(first?.id);
  bed.driver.remove(key);
  await eventually(bed.driver, key, ({ instances }) => instances.length === 0);
});

test("a request that comes while it is being drained keeps it", async () => {
  const key = newKey();
  bed.driver.scale(key, counting, 1);
  const [first] = await untilReady(bed.driver, key);
  bed.driver.scale(key, counting, 0, "frozen");
  bed.driver.scale(key, counting, 1, "frozen");
  const [after] = await untilReady(bed.driver, key);
  expect(after?.id).toBe(first?.id);
  bed.driver.remove(key);
  await eventually(bed.driver, key, ({ instances }) => instances.length === 0);
});

test("what stands by goes with all others when the driver stops everything", async () => {
  const frozen = newKey();
  const prepared = newKey();
  bed.driver.scale(frozen, counting, 1);
  bed.driver.scale(prepared, instanceSpec(), 1);
  for (const key of [frozen, prepared]) await untilReady(bed.driver, key);
  bed.driver.scale(frozen, counting, 0, "frozen");
  bed.driver.scale(prepared, instanceSpec(), 0, "prepared");
  await only(frozen, "frozen");
  await only(prepared, "prepared");
  await bed.driver.stopAll(1_000);
  expect([phases(frozen), phases(prepared)]).toEqual([[], []]);
  // Closing the bed shows that nothing is left of them on the machine.
});
