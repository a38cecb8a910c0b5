import { array, assert, double, integer, property, record } from "fast-check";
import { describe, expect, it } from "vitest";
import { LoadWindow } from "./load-window.ts";

const start = 1_767_225_600_000;

describe("LoadWindow", () => {
  it("averages over what the window covers, and over less at the beginning", () => {
    const window = new LoadWindow(60_000, start);
    expect(window.average(start, 60_000)).toBe(0);
    window.record(start, start + 1_000, 4);
    expect(window.average(start + 1_000, 60_000)).toBe(4);
    window.record(start + 1_000, start + 2_000, 0);
    expect(window.average(start + 2_000, 60_000)).toBe(2);
    expect(window.average(start + 60_000, 60_000)).toBeCloseTo(4 / 60, 12);
    expect(window.average(start + 6_000, 6_000)).toBeCloseTo(4 / 6, 12);
    expect(window.average(start + 7_000, 6_000)).toBe(0);
    expect(window.average(start + 61_000, 60_000)).toBe(0);
  });

  it("adds what several gateways saw at the same time", () => {
    const window = new LoadWindow(60_000, start);
    for (const value of [1, 2, 3]) window.record(start, start + 1_000, value);
    expect(window.average(start + 1_000, 6_000)).toBe(6);
  });

  it("begins in the middle of a bucket without counting the time before", () => {
    const window = new LoadWindow(60_000, start + 700);
    window.record(start, start + 1_000, 5);
    expect(window.average(start + 1_000, 60_000)).toBeCloseTo(5, 12);
  });

  it("takes of the bucket at the far edge its share", () => {
    const window = new LoadWindow(60_000, start);
    window.record(start, start + 1_000, 10);
    expect(window.average(start + 6_500, 6_000)).toBeCloseTo((10 * 0.5) / 6, 12);
  });

  it("forgets what a long silence has pushed out", () => {
    const window = new LoadWindow(60_000, start);
    window.record(start, start + 1_000, 100);
    window.record(start + 1_000_000, start + 1_001_000, 6);
    expect(window.average(start + 1_001_000, 60_000)).toBeCloseTo(0.1, 12);
    window.record(start + 10, start + 20, 1_000);
    expect(window.average(start + 1_001_000, 60_000)).toBeCloseTo(0.1, 12);
  });

  it("is exact: the same as adding all areas up, for windows of whole buckets and reports of any length", () => {
    const step = record({
      ms: integer({ min: 1, max: 5_000 }),
      value: double({ min: 0, max: 500, noNaN: true }),
    });
    assert(
      property(array(step, { minLength: 1, maxLength: 150 }), integer({ min: 1, max: 60 }), (steps, buckets) => {
        const window = new LoadWindow(60_000, start);
        const pieces: { from: number; to: number; value: number }[] = [];
        let time = start;
        for (const { ms, value } of steps) {
          pieces.push({ from: time, to: time + ms, value });
          window.record(time, time + ms, value);
          time += ms;
        }
        // To the end of the last bucket, so that the window covers whole ones.
        const now = Math.ceil(time / 1_000) * 1_000;
        const begin = Math.max(start, now - buckets * 1_000);
        const area = pieces.reduce(
          (sum, { from, to, value }) => sum + Math.max(0, to - Math.max(from, begin)) * value,
          0,
        );
        expect(window.average(now, buckets * 1_000)).toBeCloseTo(area / (now - begin), 6);
      }),
    );
  });
});
