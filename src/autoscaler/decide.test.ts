import { describe, expect, it } from "vitest";
import { autoscalingDefaults } from "../api/autoscaling.ts";
import { type Decision, decide, freshMemory, type ScaleMemory, type ScaleStats } from "./decide.ts";
import { type ScaleSpec, scaleSpec } from "./spec.ts";

const second = 1_000;
const minute = 60_000;
const start = Date.UTC(2026, 0, 1);
/** As in the tests that the algorithm's authors publish: 10 for each instance, a tenth or ten times at a time, no bounds. */
const vector: ScaleSpec = {
  ...scaleSpec({ ...autoscalingDefaults, target: 10, targetUtilizationPercentage: 100 }, 0, 100_000),
  maxScaleUpRate: 10,
  maxScaleDownRate: 10,
  retentionMs: 0,
};
const at = (perInstance: number): ScaleSpec => ({ ...vector, perInstance });

function stats(seen: Partial<ScaleStats> & { stable?: number; panic?: number } = {}): ScaleStats {
  const { stable = 0, panic = stable, ...rest } = seen;
  return {
    wasReady: true,
    routed: true,
    ready: 1,
    current: rest.ready ?? 1,
    load: { stable, panic },
    woken: false,
    beginning: false,
    held: false,
    memory: freshMemory,
    ...rest,
  };
}

/** One decision after the other, each remembering the last. */
function walk(
  spec: ScaleSpec,
  steps: readonly { at: number; ready: number; stable: number; panic: number }[],
): Decision[] {
  let memory: ScaleMemory = freshMemory;
  let current = 0;
  return steps.map((step) => {
    const decision = decide(stats({ ...step, current, memory }), spec, start + step.at);
    ({ memory, count: current } = decision);
    return decision;
  });
}
const counts = (decisions: readonly Decision[]): number[] => decisions.map(({ count }) => count);

