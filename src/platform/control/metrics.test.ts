import { expect, test } from "vitest";
import { manualClock } from "../../../test/support/manual-clock.ts";
import { playWorkloads } from "../../../test/support/ports.ts";
import { latencySteps, type Outcome } from "../../routing/link.ts";
import { createMetrics } from "./metrics.ts";
import { family } from "./metrics-text.ts";

function outcome(more: Partial<Outcome> = {}): Outcome {
  const steps = Array.from({ length: latencySteps.length + 1 }, (_, i) =>
    i === 0 ? 2 : i === latencySteps.length ? 1 : 0,
  );
  return {
    route: "x/a",
    revision: "x/a-00001",
    codes: { 200: 2, 503: 1 },
    steps,
    ms: 20_500,
    running: 0,
    waiting: 0,
    ...more,
  };
}

function setup(gateways: readonly string[], clock = manualClock(), workloads = playWorkloads(clock)) {
  return createMetrics({
    workloads,
    clock,
    gateways: () => gateways,
    more: () => [...family("elafros_more", "gauge", "More."), "elafros_more 7"],
    spans: () => ({ sent: 5, dropped: 1 }),
  });
}

test("text() adds up what gateways say, in Prometheus' format", () => {
  const metrics = setup(["g1", "g2"]);
  metrics.add([outcome({ running: 9 })], "g1");
  metrics.add([outcome({ running: 2, waiting: 1 }), outcome({ route: "", revision: "", codes: { 404: 3 } })], "g1");
  metrics.add([outcome({ codes: {}, steps: [], ms: 0, running: 4, waiting: 1 })], "g2");
  metrics.add([outcome({ codes: {}, steps: [], ms: 0, running: 100, waiting: 1 })], "gone");
  metrics.seen({ linesDropped: 3, spansSent: 10, spansDropped: 2 });
  metrics.load("g1", [["x/a-00001", 1.5, 10, 1]]);
  metrics.load("g2", [["x/a-00001", 0.5, 10, 2]]);
  metrics.load("gone", [["x/a-00001", 100, 10, 2]]);
  const lines = metrics.text().split("\n");
  const labels = 'route="x/a",revision="x/a-00001"';
  expect(lines).toContain(`elafros_requests_total{${labels},code="200"} 4`);
  expect(lines).toContain(`elafros_requests_total{${labels},code="503"} 2`);
  expect(lines).toContain('elafros_requests_total{route="",revision="",code="404"} 3');
  expect(lines.filter((line) => line.startsWith(`elafros_request_duration_seconds_bucket{${labels}`))).toEqual(
    [...latencySteps, "+Inf"].map(
      (le) => `elafros_request_duration_seconds_bucket{${labels},le="${le}"} ${le === "+Inf" ? 6 : 4}`,
    ),
  );
  expect(lines).toContain(`elafros_request_duration_seconds_sum{${labels}} 41`);
  expect(lines).toContain(`elafros_request_duration_seconds_count{${labels}} 6`);
  expect(lines).toContain(`elafros_requests_in_flight{${labels}} 4`);
  expect(lines).toContain(`elafros_requests_waiting{${labels}} 2`);
  expect(lines).toContain('elafros_concurrency{revision="x/a-00001"} 2');
  expect(lines).toContain("elafros_access_log_dropped_total 3");
  expect(lines).toContain("elafros_spans_exported_total 15");
  expect(lines).toContain("elafros_spans_dropped_total 3");
  expect(lines).toContain("elafros_more 7");
  expect(lines).toContain("elafros_gateways 2");
  expect(lines.at(-1)).toBe("");
});

test("text() is what Prometheus reads: each sample after the type of its family, names and values well-formed", () => {
  const metrics = setup(["g1"]);
  metrics.add([outcome({ route: 'a"b\\c\nd' })], "g1");
  let family = "";
  for (const line of metrics.text().trimEnd().split("\n")) {
    const type = /^# TYPE (\w+) (?:counter|gauge|histogram)$/.exec(line);
    if (type !== null) family = type[1] ?? "";
    if (line.startsWith("#")) continue;
    expect(line).toMatch(/^\w+(?:\{(?:\w+="(?:[^"\\\n]|\\["\\n])*",?)*\})? \d+(?:\.\d+)?$/);
    expect(line.startsWith(family)).toBe(true);
  }
});

test("text() tells of a Revision that is gone for an hour more, and of one that is there for ever", async () => {
  const clock = manualClock();
  const states: Record<string, object> = { "a-00002": {} };
  const workloads = { ...playWorkloads(clock), get: ({ name }: { name: string }) => states[name] as undefined };
  const metrics = setup([], clock, workloads);
  for (const revision of ["x/a-00001", "x/a-00002", ""]) metrics.add([outcome({ revision })], "g");
  metrics.add([outcome({ route: "", revision: "" })], "g");
  const told = () =>
    [
      'route="x/a",revision="x/a-00001"',
      'route="x/a",revision="x/a-00002"',
      'route="x/a",revision=""',
      'route="",revision=""',
    ].map((labels) => metrics.text().includes(`elafros_requests_total{${labels},code="200"}`));
  await clock.advance(60 * 60_000);
  expect(told()).toEqual([true, true, true, true]);
  await clock.advance(1);
  expect(told()).toEqual([false, true, false, true]);
});
