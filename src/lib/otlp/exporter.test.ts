import { expect, test } from "vitest";
import { startCollector } from "../../../test/support/collector.ts";
import { manualClock } from "../../../test/support/manual-clock.ts";
import { silentLog } from "../log.ts";
import { Exporter } from "./exporter.ts";
import type { Span } from "./span.ts";

const span: Span = {
  traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
  spanId: "00f067aa0ba902b7",
  parentId: undefined,
  name: "a",
  kind: "server",
  from: 1_700_000_000_000.25,
  to: 1_700_000_000_001,
  attributes: { text: "x", whole: 3, part: 0.5, nothing: undefined },
  failed: false,
};

function many(count: number): Span[] {
  return Array.from({ length: count }, () => span);
}

test("spans are sent in batches, with times as nanoseconds and what is unknown left out", async () => {
  const collector = await startCollector();
  const exporter = new Exporter({
    endpoint: `${collector.endpoint}/`,
    resource: {},
    clock: manualClock(),
    log: silentLog,
  });
  exporter.add(many(600));
  await exporter.close(30_000);
  await expect.poll(() => collector.requests).toBe(2);
  expect(exporter.take()).toEqual({ sent: 600, dropped: 0 });
  const [first] = collector.spans;
  expect(first).toMatchObject({
    kind: 2,
    startTimeUnixNano: "1700000000000250000",
    endTimeUnixNano: "1700000000001000000",
    attributes: { text: "x", whole: 3, part: 0.5 },
  });
  expect(first).not.toHaveProperty("parentSpanId");
  expect(first?.attributes).not.toHaveProperty("nothing");
  await collector.close();
});

test("the queue has a bound, and a collector that is away is asked ever less often", async () => {
  const collector = await startCollector();
  collector.status = 500;
  const clock = manualClock();
  const exporter = new Exporter({ endpoint: collector.endpoint, resource: {}, clock, log: silentLog });
  exporter.add(many(5_000), 3);
  expect(exporter.take().dropped).toBe(5_000 - 4_096 + 3);
  await expect.poll(() => exporter.take().dropped).toBe(512);
  expect(collector.requests).toBe(1);
  await clock.advance(1_000);
  await expect.poll(() => exporter.take().dropped).toBe(512);
  // Twice as long now.
  await clock.advance(1_000);
  exporter.add([span]);
  expect(collector.requests).toBe(2);
  collector.status = 200;
  await clock.advance(1_000);
  await expect.poll(() => exporter.take().sent).toBeGreaterThan(0);
  expect(collector.requests).toBeGreaterThan(2);
  await collector.close();
});