describe("decide() by the published vectors", () => {
  const panicking: ScaleMemory = { panicAt: start - 5 * second, panicMost: 5, recent: [] };
  it.each([
    ["nothing at all", vector, { ready: 1 }, 0],
    ["little on a large target", at(181), { stable: 21, panic: 26 }, 1],
    ["five times the target, by the stable window", vector, { stable: 50, panic: 49 }, 5],
    ["an increase that the panic window doesn't see", vector, { stable: 50, panic: 10 }, 5],
    ["a larger one", vector, { stable: 100, panic: 10 }, 10],
    ["scaled already", vector, { ready: 5, stable: 50 }, 5],
    ["fewer than there are", vector, { ready: 8, stable: 50 }, 5],
    ["more than there are", vector, { ready: 8, stable: 100 }, 10],
    ["panic begins: the panic window counts", vector, { stable: 50, panic: 100 }, 10],
    [
      "in panic, the stable window where it asks for more",
      at(1),
      { ready: 5, stable: 50, panic: 30, memory: panicking },
      50,
    ],
    ["in panic, else the panic window", at(1), { ready: 5, stable: 20, panic: 30, memory: panicking }, 30],
    ["a rate of 1.1 still allows one more", { ...at(1), maxScaleUpRate: 1.1 }, { ready: 2, stable: 3, panic: 3.1 }, 3],
    ["a rate of 1.1 down", { ...vector, maxScaleDownRate: 1.1 }, { ready: 100, stable: 1 }, 90],
    ["up by the rate only", vector, { ready: 1, stable: 1000, panic: 1001 }, 10],
    ["and again", vector, { ready: 10, stable: 1000, panic: 1001 }, 100],
    ["up from none by the rate of one", vector, { ready: 0, stable: 1000, panic: 888 }, 10],
    ["down by the rate only", vector, { ready: 100, stable: 1 }, 10],
    ["and again", vector, { ready: 10, stable: 1 }, 1],
    ["one while there is anything", vector, { stable: 1, panic: 0 }, 1],
    ["another target", at(1), { ready: 10, stable: 100, panic: 101 }, 100],
  ] as const)("%s", (_, spec, seen, count) => {
    expect(decide(stats(seen), spec, start).count).toBe(count);
  });

  it("follows an exponential increase and stays", () => {
    const steps = [
      { at: 0, ready: 1, stable: 6, panic: 6 },
      { at: second, ready: 6, stable: 36, panic: 36 },
      { at: 2 * second, ready: 36, stable: 216, panic: 216 },
      { at: 2 * second, ready: 216, stable: 1296, panic: 1296 },
      { at: 3 * second, ready: 1296, stable: 1296, panic: 1296 },
    ];
    const decisions = walk(at(1), steps);
    expect(counts(decisions)).toEqual([6, 36, 216, 1296, 1296]);
    expect(decisions.map(({ memory }) => (memory.panicAt ?? 0) - start)).toEqual([
      0,
      second,
      2 * second,
      2 * second,
      2 * second,
    ]);
  });

  it("takes none away in panic, and scales down once it is over", () => {
    const steps = [
      { at: -second, ready: 1, stable: 100, panic: 100 },
      { at: 0, ready: 10, stable: 100, panic: 1000 },
      { at: 30 * second, ready: 10, stable: 1, panic: 1 },
      { at: 61 * second, ready: 10, stable: 1, panic: 1 },
    ];
    const decisions = walk(vector, steps);
    expect(counts(decisions)).toEqual([10, 100, 100, 1]);
    expect(decisions.map(({ rule }) => rule)).toEqual(["load", "panic", "panic-keeps", "load"]);
  });

  it("ends a panic after a slow increase", () => {
    const decisions = walk(at(1), [
      { at: 0, ready: 10, stable: 11, panic: 25 },
      { at: 30 * second, ready: 40, stable: 30, panic: 41 },
      { at: 62 * second, ready: 55, stable: 50, panic: 56 },
    ]);
    expect(counts(decisions)).toEqual([25, 41, 50]);
    expect(decisions.map(({ memory }) => memory.panicAt)).toEqual([start, start, undefined]);
  });

  it("extends a panic while the surge goes on", () => {
    const decisions = walk(at(1), [
      { at: 0, ready: 10, stable: 11, panic: 25 },
      { at: 30 * second, ready: 40, stable: 30, panic: 80 },
    ]);
    expect(counts(decisions)).toEqual([25, 80]);
    expect(decisions[1]?.memory.panicAt).toBe(start + 30 * second);
  });

  const delayed = { ...vector, scaleDownDelayMs: 5 * minute, panicThreshold: 100 };
  it("delays going down by the scale-down delay", () => {
    const decisions = walk(delayed, [
      { at: 2 * second, ready: 0, stable: 40, panic: 40 },
      { at: 5 * minute, ready: 0, stable: 0, panic: 0 },
      { at: 5 * minute + 2 * second, ready: 0, stable: 0, panic: 0 },
    ]);
    expect(counts(decisions)).toEqual([4, 4, 0]);
    expect(decisions[1]?.rule).toBe("scale-down-delay");
  });

  it("goes down in the steps that the load took", () => {
    const load = (at: number, stable: number) => ({ at, ready: 0, stable, panic: stable });
    expect(
      counts(
        walk(delayed, [
          load(9 * minute, 40),
          load(10 * minute, 30),
          load(11 * minute, 0),
          load(14 * minute, 0),
          load(15 * minute, 0),
        ]),
      ),
    ).toEqual([4, 4, 4, 3, 0]);
  });

  it("goes down at once without a delay", () => {
    const load = (at: number, stable: number) => ({ at, ready: 1, stable, panic: stable });
    const calm = { ...vector, panicThreshold: 100 };
    expect(counts(walk(calm, [load(0, 40), load(500, 20)]))).toEqual([4, 2]);
  });
});

