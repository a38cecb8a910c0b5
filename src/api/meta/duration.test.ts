import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatDuration, parseDuration } from "./duration.ts";

describe("parseDuration()", () => {
  test.each([
    ["0", 0],
    ["0s", 0],
    ["4s", 4000],
    ["1m30s", 90_000],
    ["1h0m0s", 3_600_000],
    ["1.5h", 5_400_000],
    [".5s", 500],
    ["250ms", 250],
    ["100us", 0.1],
    ["100µs", 0.1],
    ["-4s", -4000],
    ["+4s", 4000],
    ["-0", 0],
  ])("reads %s", (text, ms) => {
    expect(parseDuration(text)).toBeCloseTo(ms, 6);
  });

  test.each([
    "",
    "4",
    "s",
    "4 s",
    "4S",
    "4d",
    "1m 30s",
    "1e3s",
    "4s4",
    ".s",
    "1.2.3s",
    "-",
    "P1D",
    "9999999999h",
    `${"1".repeat(64)}s`,
  ])("refuses %j", (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  test("never throws, whatever the text", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const ms = parseDuration(text);
        expect(ms === undefined || Number.isFinite(ms)).toBe(true);
      }),
    );
  });

  test("reads what formatDuration() writes", () => {
    fc.assert(
      fc.property(fc.integer({ min: -(10 ** 12), max: 10 ** 12 }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBeCloseTo(ms, 3);
      }),
    );
  });
});

test.each([
  [0, "0s"],
  [250, "250ms"],
  [4000, "4s"],
  [1500, "1.5s"],
  [90_000, "1m30s"],
  [3_600_000, "1h0m0s"],
  [-4000, "-4s"],
])("formatDuration() writes %i ms as Go does", (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});
