import { expect, test } from "vitest";
import { manualClock, type ManualClock } from "../../test/support/manual-clock.ts";
import type { RevisionEntry, RouteTable } from "../routing/table.ts";
import { Core } from "./core.ts";
import { Indices } from "./indices.ts";
import { Counters, createSharedMemory } from "./memory.ts";
import { NewestTable } from "./newest-table.ts";
import type { Instance, RevisionState, Waiter } from "./state.ts";

const names = { host: "a.x", revision: "x/a-1" };

interface Setup {
  cores: Core[];
  counters: Counters;
  clock: ManualClock;
  said: string[];
  swap: (table: RouteTable) => void;
}

/** Cores of some threads in one thread, with wake-ups delivered at once unless `deaf`. */
function setup({ threads = 1, queueLength = 10, queueBytes = 1_000, deaf = false } = {}): Setup {
  const counters = new Counters(createSharedMemory(threads));
  const indices = new Indices(counters);
  const clock = manualClock();
  const said: string[] = [];
  const cores: Core[] = [];
  for (let thread = 0; thread < threads; thread++) {
    const wake = (other: number): void => void (deaf || queueMicrotask(() => cores[other]?.look()));
    const core = new Core({
      thread,
      counters,
      clock,
      queueLength,
      queueBytes,
      wake,
      demand: (revision) => said.push(`demand ${revision}`),
      idle: (instance) => said.push(`idle ${instance}`),
      hung: (_revision, instance) => said.push(`hung ${instance}`),
      gone: (instance) => said.push(`gone ${instance.id}`),
      ask: (revision) => said.push(`ask ${revision}`),
      returned: (instance) => said.push(`returned ${instance}`),
    });
    cores.push(core);
  }
  const newest = new NewestTable();
  let version = 0;
  const swap = (table: RouteTable): void => {
    const changes = indices.change(newest.replace({ ...table, version: ++version }));
    for (const core of cores) core.change(version, changes);
    for (const id of indices.settled()) said.push(`settled ${id}`);
  };
  return { cores, counters, clock, said, swap };
}

function table(instances: string[], more: Partial<RevisionEntry> = {}): RouteTable {
  return {
    version: 0,
    hosts: { [names.host]: { route: "x/a", targets: [{ revision: names.revision, percent: 100 }] } },
    revisions: {
      [names.revision]: {
        configuration: "x/a",
        protocol: "http1",
        concurrency: 1,
        timeoutMs: 1000,
        instances: instances.map((id) => ({ id, host: "h", port: id.charCodeAt(0) })),
        ...more,
      },
    },
  };
}

function revisionOf(core: Core | undefined): { core: Core; revision: RevisionState } {
  const entry = core?.match(names.host);
  const revision = entry === undefined ? undefined : core?.pick(entry);
  if (core === undefined || revision === undefined) throw new Error("No revision");
  return { core, revision };
}

/** Takes a slot or waits, and writes what happens to `into`. */
function request(
  core: Core | undefined,
  name: string,
  into: string[],
): { instance: Instance | undefined; waiter: Waiter | undefined } {
  const found = revisionOf(core);
  const got: { instance: Instance | undefined; waiter: Waiter | undefined } = {
    instance: undefined,
    waiter: undefined,
  };
  got.instance = found.core.take(found.revision);
  if (got.instance !== undefined) {
    into.push(`${name} ${got.instance.id}`);
    return got;
  }
  got.waiter = {
    ticket: found.core.ticket(),
    bytes: 100,
    granted: (instance) => {
      got.instance = instance;
      into.push(`${name} ${instance.id}`);
    },
    dismissed: () => into.push(`${name} dismissed`),
  };
  if (!found.core.wait(found.revision, got.waiter)) into.push(`${name} full`);
  return got;
}

test("take() prefers the instance with the fewest requests", () => {
  const { cores, swap } = setup();
  swap(table(["a", "b", "c"], { concurrency: 0 }));
  const { core, revision } = revisionOf(cores[0]);
  const taken = Array.from({ length: 9 }, () => core.take(revision)?.id);
  const counts = ["a", "b", "c"].map((id) => taken.filter((one) => one === id).length);
  expect(counts).toEqual([3, 3, 3]);
});

