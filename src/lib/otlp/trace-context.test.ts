import { expect, test } from "vitest";
import { formatTraceparent, nextContext, parseTraceparent } from "./trace-context.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const spanId = "00f067aa0ba902b7";

test.each([
  [`00-${traceId}-${spanId}-01`, true],
  [`00-${traceId}-${spanId}-00`, false],
  // Other flags mean nothing to us (§3.2.2.5).
  [`00-${traceId}-${spanId}-03`, true],
  [`00-${traceId}-${spanId}-02`, false],
  // A later version is read by what this one knows of it (§4.3).
  [`01-${traceId}-${spanId}-01-what-the-future-was-like`, true],
  [`cc-${traceId}-${spanId}-01`, true],
])("parseTraceparent() reads %s", (value, sampled) => {
  expect(parseTraceparent(value)).toEqual({ traceId, spanId, sampled });
});

test.each([
  ["nothing", ""],
  ["a version that can't be", `ff-${traceId}-${spanId}-01`],
  ["version 00 with more behind it", `00-${traceId}-${spanId}-01-more`],
  ["a later version with more and no dash", `01-${traceId}-${spanId}-01more`],
  ["capital letters", `00-${traceId.toUpperCase()}-${spanId}-01`],
  ["no trace", `00-${"0".repeat(32)}-${spanId}-01`],
  ["no span", `00-${traceId}-${"0".repeat(16)}-01`],
  ["a short trace", `00-${traceId.slice(1)}-${spanId}-01`],
  ["no flags", `00-${traceId}-${spanId}`],
  ["two of them", `00-${traceId}-${spanId}-01, 00-${traceId}-${spanId}-01`],
  ["a space before it", ` 00-${traceId}-${spanId}-01`],
])("parseTraceparent() refuses %s", (_, value) => {
  expect(parseTraceparent(value)).toBeUndefined();
});

test("nextContext() goes on with a trace in a span of its own, or begins one, each another", () => {
  const parent = { traceId, spanId, sampled: true };
  const next = nextContext(parent);
  expect(next.traceId).toBe(traceId);
  expect(next.spanId).not.toBe(spanId);
  const begun = [nextContext(undefined), nextContext(undefined)];
  expect(new Set(begun.map((one) => one.traceId)).size).toBe(2);
  for (const one of [next, ...begun]) expect(parseTraceparent(formatTraceparent(one))).toEqual(one);
});
