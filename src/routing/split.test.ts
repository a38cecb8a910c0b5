import { array, assert, integer, property } from "fast-check";
import { describe, expect, it } from "vitest";
import { splitSequence } from "./split.ts";

/** Random percents that total 100: differences of sorted cuts. */
const percents = array(integer({ min: 0, max: 100 }), { maxLength: 31 }).map((cuts) => {
  const edges = [0, ...cuts.toSorted((a, b) => a - b), 100];
  return edges.slice(1).map((edge, index) => edge - (edges[index] ?? 0));
});

function counts(slots: readonly number[], targets: number): number[] {
  const result = Array.from({ length: targets }, () => 0);
  for (const slot of slots) result[slot] = (result[slot] ?? 0) + 1;
  return result;
}

describe("splitSequence()", () => {
  it("gives each target exactly its percent in every window of 100 requests", () => {
    assert(
      property(percents, integer({ min: 0, max: 99 }), (shares, start) => {
        const sequence = splitSequence(shares);
        const window = Array.from({ length: 100 }, (_, slot) => sequence[(start + slot) % 100] ?? -1);
        expect(counts(window, shares.length)).toEqual(shares);
      }),
    );
  });

  it("spreads each target evenly: no share of a prefix is off by more than the number of targets", () => {
    assert(
      property(percents, integer({ min: 1, max: 100 }), (shares, length) => {
        const got = counts(Array.from(splitSequence(shares).slice(0, length)), shares.length);
        for (const [target, share] of shares.entries()) {
          expect(Math.abs((got[target] ?? 0) - (share * length) / 100)).toBeLessThanOrEqual(shares.length);
        }
      }),
    );
  });

  it("alternates an even split and spaces a small share", () => {
    expect(Array.from(splitSequence([50, 50]).slice(0, 6))).toEqual([0, 1, 0, 1, 0, 1]);
    const rare = Array.from(splitSequence([90, 9, 1]));
    const nines = rare.flatMap((target, slot) => (target === 1 ? [slot] : []));
    const gaps = nines.slice(1).map((slot, index) => slot - (nines[index] ?? 0));
    expect(Math.max(...gaps)).toBeLessThan(2 * (100 / 9));
    expect(rare.filter((target) => target === 2)).toHaveLength(1);
  });

  it("never sends to a target with 0 percent", () => {
    expect(new Set(splitSequence([0, 100, 0]))).toEqual(new Set([1]));
  });

  it.each([[[]], [[99]], [[50, 51]], [[-1, 101]], [[0.5, 99.5]]])("refuses %j", (shares) => {
    expect(() => splitSequence(shares)).toThrow(RangeError);
  });
});
