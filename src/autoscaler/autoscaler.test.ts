import { describe, expect, it } from "vitest";
import { type ManualClock, manualClock } from "../../test/support/manual-clock.ts";
import { type PlayedWorkloads, playWorkloads } from "../../test/support/ports.ts";
import { type Autoscaling, autoscalingDefaults } from "../api/autoscaling.ts";
import { silentLog } from "../lib/log.ts";
import type { InstanceSpec } from "../runtime/workloads.ts";
import { type Autoscaler, createAutoscaler } from "./autoscaler.ts";
import type { ScaleInput } from "./port.ts";

const revision = "default/app";
const spec = { image: "app@sha256:1" } as InstanceSpec;

interface Bench {
  clock: ManualClock;
  workloads: PlayedWorkloads;
  autoscaler: Autoscaler;
  /** Desired instances. */
  count(): number;
  /** A gateway reports each second: so many requests at once, and waiting. */
  seconds(count: number, load?: { concurrency?: number; requests?: number; waiting?: number }): Promise<void>;
  /** What the controller says, with the instances that are ready now. */
  declare(input?: Partial<ScaleInput>, settings?: Partial<Autoscaling>): void;
  changes: string[];
}

function bench(workloads?: PlayedWorkloads, clock = manualClock()): Bench {
  const played = workloads ?? playWorkloads(clock);
  const autoscaler = createAutoscaler({ workloads: played, clock, log: silentLog, mostInstances: 20 });
  const changes: string[] = [];
  autoscaler.subscribe((name) => changes.push(`${name} ${autoscaler.steps(name).at(-1)?.to}`));
  return {
    clock,
    workloads: played,
    autoscaler,
    count: () => played.get({ namespace: "default", name: "app" })?.desired ?? 0,
    async seconds(count, { concurrency = 0, requests = 0, waiting = 0 } = {}) {
      for (let second = 0; second < count; second++) {
        await clock.advance(1_000);
        const nothing = concurrency === 0 && requests === 0 && waiting === 0;
        autoscaler.report({ ms: 1_000, revisions: nothing ? [] : [[revision, concurrency, requests, waiting]] });
      }
    },
    declare(input = {}, settings = {}) {
      const all = {
        wasReady: true,
        routed: true,
        settings: { ...autoscalingDefaults, ...settings },
        concurrency: 0,
        ...input,
      };
      autoscaler.declare(revision, all, spec);
    },
    changes,
  };
}

/** A Revision that is ready and has a Route, whose gateways report. */
async function running(settings: Partial<Autoscaling> = {}): Promise<Bench> {
  const made = bench();
  made.declare({ wasReady: false }, settings);
  await made.seconds(1);
  made.declare({}, settings);
  return made;
}

