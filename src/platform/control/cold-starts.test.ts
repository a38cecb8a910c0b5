import { expect, test } from "vitest";
import { manualClock } from "../../../test/support/manual-clock.ts";
import type { Span } from "../../lib/otlp/span.ts";
import type { InstanceState, WorkloadKey, WorkloadState } from "../../runtime/workloads.ts";
import { coldStart, coldStartSpans, watchColdStarts } from "./cold-starts.ts";

const base: InstanceState = { id: "i", phase: "ready", image: "x", labels: {}, createdAt: 0, restarts: 0 };

// Demanded at 100; seen to be ready at 190.
test.each([
  ["from nothing", { createdAt: 105, madeAt: 150, startedAt: 160, readyAt: 185 }, "nothing", [5, 45, 10, 25]],
  ["already on its way", { createdAt: 50, madeAt: 90, startedAt: 160, readyAt: 185 }, "nothing", [0, 0, 60, 25]],
  ["prepared", { createdAt: 10, madeAt: 40, wokenAt: 103, startedAt: 110, readyAt: 130 }, "prepared", [3, 0, 7, 20]],
  [
    "prepared, and made anew",
    { createdAt: 10, wokenAt: 103, madeAt: 150, startedAt: 160, readyAt: 170 },
    "nothing",
    [0, 50, 10, 10],
  ],
  ["frozen", { createdAt: 10, madeAt: 40, startedAt: 50, readyAt: 60, wokenAt: 102 }, "frozen", [2, 0, 0, 88]],
] as const)("coldStart() tells the phases: %s", (_, times, origin, phases) => {
  const start = coldStart({ ...base, ...times }, 100, 190);
  const { queued, created, started, ready } = start.ends;
  expect(start.origin).toBe(origin);
  expect([queued - 100, created - queued, started - created, ready - started]).toEqual(phases);
});

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const trace = `00-${traceId}-00f067aa0ba902b7-01`;

test("coldStartSpans() puts the phases below the start, and that below the request", () => {
  const start = coldStart({ ...base, createdAt: 105, madeAt: 150, startedAt: 160, readyAt: 185 }, 100, 190);
  const [whole, ...phases] = coldStartSpans(start, { revision: "x/a", instance: "i", trace });
  expect(whole).toMatchObject({ traceId, parentId: "00f067aa0ba902b7", name: "cold start", from: 100, to: 185 });
  expect(phases.map(({ name, parentId, from, to }) => [name, parentId === whole?.spanId, from, to])).toEqual([
    ["queued", true, 100, 105],
    ["created", true, 105, 150],
    ["started", true, 150, 160],
    ["ready", true, 160, 185],
  ]);
  expect(coldStartSpans(start, { revision: "x/a", instance: "i", trace: trace.replace(/1$/, "0") })).toEqual([]);
});

test("a demand is counted once, when an instance is ready; none where one is already", async () => {
  const clock = manualClock();
  const spans: Span[] = [];
  let instances: InstanceState[] = [];
  let listener: (key: WorkloadKey) => void = () => {};
  const key = { namespace: "x", name: "a" };
  let present = true;
  const cold = watchColdStarts({
    clock,
    workloads: {
      get: (of): WorkloadState | undefined => (present && of.name === "a" ? { key, desired: 1, instances } : undefined),
      subscribe: (added) => {
        listener = added;
        return () => {};
      },
    },
    spans: (more) => spans.push(...more),
  });
  const count = () => cold.lines().filter((line) => line.includes("_count"));
  const at = clock.now();
  cold.demanded("x/a", undefined);
  cold.demanded("x/a", trace);
  instances = [{ ...base, phase: "starting", createdAt: at + 2 }];
  listener(key);
  expect(count()).toEqual([]);
  instances = [{ ...base, createdAt: at + 2, madeAt: at + 20, startedAt: at + 30, readyAt: at + 80 }];
  listener(key);
  listener(key);
  cold.demanded("x/a", trace);
  listener(key);
  expect(spans).toHaveLength(5);
  expect(count()).toEqual(
    ["queued", "created", "started", "ready"].map(
      (phase) => `elafros_cold_start_seconds_count{revision="x/a",origin="nothing",phase="${phase}"} 1`,
    ),
  );
  expect(cold.lines()).toContain(
    'elafros_cold_start_seconds_bucket{revision="x/a",origin="nothing",phase="created",le="0.01"} 0',
  );
  expect(cold.lines()).toContain(
    'elafros_cold_start_seconds_bucket{revision="x/a",origin="nothing",phase="created",le="0.025"} 1',
  );
  await clock.advance(60 * 60_000 + 1);
  expect(count()).toHaveLength(4);
  // Its Revision is gone.
  present = false;
  expect(count()).toEqual([]);
});
