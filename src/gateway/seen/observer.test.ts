import { expect, test } from "vitest";
import { manualClock } from "../../../test/support/manual-clock.ts";
import type { Span } from "../../lib/otlp/span.ts";
import { fieldInLines, fieldInList, tracedHead, traceList } from "./fields.ts";
import { Observer, type ObserverOptions } from "./observer.ts";
import { type Arrival, Sighting } from "./sighting.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const recorded = `00-${traceId}-00f067aa0ba902b7-01`;
const unrecorded = `00-${traceId}-00f067aa0ba902b7-00`;
const ending = { status: 200, ms: 5, bytes: 1, route: "x/a", revision: "x/a-00001" };

function arrival(fields: Record<string, string> = {}, more: Partial<Arrival> = {}): Arrival {
  return {
    at: 1_000,
    method: "GET",
    target: "/",
    host: "a",
    protocol: "HTTP/1.1",
    scheme: "http",
    address: "127.0.0.1",
    requestId: "id",
    header: (name) => fields[name],
    ...more,
  };
}

function setup(options: Partial<ObserverOptions> = {}) {
  const clock = manualClock();
  const lines: string[] = [];
  const batches: { spans: Span[]; dropped: number }[] = [];
  const observer = new Observer({
    clock,
    logSampling: 1,
    log: { write: (line) => lines.push(line) },
    traceSampling: undefined,
    spans: (spans, dropped) => batches.push({ spans, dropped }),
    random: () => 0.5,
    ...options,
  });
  return { clock, lines, batches, observer };
}

// What the client says, the share of traces that are begun, and what the app gets: "own" is a span of the gateway's in that trace.
test.each([
  { says: undefined, share: undefined, gets: undefined },
  { says: recorded, share: undefined, gets: undefined },
  { says: "nonsense", share: undefined, gets: undefined },
  { says: undefined, share: 0, gets: undefined },
  { says: undefined, share: 0.4, gets: undefined },
  { says: undefined, share: 0.6, gets: "new" },
  { says: unrecorded, share: 1, gets: undefined },
  { says: recorded, share: 0, gets: "own" },
  { says: "nonsense", share: 0, gets: null },
  { says: "nonsense", share: 1, gets: "new" },
])("of $says with a share of $share the app gets $gets", ({ says, share, gets }) => {
  const { observer } = setup({ log: undefined, traceSampling: share });
  const sighting = observer.see(arrival(says === undefined ? {} : { traceparent: says }));
  if (gets !== "own" && gets !== "new") return expect(sighting?.traceparent).toBe(gets);
  expect(sighting?.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  expect(sighting?.traceparent?.includes(traceId)).toBe(gets === "own");
  expect(sighting?.traceparent).not.toBe(says);
});

test("a call of gRPC shows how it ended: as a number in its line, by name in its span", () => {
  const { observer, lines, batches } = setup({ traceSampling: 1 });
  const sighting = observer.see(arrival());
  if (sighting !== undefined) sighting.callStatus = 14;
  sighting?.ended({ ...ending, status: 503 });
  observer.see(arrival())?.ended(ending);
  observer.flush();
  expect(lines.map((line) => JSON.parse(line) as object)).toEqual([
    expect.objectContaining({ status: 503, grpcStatus: 14 }),
    expect.not.objectContaining({ grpcStatus: expect.anything() as number }),
  ]);
  const [call, plain] = batches[0]?.spans ?? [];
  expect(call).toMatchObject({
    failed: true,
    attributes: {
      "http.response.status_code": 200,
      "rpc.system.name": "grpc",
      "rpc.response.status_code": "UNAVAILABLE",
    },
  });
  expect(plain?.attributes).not.toHaveProperty("rpc.system.name");
});

test("see() gives nothing of requests that are neither logged nor traced", () => {
  expect(setup({ logSampling: 0.4 }).observer.see(arrival())).toBeUndefined();
  expect(setup({ logSampling: 0.6 }).observer.see(arrival())).toBeDefined();
});

test("spans go out in batches; those beyond a bound are dropped and counted", async () => {
  const { observer, batches, clock } = setup({ log: undefined, traceSampling: 1 });
  for (let i = 0; i < 1_030; i++) observer.see(arrival())?.ended(ending);
  expect(batches).toEqual([]);
  await clock.advance(500);
  expect(batches.map(({ spans, dropped }) => [spans.length, dropped])).toEqual([[1_024, 6]]);
  observer.flush();
  expect(batches).toHaveLength(1);
});

test("a value full of spaces is read in a time that its length bounds", () => {
  const value = `a${" ".repeat(1_000_000)}b`;
  // With time that grows with the square of it, this takes a quarter of an hour.
  expect(fieldInLines(`User-Agent: ${value} \r\n`, "user-agent")).toBe(value);
});

test("a line has no byte that a terminal takes for a command", () => {
  const { observer, lines } = setup();
  const path = "/\u007f\u0080\u009b31m\u009f\u001b[0m";
  observer.see(arrival({ "user-agent": "\u009b2J" }, { target: path }))?.ended(ending);
  // eslint-disable-next-line no-control-regex -- these are what it is about
  expect(lines[0]).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({ path, userAgent: "\u009b2J" });
});

test("a line is one line, whatever clients write, and of bounded length", () => {
  const { observer, lines } = setup();
  const target = `/a"\n\u2028${"b".repeat(5_000)}?token=s3cret`;
  observer.see(arrival({ "user-agent": `x"\n${"y".repeat(5_000)}` }, { target }))?.ended(ending);
  expect(lines).toHaveLength(1);
  expect(lines[0]?.indexOf("\n")).toBe((lines[0]?.length ?? 0) - 1);
  expect(lines[0]?.length).toBeLessThan(4_000);
  expect(lines[0]).not.toContain("s3cret");
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({ status: 200, route: "x/a", durationMs: 5 });
});

test("a wait is counted until there is a slot, or the request ends without one", () => {
  const { observer, lines } = setup();
  const served = observer.see(arrival());
  served?.waits(1_010);
  served?.placed("one", 1_050);
  served?.ended({ ...ending, ms: 100 });
  const failed = observer.see(arrival());
  failed?.waits(1_010);
  failed?.ended({ ...ending, ms: 100 });
  expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
    { queuedMs: 40, instance: "one" },
    { queuedMs: 90, instance: "" },
  ]);
});

