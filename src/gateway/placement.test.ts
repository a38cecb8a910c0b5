import { expect, test } from "vitest";
import { manualClock, type ManualClock } from "../../test/support/manual-clock.ts";
import type { RevisionEntry } from "../routing/table.ts";
import { Core } from "./core.ts";
import { Indices } from "./indices.ts";
import { Counters, createSharedMemory } from "./memory.ts";
import { NewestTable } from "./newest-table.ts";
import { defaultLimits } from "./options.ts";
import { Placement } from "./placement.ts";
import type { Instance } from "./state.ts";

interface Setup {
  core: Core;
  clock: ManualClock;
  swap: (entry: Partial<RevisionEntry> | undefined, targets?: number, guard?: { slowMs: number }) => void;
  /** Starts a request; `log` says what became of it. */
  place: () => { placement: Placement; log: string[]; instances: Instance[] };
}

function setup(): Setup {
  const counters = new Counters(createSharedMemory(1));
  const indices = new Indices(counters);
  const clock = manualClock();
  const nothing = (): void => {};
  const more = {
    wake: nothing,
    idle: nothing,
    hung: nothing,
    gone: nothing,
    demand: nothing,
    ask: nothing,
    returned: nothing,
  };
  const core = new Core({ thread: 0, counters, clock, queueLength: 2, queueBytes: 1_000, ...more });
  const newest = new NewestTable();
  let version = 0;
  return {
    core,
    clock,
    swap(entry, targets = 1, guard) {
      const whole = {
        configuration: "x/a",
        protocol: "http1" as const,
        concurrency: 1,
        timeoutMs: 1000,
        instances: [],
        ...entry,
      };
      const table = {
        version: ++version,
        hosts: {
          a: { route: "x/a", targets: [{ revision: "x/r", percent: 100 }].slice(0, targets), ...(guard && { guard }) },
        },
        revisions: entry === undefined ? {} : { "x/r": whole },
      };
      core.change(version, indices.change(newest.replace(table)));
      indices.settled();
    },
    place() {
      const log: string[] = [];
      const instances: Instance[] = [];
      const placement = new Placement({
        core,
        clock,
        limits: defaultLimits,
        host: "a",
        bytes: 100,
        field: () => undefined,
        sighting: undefined,
        placed: (instance) => {
          instances.push(instance);
          log.push(instance.id);
        },
        failed: ({ status, reason }) => log.push(`${status} ${reason}`),
      });
      placement.start();
      return { placement, log, instances };
    },
  };
}

const one = [{ id: "i", host: "h", port: 1 }];

test("a request is placed where a slot is free", () => {
  const { swap, place } = setup();
  swap({ instances: one });
  expect(place().log).toEqual(["i"]);
});

test("hosts, targets, Revisions that aren't there, and problems, are answered at once", () => {
  const { swap, place } = setup();
  expect(place().log).toEqual(["404 HostUnknown"]);
  swap({}, 0);
  expect(place().log).toEqual(["503 RouteNotReady"]);
  swap(undefined);
  expect(place().log).toEqual(["503 RevisionMissing"]);
  swap({ problem: { reason: "ExitCode1", message: "" } });
  expect(place().log).toEqual(["503 ExitCode1"]);
  // With an instance that still works, an old problem is no reason.
  swap({ instances: one, problem: { reason: "ExitCode1", message: "" } });
  expect(place().log).toEqual(["i"]);
});

test("what waits too long is 503, what was placed and doesn't begin in time 504", async () => {
  const { swap, place, clock } = setup();
  swap({ instances: one });
  const [first, second] = [place(), place()];
  await clock.advance(1000);
  expect([first.log, second.log]).toEqual([["i", "504 ResponseTimeout"], ["503 Overloaded"]]);
  swap({});
  const third = place();
  await clock.advance(1000);
  expect(third.log).toEqual(["503 NoInstance"]);
});

test("end() stops the deadline and leaves the queue", async () => {
  const { swap, place, clock, core } = setup();
  swap({ instances: one });
  const all = [place(), place(), place()];
  expect(core.waiting).toBe(2);
  expect(place().log).toEqual(["503 Overloaded"]);
  for (const { placement } of all) placement.end();
  await clock.advance(2000);
  expect(all.map(({ log }) => log)).toEqual([["i"], [], []]);
  expect(core.waiting).toBe(0);
});

test("without a deadline of the Revision the wait is bounded, and nothing after it", async () => {
  const { swap, place, clock } = setup();
  swap({ instances: one, timeoutMs: 0 });
  const [first, second] = [place(), place()];
  await clock.advance(defaultLimits.queueMs);
  expect([first.log, second.log]).toEqual([["i"], ["503 Overloaded"]]);
});

test("refused() tries again, on the table as it is then, for as long as its patience", async () => {
  const { swap, place, clock, core } = setup();
  swap({ instances: one, timeoutMs: 60_000 });
  const { placement, log, instances } = place();
  const refuse = (): void => {
    const instance = instances.pop();
    if (instance === undefined) return;
    core.release(instance);
    placement.refused(instance);
  };
  refuse();
  expect(log).toEqual(["i"]);
  await clock.advance(100);
  expect(log).toEqual(["i", "i"]);
  swap({ instances: [{ id: "j", host: "h", port: 2 }], timeoutMs: 60_000 });
  refuse();
  expect(log).toEqual(["i", "i", "j"]);
  while (!log.at(-1)?.startsWith("503")) {
    refuse();
    await clock.advance(500);
    if (log.length > 100) throw new Error("No end of it");
  }
  expect(log.at(-1)).toBe("503 InstanceUnreachable");
});

test("a request whose Revision leaves the table while it waits goes where its host goes now", () => {
  const { swap, place } = setup();
  swap({});
  const { log } = place();
  swap(undefined);
  expect(log).toEqual(["503 RevisionMissing"]);
});

test("ended() counts for a guard by how long the answer took to begin, waiting for an instance included", async () => {
  const { swap, place, clock, core } = setup();
  swap({ instances: one, timeoutMs: 60_000 }, 1, { slowMs: 100 });
  const [quick, waits] = [place(), place()];
  await clock.advance(100);
  quick.placement.end();
  await clock.advance(5_000);
  quick.placement.ended(200, 5_100, 1);
  for (const instance of quick.instances) core.release(instance);
  expect(waits.log).toEqual(["i"]);
  for (const instance of waits.instances) core.release(instance);
  waits.placement.end();
  waits.placement.ended(500, 5_100, 1);
  expect(core.outcomes.take()[0]?.guard).toEqual([2, 1, 1]);
  const broken = place();
  broken.placement.end();
  broken.placement.broke();
  broken.placement.ended(200, 5, 1);
  for (const instance of broken.instances) core.release(instance);
  expect(core.outcomes.take()[0]).toMatchObject({ codes: { 200: 1 }, guard: [1, 1, 0] });
  swap({ instances: one });
  const { placement } = place();
  placement.end();
  placement.ended(500, 1, 1);
  expect(core.outcomes.take()[0]).not.toHaveProperty("guard");
});
