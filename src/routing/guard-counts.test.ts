import { expect, test } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import { createGuardCounts } from "./guard-counts.ts";
import type { Outcome } from "./link.ts";

const outcome = (revision: string, guard?: Outcome["guard"]): Outcome => ({
  route: "ns/r",
  revision,
  codes: {},
  steps: [],
  ms: 0,
  running: 0,
  waiting: 0,
  ...(guard === undefined ? {} : { guard }),
});

test("since() adds up what threads and gateways reported after a time, by Revision", async () => {
  const clock = manualClock();
  const counts = createGuardCounts(clock);
  const start = clock.now();
  counts.add([outcome("ns/a", [5, 1, 0]), outcome("ns/a", [3, 0, 1]), outcome("ns/b", [1, 1, 1])]);
  await clock.advance(1_000);
  counts.add([outcome("ns/a", [10, 0, 0])]);
  counts.add([outcome("ns/a", [2, 2, 2])]);
  expect(counts.since("ns/r", "ns/a", start - 1)).toEqual({ requests: 20, errors: 3, slow: 3 });
  expect(counts.since("ns/r", "ns/a", start)).toEqual({ requests: 12, errors: 2, slow: 2 });
  expect(counts.since("ns/r", "ns/b", start)).toEqual({ requests: 0, errors: 0, slow: 0 });
  expect(counts.since("ns/other", "ns/a", 0)).toEqual({ requests: 0, errors: 0, slow: 0 });
});

test("subscribe() tells of Routes with a guard only, once a report", () => {
  const counts = createGuardCounts(manualClock());
  const told: string[] = [];
  const stop = counts.subscribe((route) => told.push(route));
  counts.add([outcome("ns/a"), outcome("ns/b")]);
  counts.add([outcome("ns/a", [1, 0, 0]), outcome("ns/b", [1, 0, 0])]);
  stop();
  counts.add([outcome("ns/a", [1, 0, 0])]);
  expect(told).toEqual(["ns/r"]);
});

test("add() forgets what is older than a minute, or than what was asked for", async () => {
  const clock = manualClock();
  const counts = createGuardCounts(clock);
  const start = clock.now();
  for (let i = 0; i < 10; i++) {
    counts.add([outcome("ns/asked", [1, 0, 0]), outcome("ns/other", [1, 0, 0])]);
    expect(counts.since("ns/r", "ns/asked", start - 1).requests).toBe(i + 1);
    await clock.advance(30_000);
  }
  expect(counts.since("ns/r", "ns/other", start - 1).requests).toBe(2);
});