test("fields are found by name in either form, several with commas between", () => {
  const lines = "GET / HTTP/1.1\r\nUser-Agent:  me \r\nTraceparent: a\r\ntraceparent: b\r\n\r\n";
  const list = ["User-Agent", "me", "Traceparent", "a", "traceparent", "b"];
  for (const [name, value] of [
    ["user-agent", "me"],
    ["traceparent", "a, b"],
    ["agent", undefined],
  ] as const) {
    expect(fieldInLines(lines, name)).toBe(value);
    expect(fieldInList(list, name)).toBe(value);
  }
});

test.each([
  { invalid: false, trace: undefined, lines: ["Host: a", "Traceparent: x", "Tracestate: s", "B: 1"] },
  { invalid: true, trace: undefined, lines: ["Host: a", "B: 1"] },
  { invalid: false, trace: "own", lines: ["Host: a", "Tracestate: s", "B: 1", "traceparent: @"] },
  { invalid: false, trace: "new", lines: ["Host: a", "B: 1", "traceparent: @"] },
  { invalid: true, trace: "new", lines: ["Host: a", "B: 1", "traceparent: @"] },
])("the app's fields with invalid=$invalid and trace=$trace", ({ invalid, trace, lines }) => {
  const context = trace === undefined ? undefined : { traceId, spanId: "00f067aa0ba902b7", sampled: true };
  const sighting = new Sighting(arrival(), {
    logged: false,
    trace: context,
    parent: trace === "own" ? context : undefined,
    invalid,
    done: () => {},
  });
  const wanted = lines.map((line) => line.replace("@", recorded)).toSorted();
  const head = "GET / HTTP/1.1\r\nHost: a\r\nTraceparent: x\r\nTracestate: s\r\nB: 1\r\n\r\n";
  const made = tracedHead(head, sighting);
  expect(made.startsWith("GET / HTTP/1.1\r\n")).toBe(true);
  expect(made.endsWith("\r\n\r\n")).toBe(true);
  expect(made.split("\r\n").slice(1, -2).toSorted()).toEqual(wanted);
  const list = ["Host", "a", "Traceparent", "x", "Tracestate", "s", "B", "1"];
  traceList(list, sighting);
  const pairs = list.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${list[i + 1] ?? ""}`] : []));
  expect(pairs.toSorted()).toEqual(wanted);
});
