import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { equalJson, isObject } from "./json.ts";
import { formatPointer, jsonPatch, parseJsonPatch, parsePointer, PatchFailure } from "./json-patch.ts";
import type { JsonPatchOperation } from "./json-patch.ts";
import { mergePatch } from "./merge-patch.ts";

/** Examples of RFC 6902, appendix A, and the sharp corners of its text. */
const examples: [string, unknown, unknown[], unknown][] = [
  ["A.1 add a member", { foo: "bar" }, [{ op: "add", path: "/baz", value: "qux" }], { baz: "qux", foo: "bar" }],
  [
    "A.2 add an element",
    { foo: ["bar", "baz"] },
    [{ op: "add", path: "/foo/1", value: "qux" }],
    { foo: ["bar", "qux", "baz"] },
  ],
  ["A.3 remove a member", { baz: "qux", foo: "bar" }, [{ op: "remove", path: "/baz" }], { foo: "bar" }],
  [
    "A.4 remove an element",
    { foo: ["bar", "qux", "baz"] },
    [{ op: "remove", path: "/foo/1" }],
    { foo: ["bar", "baz"] },
  ],
  [
    "A.5 replace",
    { baz: "qux", foo: "bar" },
    [{ op: "replace", path: "/baz", value: "boo" }],
    { baz: "boo", foo: "bar" },
  ],
  [
    "A.6 move a value",
    { foo: { bar: "baz", waldo: "fred" }, qux: { corge: "grault" } },
    [{ op: "move", from: "/foo/waldo", path: "/qux/thud" }],
    { foo: { bar: "baz" }, qux: { corge: "grault", thud: "fred" } },
  ],
  [
    "A.7 move an element",
    { foo: ["all", "grass", "cows", "eat"] },
    [{ op: "move", from: "/foo/1", path: "/foo/3" }],
    { foo: ["all", "cows", "eat", "grass"] },
  ],
  [
    "A.10 add a nested object",
    { foo: "bar" },
    [{ op: "add", path: "/child", value: { grandchild: {} } }],
    { foo: "bar", child: { grandchild: {} } },
  ],
  ["A.14 escapes", { "/": 9, "~1": 10 }, [{ op: "test", path: "/~01", value: 10 }], { "/": 9, "~1": 10 }],
  ["A.16 add to the end", { foo: ["bar"] }, [{ op: "add", path: "/foo/-", value: ["abc"] }], { foo: ["bar", ["abc"]] }],
  ["add replaces what is there", { a: 1 }, [{ op: "add", path: "/a", value: 2 }], { a: 2 }],
  ["the whole document", { a: 1 }, [{ op: "replace", path: "", value: { b: 2 } }], { b: 2 }],
  ["null is a value", { a: null }, [{ op: "test", path: "/a", value: null }], { a: null }],
];

const refused: [string, unknown, unknown[]][] = [
  ["A.9 a failing test", { baz: "qux" }, [{ op: "test", path: "/baz", value: "bar" }]],
  ["A.12 a missing parent", { foo: "bar" }, [{ op: "add", path: "/baz/bat", value: "qux" }]],
  ["A.15 string and number", { "/": 9 }, [{ op: "test", path: "/~1", value: "9" }]],
  ["a missing member", { a: 1 }, [{ op: "remove", path: "/b" }]],
  ["an index past the end", { a: [1] }, [{ op: "add", path: "/a/2", value: 1 }]],
  ["a leading zero", { a: [1, 2] }, [{ op: "remove", path: "/a/01" }]],
  ["a move into itself", { a: { b: {} } }, [{ op: "move", from: "/a", path: "/a/b/c" }]],
  ["a path without a slash", { a: 1 }, [{ op: "remove", path: "a" }]],
  ["an unknown op", { a: 1 }, [{ op: "frob", path: "/a" }]],
  ["no value", { a: 1 }, [{ op: "add", path: "/a" }]],
  ["no from", { a: 1 }, [{ op: "copy", path: "/a" }]],
  ["a prototype's member", {}, [{ op: "test", path: "/constructor", value: 1 }]],
];

