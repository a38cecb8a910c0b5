import { array, assert, integer, property } from "fast-check";
import { describe, expect, it } from "vitest";
import { assignSlots, ownersOf, sharesOf } from "./slots.ts";

const share = (revision: string, percent: number) => ({ revision, percent });

describe("assignSlots()", () => {
  it("gives slots in the order of the targets where nobody has any", () => {
    expect(sharesOf(assignSlots([], [share("a", 90), share("b", 10)]))).toEqual([
      { revisionName: "a", slots: "0-89" },
      { revisionName: "b", slots: "90-99" },
    ]);
  });

  it("takes from who shrinks and gives to who grows, and leaves the others alone", () => {
    const before = assignSlots([], [share("a", 50), share("b", 40), share("c", 10)]);
    expect(sharesOf(assignSlots(before, [share("a", 60), share("b", 40)]))).toEqual([
      { revisionName: "a", slots: "0-49,90-99" },
      { revisionName: "b", slots: "50-89" },
    ]);
  });

  it("gives a vanished Revision's clients to the next", () => {
    const before = assignSlots([], [share("a", 95), share("b", 5)]);
    expect(sharesOf(assignSlots(before, [share("c", 100)]))).toEqual([{ revisionName: "c", slots: "0-99" }]);
  });

  it("changes nothing where nothing changes", () => {
    const targets = [share("a", 33), share("b", 67)];
    const once = assignSlots([], targets);
    expect(assignSlots(once, targets.toReversed())).toEqual(once);
  });
});

describe("ownersOf()", () => {
  it("reads what sharesOf() writes", () => {
    assert(
      property(array(integer({ min: 0, max: 3 }), { minLength: 100, maxLength: 100 }), (numbers) => {
        const owners = numbers.map((number) => (number === 3 ? undefined : `r-${number}`));
        expect(ownersOf(sharesOf(owners))).toEqual(owners);
      }),
    );
  });

  it("takes a status without shares, or with odd ones, as nobody's", () => {
    expect(new Set(ownersOf(undefined))).toEqual(new Set([undefined]));
    expect(ownersOf([{ revisionName: "a", slots: "98-200,x" }]).filter((one) => one === "a")).toHaveLength(2);
  });
});