describe("createAutoscaler()", () => {
  it("starts a new Revision, and sends it to none when its first window and the retention have passed without a request", async () => {
    const b = await running();
    expect(b.count()).toBe(1);
    await b.seconds(89);
    expect(b.count()).toBe(1);
    await b.seconds(3);
    expect(b.count()).toBe(0);
    expect(b.autoscaler.steps(revision).map(({ from, to, why }) => [from, to, why])).toEqual([
      [1, 0, "No requests for 60 s and 30 s more"],
    ]);
    expect(b.changes.at(-1)).toBe(`${revision} 0`);
  });

  it("goes to none 90 s after the last request", async () => {
    const b = await running();
    await b.seconds(120, { concurrency: 0.01, requests: 1 });
    await b.seconds(89);
    expect(b.count()).toBe(1);
    await b.seconds(2);
    expect(b.count()).toBe(0);
  });

  it("starts one at once for a request that waits, and keeps it for a window though the client has gone", async () => {
    const b = await running({ windowMs: 10_000, scaleToZeroRetentionMs: 0 });
    await b.seconds(15);
    expect(b.count()).toBe(0);
    b.autoscaler.wake(revision);
    expect(b.count()).toBe(1);
    await b.seconds(9);
    expect(b.count()).toBe(1);
    await b.seconds(3);
    expect(b.count()).toBe(0);
  });

  it("waits two minutes for a start, and then for nobody", async () => {
    const b = await running({ windowMs: 10_000, scaleToZeroRetentionMs: 0 });
    await b.seconds(15);
    b.workloads.startsByItself = false;
    b.autoscaler.wake(revision);
    await b.seconds(119);
    expect(b.count()).toBe(1);
    await b.seconds(2);
    expect(b.count()).toBe(0);
  });

  it("starts one for a request that a report says waits, should its demand have been lost", async () => {
    const b = await running({ windowMs: 10_000, scaleToZeroRetentionMs: 0 });
    await b.seconds(15);
    await b.seconds(1, { waiting: 1 });
    expect(b.count()).toBe(1);
  });

  it("serves a request that waited before its Revision was declared", async () => {
    const b = bench();
    b.autoscaler.wake(revision);
    b.declare();
    expect(b.count()).toBe(1);
  });

  it("follows the load up and down", async () => {
    const b = await running({ target: 10 });
    await b.seconds(30, { concurrency: 1 });
    expect(b.count()).toBe(1);
    await b.seconds(10, { concurrency: 35 });
    expect(b.count()).toBe(5);
    await b.seconds(130, { concurrency: 1 });
    expect(b.count()).toBe(1);
    expect(b.autoscaler.steps(revision)[0]?.why).toMatch(/requests at once on average over 6 s, at least 2 times what/);
  });

  it("scales on requests a second, whatever their length", async () => {
    const b = await running({ metric: "rps", target: 10 });
    await b.seconds(70, { concurrency: 0.1, requests: 21 });
    expect(b.count()).toBe(3);
    expect(b.autoscaler.steps(revision).at(-1)?.why).toContain("requests a second on average");
  });

  it("adds up what several gateways see", async () => {
    const b = await running({ target: 10 });
    for (let second = 0; second < 70; second++) {
      await b.clock.advance(1_000);
      for (const concurrency of [6, 7]) b.autoscaler.report({ ms: 1_000, revisions: [[revision, concurrency, 1, 0]] });
    }
    expect(b.count()).toBe(2);
  });

  it("keeps to the platform's most where there is no max-scale, and says so", async () => {
    const b = await running({ target: 1 });
    await b.seconds(10, { concurrency: 500, waiting: 100 });
    expect(b.count()).toBe(20);
    expect(b.autoscaler.steps(revision).at(-1)).toMatchObject({ limited: true });
    expect(b.autoscaler.steps(revision).at(-1)?.why).toContain("the platform's most without a max-scale allows 20");
  });

  it("changes nothing while no gateway reports, and takes none away until a window is seen again", async () => {
    const b = await running({ windowMs: 10_000, scaleToZeroRetentionMs: 0, target: 10 });
    await b.seconds(10, { concurrency: 20 });
    expect(b.count()).toBe(3);
    await b.clock.advance(60_000);
    b.declare({}, { windowMs: 10_000, scaleToZeroRetentionMs: 0, target: 10 });
    expect(b.count()).toBe(3);
    await b.seconds(10);
    expect(b.count()).toBe(3);
    await b.seconds(5);
    expect(b.count()).toBeLessThan(3);
  });

  it("goes on after a restart of control with what runs, and serves who waits at once", async () => {
    const before = await running({ target: 10 });
    await before.seconds(10, { concurrency: 20 });
    expect(before.count()).toBe(3);
    const after = bench(before.workloads, before.clock);
    after.declare({}, { target: 10 });
    expect(after.count()).toBe(3);
    await after.seconds(59);
    expect(after.count()).toBe(3);
    await after.seconds(20);
    expect(after.count()).toBe(1);
    after.autoscaler.declare(
      "default/other",
      { wasReady: true, routed: true, settings: autoscalingDefaults, concurrency: 0 },
      spec,
    );
    expect(after.workloads.count("other")).toBe(0);
    after.autoscaler.wake("default/other");
    expect(after.workloads.count("other")).toBe(1);
  });

  it("stops a Revision that no Route leads to, and starts one again that a Route comes to lead to", async () => {
    const b = await running({ minScale: 2 });
    expect(b.count()).toBe(2);
    b.declare({ routed: false }, { minScale: 2 });
    expect(b.count()).toBe(0);
    b.declare({ routed: true });
    expect(b.count()).toBe(1);
  });

  it("keeps the initial scale until so many were ready at once", async () => {
    const b = bench();
    b.workloads.startsByItself = false;
    b.declare({ wasReady: false }, { initialScale: 3 });
    await b.seconds(100);
    expect(b.count()).toBe(3);
    b.workloads.becomeReady("app");
    b.declare({}, { initialScale: 3 });
    await b.seconds(5);
    expect(b.count()).toBe(1);
  });

  it("starts nothing more while something is missing, but takes away", async () => {
    const b = await running({ windowMs: 10_000, scaleToZeroRetentionMs: 0, target: 10 });
    b.autoscaler.hold(revision);
    await b.seconds(10, { concurrency: 90 });
    expect(b.count()).toBe(1);
    await b.seconds(40);
    expect(b.count()).toBe(0);
    b.autoscaler.wake(revision);
    expect(b.count()).toBe(0);
    b.declare();
    expect(b.count()).toBe(1);
  });

  it.each([
    ["the next instance prepared", {}, {}, "prepared"],
    ["the last one frozen", { idle: "freeze" }, {}, "frozen"],
    ["nothing of a Revision that no Route leads to", { idle: "freeze" }, { routed: false }, "none"],
    ["nothing of one that was never ready", {}, { wasReady: false }, "none"],
  ] as const)("lets stand by at zero %s", async (_, settings, input, standby) => {
    const b = await running(settings);
    b.declare(input, settings);
    expect(b.workloads.standbyOf("app")).toBe(standby);
  });

  it("says what it would do without doing it", async () => {
    const b = bench();
    const input = { wasReady: false, routed: false, settings: autoscalingDefaults, concurrency: 0 };
    expect(b.autoscaler.decide(revision, input)).toBe(1);
    expect(b.count()).toBe(0);
    b.declare({ wasReady: false });
    expect(b.autoscaler.decide(revision, { ...input, wasReady: true })).toBe(0);
    expect(b.count()).toBe(1);
  });

  it("forgets a Revision and all that ran for it", async () => {
    const b = await running();
    b.autoscaler.remove(revision);
    b.autoscaler.remove(revision);
    expect([b.count(), b.autoscaler.steps(revision)]).toEqual([0, []]);
    b.autoscaler.report({ ms: 1_000, revisions: [[revision, 5, 5, 5]] });
    expect(b.count()).toBe(0);
  });
});

it("looks at hundreds of Revisions in several turns of the loop, and at each of them", async () => {
  const clock = manualClock();
  const workloads = playWorkloads(clock);
  const autoscaler = createAutoscaler({ workloads, clock, log: silentLog, mostInstances: 20 });
  const names = Array.from({ length: 300 }, (_, i) => `app-${i}`);
  const input = { wasReady: true, routed: true, settings: autoscalingDefaults, concurrency: 0 };
  for (const wasReady of [false, true])
    for (const name of names) autoscaler.declare(`default/${name}`, { ...input, wasReady }, spec);
  const running = (): number =>
    names.filter((name) => workloads.get({ namespace: "default", name })?.desired === 1).length;
  expect(running()).toBe(names.length);
  const report = async (): Promise<number> => {
    await clock.advance(1_000);
    autoscaler.report({ ms: 1_000, revisions: [] });
    return running();
  };
  let left = await report();
  for (let second = 0; left === names.length && second < 600; second += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    left = await report();
  }
  // A part in the turn of the report, the rest without another word.
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThan(names.length);
  await expect.poll(running).toBe(0);
});