const json = fc.jsonValue({ depthSize: "small" });

/** A JSON patch from one value to another, and so a judge of `jsonPatch` that shares nothing with it. */
function difference(from: unknown, to: unknown, path: readonly string[] = []): JsonPatchOperation[] {
  if (equalJson(from, to)) return [];
  if (!isObject(from) || !isObject(to)) return [{ op: "replace", path: formatPointer(path), value: to }];
  return [...new Set([...Object.keys(from), ...Object.keys(to)])].flatMap((name): JsonPatchOperation[] => {
    const place = [...path, name];
    if (!Object.hasOwn(to, name)) return [{ op: "remove", path: formatPointer(place) }];
    if (!Object.hasOwn(from, name)) return [{ op: "add", path: formatPointer(place), value: to[name] }];
    return difference(from[name], to[name], place);
  });
}

describe("jsonPatch()", () => {
  test.each(examples)("%s", (_, document, patch, result) => {
    expect(jsonPatch(document, parseJsonPatch(patch))).toEqual(result);
  });

  test.each(refused)("refuses %s", (_, document, patch) => {
    expect(() => jsonPatch(document, parseJsonPatch(patch))).toThrow(PatchFailure);
  });

  test("leads from any value to any other, and back", () => {
    fc.assert(
      fc.property(json, json, (from, to) => {
        expect(equalJson(jsonPatch(from, difference(from, to)), to)).toBe(true);
        expect(equalJson(jsonPatch(jsonPatch(from, difference(from, to)), difference(to, from)), from)).toBe(true);
      }),
    );
  });

  test("leaves the document and the patch alone", () => {
    fc.assert(
      fc.property(json, json, (from, to) => {
        const before = JSON.stringify([from, to]);
        const result = jsonPatch(from, difference(from, to));
        if (isObject(result)) result["changed"] = true;
        expect(JSON.stringify([from, to])).toBe(before);
      }),
    );
  });

  test("refuses to copy copies until nothing fits", () => {
    const document = { a: "x".repeat(1000) };
    const bomb = Array.from({ length: 40 }, (_, index) => ({ op: "copy", from: "", path: `/c${index}` }));
    expect(() => jsonPatch(document, parseJsonPatch(bomb))).toThrow("The patch copies more than 3145728 bytes");
  });

  test("never reaches a prototype", () => {
    const patched = jsonPatch({}, parseJsonPatch([{ op: "add", path: "/__proto__", value: { polluted: true } }]));
    expect(Object.keys(patched as object)).toEqual(["__proto__"]);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test("parsePointer() undoes formatPointer()", () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (parts) => {
        expect(parsePointer(formatPointer(parts))).toEqual(parts);
      }),
    );
  });
});

/** The examples of RFC 7386, appendix A. */
const merges: [unknown, unknown, unknown][] = [
  [{ a: "b" }, { a: "c" }, { a: "c" }],
  [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
  [{ a: "b" }, { a: null }, {}],
  [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
  [{ a: ["b"] }, { a: "c" }, { a: "c" }],
  [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
  [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
  [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
  [
    ["a", "b"],
    ["c", "d"],
    ["c", "d"],
  ],
  [{ a: "b" }, ["c"], ["c"]],
  [{ a: "foo" }, null, null],
  [{ a: "foo" }, "bar", "bar"],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: "b", c: null }, { a: "b" }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
];

describe("mergePatch()", () => {
  test.each(merges)("%j with %j", (target, patch, result) => {
    expect(mergePatch(target, patch)).toEqual(result);
  });

  test("applied twice does what it does once", () => {
    fc.assert(
      fc.property(json, json, (target, patch) => {
        const once = mergePatch(target, patch);
        expect(equalJson(mergePatch(once, patch), once)).toBe(true);
      }),
    );
  });

  test("an empty object changes no object", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), json), (target) => {
        expect(equalJson(mergePatch(target, {}), target)).toBe(true);
      }),
    );
  });
});