test("wait() serves in the order of arrival over threads, whichever thread frees the slot", async () => {
  const { cores, swap } = setup({ threads: 3 });
  swap(table(["a"]));
  const log: string[] = [];
  const running = [request(cores[0], "r0", log)];
  for (let i = 1; i <= 6; i++) running.push(request(cores[(i * 2) % 3], `r${i}`, log));
  for (const one of running) {
    // The slot's owner gives it back; the wake-up then runs.
    if (one.instance !== undefined)
      cores[running.indexOf(one) === 0 ? 0 : (running.indexOf(one) * 2) % 3]?.release(one.instance);
    await Promise.resolve();
    await Promise.resolve();
  }
  expect(log).toEqual([0, 1, 2, 3, 4, 5, 6].map((i) => `r${i} a`));
});

test("a request doesn't overtake those who wait, though a slot is free", () => {
  const { cores, swap } = setup({ threads: 2, deaf: true });
  swap(table(["a"]));
  const log: string[] = [];
  const first = request(cores[0], "first", log);
  request(cores[1], "waits", log);
  if (first.instance !== undefined) cores[0]?.release(first.instance);
  request(cores[0], "late", log);
  expect(log).toEqual(["first a"]);
  cores[1]?.look();
  expect(log).toEqual(["first a", "waits a"]);
});

test("a wake-up that is lost costs at most 100 ms", async () => {
  const { cores, swap, clock } = setup({ threads: 2, deaf: true });
  swap(table(["a"]));
  const log: string[] = [];
  const first = request(cores[0], "first", log);
  request(cores[1], "waits", log);
  if (first.instance !== undefined) cores[0]?.release(first.instance);
  await clock.advance(100);
  expect(log).toEqual(["first a", "waits a"]);
});

test("the queue is bounded over threads, and a request that gives up makes room", () => {
  const { cores, swap } = setup({ threads: 2, queueLength: 2 });
  swap(table(["a"]));
  const log: string[] = [];
  request(cores[0], "r0", log);
  const one = request(cores[0], "r1", log);
  request(cores[1], "r2", log);
  request(cores[1], "r3", log);
  expect(log).toEqual(["r0 a", "r3 full"]);
  const { core, revision } = revisionOf(cores[0]);
  if (one.waiter !== undefined) core.giveUp(revision, one.waiter);
  request(cores[1], "r4", log);
  expect(log).toEqual(["r0 a", "r3 full"]);
});

test("change() serves those who wait when instances come, and dismisses them when the Revision goes or fails", () => {
  const { cores, swap } = setup();
  swap(table([]));
  const log: string[] = [];
  request(cores[0], "r0", log);
  request(cores[0], "r1", log);
  swap(table(["a"]));
  expect(log).toEqual(["r0 a"]);
  swap({ version: 0, hosts: {}, revisions: {} });
  expect(log).toEqual(["r0 a", "r1 dismissed"]);
  swap(table([]));
  request(cores[0], "r2", log);
  swap(table([], { problem: { reason: "X", message: "" } }));
  expect(log.at(-1)).toBe("r2 dismissed");
});

test("counters of instances that stay are kept over tables, and one that left is idle with its last request", () => {
  const { cores, swap, said, counters } = setup();
  swap(table(["a", "b"], { concurrency: 2 }));
  const log: string[] = [];
  const running = [1, 2, 3, 4].map((i) => request(cores[0], `r${i}`, log).instance);
  swap(table(["b"], { concurrency: 2 }));
  request(cores[0], "r5", log);
  expect(log).toHaveLength(4);
  expect(said).toEqual(["gone a"]);
  const [core] = cores;
  for (const instance of running.filter((one) => one?.id === "a")) if (instance !== undefined) core?.release(instance);
  expect(said).toEqual(["gone a", "idle a"]);
  const b = running.find((one) => one?.id === "b");
  if (b !== undefined) core?.release(b);
  expect(log.at(-1)).toBe("r5 b");
  expect(counters.inFlight(b?.index ?? -1)).toBe(2);
});