describe("decide() within the bounds", () => {
  const spec = scaleSpec(autoscalingDefaults, 0, 20);
  const bounded = (settings: Partial<typeof autoscalingDefaults>, concurrency = 0): ScaleSpec =>
    scaleSpec({ ...autoscalingDefaults, ...settings }, concurrency, 20);
  const zero = (since: number): ScaleMemory => ({ ...freshMemory, zeroSince: start - since });

  it.each([
    [
      "one for a new Revision, routed or not",
      spec,
      { wasReady: false, routed: false, stable: 900 },
      1,
      "initial-scale",
    ],
    ["its initial scale", bounded({ initialScale: 3 }), { wasReady: false }, 3, "initial-scale"],
    ["the initial scale until it is reached", bounded({ initialScale: 3 }), { beginning: true }, 3, "initial-scale"],
    [
      "none without a Route, whatever its bounds",
      bounded({ minScale: 2 }),
      { routed: false, stable: 900 },
      0,
      "unrouted",
    ],
    ["at least min-scale", bounded({ minScale: 2 }), { stable: 0.1 }, 2, "min-scale"],
    ["at most max-scale", bounded({ maxScale: 4 }), { stable: 900 }, 4, "max-scale"],
    ["at most the platform's most", spec, { stable: 9_000, ready: 20 }, 20, "max-scale"],
    ["one that stays with idle none", bounded({ idle: "none" }), {}, 1, "min-scale"],
    ["one for a waiting request", spec, { woken: true, ready: 0, current: 0 }, 1, "woken"],
    ["as many as there are while nothing is seen", spec, { load: undefined, current: 3 }, 3, "unseen"],
    ["one for a waiting request while nothing is seen", spec, { load: undefined, current: 0, woken: true }, 1, "woken"],
    ["min-scale while nothing is seen", bounded({ minScale: 2 }), { load: undefined, current: 0 }, 2, "min-scale"],
    ["none less after a start of control", spec, { held: true, current: 5, ready: 5, stable: 1 }, 5, "held"],
    ["more after a start of control", spec, { held: true, current: 5, ready: 5, stable: 700 }, 10, "load"],
    [
      "max-scale also after a start of control",
      bounded({ maxScale: 2 }),
      { held: true, current: 5, ready: 5 },
      2,
      "max-scale",
    ],
    ["the last for its retention", spec, { memory: zero(29_999) }, 1, "retention"],
    ["no retention of several", spec, { ready: 2, current: 2, stable: 0, memory: zero(30_000) }, 1, "scale-down-rate"],
    ["none after it", spec, { memory: zero(30_000) }, 0, "load"],
    ["none at once with a retention of 0", bounded({ scaleToZeroRetentionMs: 0 }), {}, 0, "load"],
    ["none where there is none", spec, { ready: 0, current: 0 }, 0, "load"],
  ] as const)("%s", (_, of, seen, ...expected) => {
    const { count, rule } = decide(stats(seen), of, start);
    expect([count, rule]).toEqual(expected);
  });

  it("remembers since when nothing is wanted, and forgets it with the first load", () => {
    const first = decide(stats(), spec, start);
    expect([first.count, first.memory.zeroSince]).toEqual([1, start]);
    const later = decide(stats({ memory: first.memory }), spec, start + 10_000);
    expect(later.memory.zeroSince).toBe(start);
    expect(decide(stats({ memory: later.memory, stable: 1 }), spec, start + 11_000).memory).not.toHaveProperty(
      "zeroSince",
    );
  });
});

describe("scaleSpec()", () => {
  it.each([
    ["a hundred at once, 70 % used", {}, 0, 70],
    ["two hundred a second, 70 % used", { metric: "rps" }, 0, 140],
    ["an instance's own limit", {}, 10, 7],
    ["one at a time", {}, 1, 0.7],
    ["no limit for requests a second", { metric: "rps" }, 10, 140],
    ["a written target", { target: 20 }, 0, 14],
    ["a written target within the limit", { target: 5 }, 10, 3.5],
    ["the limit where it is less than the target", { target: 50 }, 10, 7],
    ["another utilization", { target: 50, targetUtilizationPercentage: 90 }, 0, 45],
    ["never less than a hundredth", { target: 0.01, targetUtilizationPercentage: 1 }, 0, 0.01],
  ] as const)("has as target of an instance %s", (_, settings, concurrency, perInstance) => {
    expect(scaleSpec({ ...autoscalingDefaults, ...settings }, concurrency, 20).perInstance).toBe(perInstance);
  });

  it("resolves windows and the platform's most", () => {
    expect(scaleSpec({ ...autoscalingDefaults, minScale: 30 }, 0, 20)).toMatchObject({
      windowMs: 60_000,
      panicWindowMs: 6_000,
      panicThreshold: 2,
      maxScaleUpRate: 1_000,
      maxScaleDownRate: 2,
      maxScale: 30,
      maxIsDefault: true,
    });
    expect(scaleSpec({ ...autoscalingDefaults, maxScale: 3 }, 0, 20)).toMatchObject({
      maxScale: 3,
      maxIsDefault: false,
    });
  });
});
