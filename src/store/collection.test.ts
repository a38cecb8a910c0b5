import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Collection } from "./collection.ts";

interface Value {
  n: number;
}

const step = fc.record({ key: fc.constantFrom("a/x", "a/y", "a-b/x", "b/x", "b/z", "c/x"), gone: fc.boolean() });

/** A collection with these steps made, and what a plain map held after each. */
function made(steps: readonly { key: string; gone: boolean }[]): {
  collection: Collection<Value>;
  states: [string, number][][];
} {
  const collection = new Collection<Value>(0);
  const model = new Map<string, number>();
  const states: [string, number][][] = [[]];
  for (const [index, { key, gone }] of steps.entries()) {
    const revision = index + 1;
    const deleted = gone && model.has(key);
    if (deleted) model.delete(key);
    else model.set(key, revision);
    collection.apply({ key, revision, value: { n: revision }, deleted });
    states.push([...model].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }
  return { collection, states };
}

describe("Collection", () => {
  test("rangeAt() gives the state at each revision, and range() the newest, in key order", () => {
    fc.assert(
      fc.property(fc.array(step), fc.constantFrom("", "a/", "b/"), (steps, prefix) => {
        const { collection, states } = made(steps);
        const shown = (revision: number): unknown =>
          collection.rangeAt(prefix, revision)?.map(({ key, value, revision: at }) => {
            expect(at).toBe(value.n);
            return [key, value.n];
          });
        for (const [revision, state] of states.entries()) {
          expect(shown(revision)).toEqual(state.filter(([key]) => key.startsWith(prefix)));
        }
        expect(collection.range(prefix)).toEqual(collection.rangeAt(prefix, steps.length));
      }),
    );
  });

  test("changesAfter() gives each later change once, until it is forgotten", () => {
    fc.assert(
      fc.property(fc.array(step), fc.nat(20), fc.nat(20), (steps, after, forget) => {
        const { collection } = made(steps);
        for (let count = 0; count < forget; count += 1) collection.forget();
        const forgotten = Math.min(forget, steps.length);
        const revisions = collection.changesAfter(after, 1000)?.map(({ revision }) => revision);
        const expected = steps.map((_, index) => index + 1).filter((revision) => revision > after);
        expect(revisions).toEqual(after < forgotten ? undefined : expected);
      }),
    );
  });

  test("restore() gives what the file needn't keep", () => {
    const collection = new Collection<Value>(9);
    const version = (key: string, revision: number, deleted = false) => ({
      key,
      revision,
      value: { n: revision },
      deleted,
    });
    expect(collection.restore(version("a", 1), 1)).toEqual([]);
    expect(collection.restore(version("b", 2), 2)).toEqual([]);
    expect(collection.restore(version("a", 3), 1)).toEqual([1]);
    expect(collection.restore(version("b", 4, true), 2)).toEqual([2, 4]);
    expect(collection.range("").map(({ key, revision, created }) => [key, revision, created])).toEqual([["a", 3, 1]]);
  });
});