test("an instance that refuses is left alone for a time that doubles, up to a second", async () => {
  const { cores, swap, clock } = setup();
  swap(table(["a"], { concurrency: 0 }));
  const { core, revision } = revisionOf(cores[0]);
  const waits: number[] = [];
  for (let i = 0; i < 7; i++) {
    const instance = core.take(revision);
    if (instance === undefined) throw new Error("Not there again");
    core.release(instance);
    core.eject(instance);
    const since = clock.now();
    while (core.take(revision) === undefined) await clock.advance(10);
    core.release(instance);
    waits.push(clock.now() - since);
  }
  expect(waits).toEqual([50, 100, 200, 400, 800, 1000, 1000]);
});

test("lose() keeps the slot until the instance has left the table", () => {
  const { cores, swap, said } = setup();
  swap(table(["a"]));
  const { core, revision } = revisionOf(cores[0]);
  const instance = core.take(revision);
  if (instance === undefined) throw new Error("No slot");
  core.lose(instance);
  expect([said, core.take(revision)]).toEqual([["hung a"], undefined]);
  swap(table(["b"]));
  expect(said).toEqual(["hung a", "gone a", "settled a"]);
});

test("pick() gives each target its percent exactly, over threads", () => {
  const { cores, swap } = setup({ threads: 2 });
  const targets = [90, 9, 1].map((percent, i) => ({ revision: `x/${i}`, percent }));
  const entry: RevisionEntry = { configuration: "x/a", protocol: "http1", concurrency: 0, timeoutMs: 0, instances: [] };
  swap({
    version: 0,
    hosts: { [names.host]: { route: "x/a", targets } },
    revisions: { "x/0": entry, "x/1": entry, "x/2": entry },
  });
  const picked = Array.from({ length: 1000 }, (_, i) => revisionOf(cores[i % 3 === 0 ? 0 : 1]).revision.name);
  for (const start of [0, 1, 37, 99, 500, 900]) {
    const window = picked.slice(start, start + 100);
    expect(["x/0", "x/1", "x/2"].map((name) => window.filter((one) => one === name).length)).toEqual([90, 9, 1]);
  }
});

test("speaksHttp2() tells of hosts from which a request may go to h2c: by the split, at 0 percent, by what it says", () => {
  const { cores, swap } = setup();
  const entry: RevisionEntry = { configuration: "x/a", protocol: "http1", concurrency: 0, timeoutMs: 0, instances: [] };
  const plain = { revision: "x/plain", percent: 100 };
  const revisions = { "x/plain": entry, "x/h2c": { ...entry, protocol: "h2c" as const } };
  const hosts = {
    plain: { route: "x/a", targets: [plain] },
    split: { route: "x/b", targets: [plain, { revision: "x/h2c", percent: 0 }] },
    match: { route: "x/c", targets: [plain], match: [{ revision: "x/h2c", tests: [] }] },
    missing: { route: "x/d", targets: [{ revision: "x/none", percent: 100 }] },
  };
  swap({ version: 0, hosts, revisions });
  const speaking = (): string[] => [...Object.keys(hosts), "other"].filter((host) => cores[0]?.speaksHttp2(host));
  expect(speaking()).toEqual(["split", "match"]);
  swap({ version: 0, hosts, revisions: { ...revisions, "x/h2c": entry } });
  expect(speaking()).toEqual([]);
});

test("while asking, slots come from the next gateway, and each is told when it is free", () => {
  const { cores, swap, said } = setup();
  swap(table(["a", "b"]));
  const log: string[] = [];
  const [core] = cores;
  const held = request(core, "r0", log).instance;
  expect(core?.startAsking()).toEqual({ [held?.id ?? ""]: 1 });
  const waits = request(core, "r1", log);
  expect([log.length, said]).toEqual([1, [`ask ${names.revision}`]]);
  core?.granted(names.revision, "b");
  expect(log[1]).toBe("r1 b");
  if (waits.instance !== undefined) core?.release(waits.instance);
  if (held !== undefined) core?.release(held);
  expect(said.slice(1)).toEqual(["returned b", `returned ${held?.id}`]);
  // Nobody waits any more: it goes back at once.
  core?.granted(names.revision, "a");
  expect(said.at(-1)).toBe("returned a");
  request(core, "r2", log);
  core?.stopAsking();
  expect(log[2]).toMatch(/^r2 /);
});

