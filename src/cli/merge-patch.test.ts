import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mergePatch } from "./merge-patch.ts";

/** RFC 7396 §2. */
function apply(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const isMap = typeof target === "object" && target !== null && !Array.isArray(target);
  const result: Record<string, unknown> = isMap ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = apply(result[key], value);
  }
  return result;
}

const { value } = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, fc.integer(), fc.string(), fc.boolean(), fc.array(fc.integer()), tie("map")),
  map: fc.dictionary(fc.constantFrom("a", "b", "c", "d"), tie("value")),
}));
const object = fc.dictionary(fc.constantFrom("a", "b", "c", "d"), value);

describe("mergePatch", () => {
  it("mergePatch() makes the second of the first", () => {
    fc.assert(
      fc.property(object, object, (from, to) => {
        expect(apply(from, mergePatch(from, to) ?? {})).toEqual(to);
      }),
    );
  });

  it("mergePatch() is undefined where nothing changed, and holds only what did", () => {
    expect(mergePatch({ a: { b: [1, { c: 2 }] } }, { a: { b: [1, { c: 2 }] } })).toBeUndefined();
    expect(mergePatch({ a: { b: 1, c: 2 }, d: 3 }, { a: { b: 1, c: 4 } })).toEqual({ a: { c: 4 }, d: null });
  });
});
