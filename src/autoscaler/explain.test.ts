import { expect, it } from "vitest";
import { autoscalingDefaults } from "../api/autoscaling.ts";
import { decide, freshMemory, type ScaleStats } from "./decide.ts";
import { explain, gist } from "./explain.ts";
import { scaleSpec } from "./spec.ts";

const now = 1_000_000;
const spec = (settings: Partial<typeof autoscalingDefaults> = {}) =>
  scaleSpec({ ...autoscalingDefaults, target: 20, ...settings }, 0, 20);
const stats = (seen: Partial<ScaleStats> = {}): ScaleStats => ({
  wasReady: true,
  routed: true,
  ready: 1,
  current: 1,
  load: { stable: 0, panic: 0 },
  woken: false,
  beginning: false,
  held: false,
  memory: freshMemory,
  ...seen,
});
const load = (stable: number, panic = stable) => ({ load: { stable, panic } });
const share = "an instance should have 14 (70 % of 20)";

it.each([
  [spec(), { wasReady: false }, "A new Revision starts with 1 instance"],
  [spec(), { routed: false }, "No Route leads to the Revision"],
  [spec(), { load: undefined }, "No gateway reports the load: the number stays"],
  [spec(), { woken: true, ready: 0, current: 0 }, "A request waits and no instance runs"],
  [spec(), { held: true, current: 3 }, "The load is known for less than 60 s: none is taken away yet"],
  [spec({ minScale: 2 }), load(3), "3 requests at once on average over 60 s; min-scale keeps 2"],
  [spec(), {}, "Nothing to do; the last instance stays for 30 s"],
  [spec(), { current: 0, ready: 0 }, "No requests for 60 s and 30 s more"],
  [spec({ scaleToZeroRetentionMs: 0 }), {}, "No requests for 60 s"],
  [spec(), { ...load(20.123, 3), ready: 2 }, `20.12 requests at once on average over 60 s, and ${share}`],
  [
    spec(),
    load(5, 41.5),
    `41.5 requests at once on average over 6 s, at least 2 times what 1 instance should have; ${share}`,
  ],
  [
    spec(),
    { ...load(5), memory: { panicAt: now - 1, panicMost: 4, recent: [] } },
    "5 requests at once on average over 60 s; none is taken away until 60 s after a surge",
  ],
  [
    spec(),
    { ...load(15), ready: 10 },
    `15 requests at once on average over 60 s, and ${share}; of the 10 that are ready at least 5 stay for now`,
  ],
  [
    spec({ scaleDownDelayMs: 90_000 }),
    { ...load(5), memory: { panicMost: 0, recent: [{ at: now - 1, count: 3 }] } },
    "5 requests at once on average over 60 s; scale-down-delay keeps what was wanted in the last 90 s",
  ],
  [
    spec({ maxScale: 3 }),
    { ...load(100), ready: 3 },
    `100 requests at once on average over 60 s, and ${share}; max-scale allows 3`,
  ],
  [
    spec({ metric: "rps" }),
    { ...load(1_000), ready: 20 },
    `1000 requests a second on average over 60 s, and ${share}; the platform's most without a max-scale allows 20`,
  ],
] as const)("explain() says why, %#", (of, seen, why) => {
  expect(explain(decide(stats(seen), of, now))).toBe(why);
});

it("gist() says the same for the same rule, whatever the figures", () => {
  const say = (stable: number, panic = stable) => gist(decide(stats(load(stable, panic)), spec(), now));
  expect([say(14, 0), say(20, 3), say(5, 41), say(8, 77)]).toEqual([
    "the load asks for it",
    "the load asks for it",
    "a surge of load asks for it",
    "a surge of load asks for it",
  ]);
  expect(gist(decide(stats({ woken: true, current: 0, ready: 0 }), spec(), now))).toBe(
    "A request waits and no instance runs",
  );
});