test("wait() tells that a request waits for a Revision without instances: the first of a queue, and who came first again", () => {
  const { cores, swap, said } = setup();
  swap(table([]));
  const log: string[] = [];
  const first = request(cores[0], "r0", log);
  const second = request(cores[0], "r1", log);
  expect(said).toEqual([`demand ${names.revision}`]);
  expect(cores[0]?.unserved()).toEqual([names.revision]);
  const { core, revision } = revisionOf(cores[0]);
  for (const { waiter } of [first, second]) if (waiter !== undefined) core.giveUp(revision, waiter);
  expect(core.unserved()).toEqual([]);
  request(cores[0], "r2", log);
  expect(said).toEqual([`demand ${names.revision}`, `demand ${names.revision}`]);
  swap(table(["a"]));
  request(cores[0], "r3", log);
  expect([log, said.length]).toEqual([["r2 a"], 2]);
});

test("wait() bounds the memory of those who wait", () => {
  const { cores, swap } = setup({ queueBytes: 250 });
  swap(table(["a"]));
  const log: string[] = [];
  const running = request(cores[0], "r0", log);
  const waits = request(cores[0], "r1", log);
  request(cores[0], "r2", log);
  request(cores[0], "r3", log);
  expect(log).toEqual(["r0 a", "r3 full"]);
  const { core, revision } = revisionOf(cores[0]);
  if (waits.waiter !== undefined) core.giveUp(revision, waits.waiter);
  request(cores[0], "r4", log);
  if (running.instance !== undefined) core.release(running.instance);
  request(cores[0], "r5", log);
  expect(log).toEqual(["r0 a", "r3 full", "r2 a"]);
});

test("report() says what there was to do: how long requests were in flight and waited, how many came, how many wait", async () => {
  const { cores, swap, clock } = setup();
  const [core] = cores;
  swap(table(["a"]));
  const load = (area: number, requests: number, waiting: number) => [
    { revision: names.revision, area, requests, waiting },
  ];
  await clock.advance(1_000);
  expect(core?.report()).toEqual([]);
  const log: string[] = [];
  const first = request(core, "r0", log);
  await clock.advance(250);
  const second = request(core, "r1", log);
  await clock.advance(750);
  expect(core?.report()).toEqual(load(1_750, 2, 1));
  await clock.advance(500);
  if (first.instance !== undefined) core?.release(first.instance);
  await clock.advance(500);
  expect(core?.report()).toEqual(load(1_500, 0, 0));
  await clock.advance(100);
  if (second.instance !== undefined) core?.release(second.instance);
  // Refused by its instance, a request comes again and is one.
  const third = request(core, "r2", log).instance;
  if (third !== undefined) {
    core?.release(third);
    core?.eject(third);
  }
  const again = request(core, "r2", log);
  await clock.advance(900);
  if (again.instance !== undefined) core?.release(again.instance);
  expect(core?.report()).toEqual(load(1_000, 1, 0));
  expect(core?.report()).toEqual([]);
});

test("report() counts who is dismissed no longer", async () => {
  const { cores, swap, clock } = setup();
  swap(table([]));
  request(cores[0], "r0", []);
  swap(table([], { problem: { reason: "X", message: "" } }));
  cores[0]?.report();
  await clock.advance(1_000);
  expect(cores[0]?.report()).toEqual([]);
});

test("match() finds a host by its name, else by the wildcard one label above, if there is any", () => {
  const { cores, swap } = setup();
  const [core] = cores;
  const plain = table(["i"]);
  const [entry] = Object.values(plain.hosts);
  if (core === undefined || entry === undefined) throw new Error("Nothing to test");
  const found = (host: string) => core.match(host)?.entry.route;
  swap(plain);
  expect(found("b.a.x")).toBeUndefined();
  swap({
    ...plain,
    hosts: { ...plain.hosts, "*.a.x": { ...entry, route: "x/wild" }, "own.a.x": { ...entry, route: "x/own" } },
  });
  expect(["a.x", "b.a.x", "own.a.x", "c.b.a.x", "x", "*.a.x.", ""].map(found)).toEqual([
    "x/a",
    "x/wild",
    "x/own",
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});
