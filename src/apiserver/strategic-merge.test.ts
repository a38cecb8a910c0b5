import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Configuration } from "../api/configuration.ts";
import type { Schema } from "../api/meta/kind.ts";
import { objectSchema } from "../api/meta/object-schema.ts";
import { equalJson } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { PatchFailure } from "./json-patch.ts";
import { mergePatch } from "./merge-patch.ts";
import { strategicMerge } from "./strategic-merge.ts";

const env: Schema = {
  type: "array",
  "x-kubernetes-list-type": "map",
  "x-kubernetes-list-map-keys": ["name"],
  items: {
    type: "object",
    properties: {
      name: { type: "string" },
      value: { type: "string" },
      more: { type: "object", additionalProperties: { type: "string" } },
    },
  },
};
const schema: Schema = {
  type: "object",
  properties: {
    env,
    tags: { type: "array", items: { type: "string" }, "x-kubernetes-list-type": "set" },
    traffic: { type: "array", items: { type: "object" }, "x-kubernetes-list-type": "atomic" },
    source: { type: "object", properties: { a: {}, b: {} } },
    labels: { type: "object", additionalProperties: { type: "string" } },
  },
};

const e = (name: string, value?: string): JsonObject => (value === undefined ? { name } : { name, value });
const three = { env: [e("A", "1"), e("B", "2"), e("C", "3")] };

const rows: [string, JsonObject, JsonObject, JsonObject][] = [
  [
    "changes one element and keeps the others in place",
    three,
    { env: [e("B", "x")] },
    { env: [e("A", "1"), e("B", "x"), e("C", "3")] },
  ],
  [
    "puts new elements first, as Kubernetes does",
    { env: [e("A", "1")] },
    { env: [e("B", "2")] },
    { env: [e("B", "2"), e("A", "1")] },
  ],
  ["deletes an element", three, { env: [{ $patch: "delete", name: "B" }] }, { env: [e("A", "1"), e("C", "3")] }],
  ["deletes an element that isn't there", three, { env: [{ $patch: "delete", name: "Z" }] }, three],
  ["replaces a list that merges", three, { env: [{ $patch: "replace" }, e("Z", "9")] }, { env: [e("Z", "9")] }],
  [
    "orders a list",
    three,
    { "$setElementOrder/env": [e("C"), e("A"), e("B")] },
    { env: [e("C", "3"), e("A", "1"), e("B", "2")] },
  ],
  [
    "orders what a patch adds",
    three,
    { "$setElementOrder/env": [e("A"), e("N"), e("B"), e("C")], env: [e("N", "new")] },
    { env: [e("A", "1"), e("N", "new"), e("B", "2"), e("C", "3")] },
  ],
  [
    "keeps what the order doesn't name where it stood",
    three,
    { "$setElementOrder/env": [e("B"), e("C")], env: [e("C", "x")] },
    { env: [e("A", "1"), e("B", "2"), e("C", "x")] },
  ],
  ["unites a set", { tags: ["a", "b"] }, { tags: ["b", "c"] }, { tags: ["a", "b", "c"] }],
  ["deletes from a set", { tags: ["a", "b"] }, { "$deleteFromPrimitiveList/tags": ["a"] }, { tags: ["b"] }],
  ["replaces an atomic list", { traffic: [{ a: 1 }, { b: 2 }] }, { traffic: [{ c: 3 }] }, { traffic: [{ c: 3 }] }],
  ["null removes", { labels: { a: "1", b: "2" } }, { labels: { a: null } }, { labels: { b: "2" } }],
  ["replaces an object", { source: { a: 1, b: 2 } }, { source: { $patch: "replace", a: 3 } }, { source: { a: 3 } }],
  ["empties an object", { source: { a: 1 } }, { source: { $patch: "delete" } }, { source: {} }],
  [
    "keeps only what $retainKeys names",
    { source: { a: 1, b: 2 } },
    { source: { $retainKeys: ["b"], b: 4 } },
    { source: { b: 4 } },
  ],
  [
    "drops nulls and directives where there is nothing yet",
    {},
    { source: { a: 1, b: null, $retainKeys: ["a"] } },
    { source: { a: 1 } },
  ],
  [
    "drops deletions where there is nothing yet",
    {},
    { env: [{ $patch: "delete", name: "A" }, e("B", "2")] },
    { env: [e("B", "2")] },
  ],
  [
    "merges maps in elements",
    { env: [{ name: "A", more: { x: "1" } }] },
    { env: [{ name: "A", more: { y: "2" } }] },
    { env: [{ name: "A", more: { x: "1", y: "2" } }] },
  ],
  ["a list takes the place of something else", { env: "x" }, { env: [e("A")] }, { env: [e("A")] }],
];

const refused: [string, JsonObject, JsonObject][] = [
  ["an element without its key", three, { env: [{ value: "1" }] }],
  ["an element that is no object", three, { env: ["A"] }],
  ["an unknown directive", three, { $patch: "frob" }],
  ["a field that $retainKeys leaves out", { source: {} }, { source: { $retainKeys: ["a"], b: 1 } }],
  ["a list that is longer than could make sense", three, { env: Array.from({ length: 10_001 }, (_, n) => e(`n${n}`)) }],
  ["an order that is no list", three, { "$setElementOrder/env": "A" }],
];

const names = fc.constantFrom("A", "B", "C", "D", "E");
const list = fc.uniqueArray(fc.record({ name: names, value: fc.string({ maxLength: 3 }) }), {
  selector: ({ name }) => name,
});
const object = fc.record(
  { env: list, labels: fc.dictionary(names, fc.string({ maxLength: 3 })) },
  { requiredKeys: [] },
);

describe("strategicMerge()", () => {
  test.each(rows)("%s", (_, target, patch, result) => {
    const before = JSON.stringify([target, patch]);
    expect(strategicMerge(target, patch, schema)).toEqual(result);
    expect(JSON.stringify([target, patch])).toBe(before);
  });

  test.each(refused)("refuses %s", (_, target, patch) => {
    expect(() => strategicMerge(target, patch, schema)).toThrow(PatchFailure);
  });

  test("an empty patch changes nothing", () => {
    fc.assert(
      fc.property(object, (target) => {
        expect(strategicMerge(target, {}, schema)).toEqual(target);
      }),
    );
  });

  test("a patch applied twice does what it does once", () => {
    fc.assert(
      fc.property(object, object, (target, patch) => {
        const once = strategicMerge(target, patch, schema);
        expect(equalJson(strategicMerge(once, patch, schema), once)).toBe(true);
      }),
    );
  });

  test("elements are the union by key, the patch's values winning", () => {
    fc.assert(
      fc.property(list, list, (target, patch) => {
        const merged = strategicMerge({ env: target }, { env: patch }, schema)["env"] as {
          name: string;
          value: string;
        }[];
        const expected = new Map([...target, ...patch].map(({ name, value }) => [name, value]));
        expect(new Map(merged.map(({ name, value }) => [name, value]))).toEqual(expected);
        expect(merged).toHaveLength(expected.size);
      }),
    );
  });

  test("$setElementOrder gives exactly its order", () => {
    fc.assert(
      fc.property(list, fc.shuffledSubarray(["A", "B", "C", "D", "E"], { minLength: 5 }), (target, order) => {
        const patch = { "$setElementOrder/env": order.map((name) => ({ name })) };
        const merged = strategicMerge({ env: target }, patch, schema)["env"] as { name: string }[];
        const there = new Set<string>(target.map(({ name }) => name));
        expect(merged.map(({ name }) => name)).toEqual(order.filter((name) => there.has(name)));
      }),
    );
  });

  test("without lists it is a merge patch", () => {
    const plain = fc.record(
      { labels: fc.dictionary(names, fc.option(fc.string({ maxLength: 3 }))) },
      { requiredKeys: [] },
    );
    const stored = fc.record({ labels: fc.dictionary(names, fc.string({ maxLength: 3 })) });
    fc.assert(
      fc.property(stored, plain, (target, patch) => {
        expect(strategicMerge(target, patch, schema)).toEqual(mergePatch(target, patch));
      }),
    );
  });

  test("follows the schema of a Configuration: volumes and env by name, args whole", () => {
    const template = (spec: object): JsonObject => ({ spec: { revisionTemplate: { spec } } });
    const merged = strategicMerge(
      template({
        container: { image: "a", args: ["1", "2"], env: [e("A", "1")] },
        volumes: [{ name: "v", emptyDir: {} }],
      }),
      template({ container: { args: ["3"], env: [e("A", "2")] }, volumes: [{ name: "w", emptyDir: {} }] }),
      objectSchema(Configuration),
    );
    expect(merged).toEqual(
      template({
        container: { image: "a", args: ["3"], env: [e("A", "2")] },
        volumes: [
          { name: "w", emptyDir: {} },
          { name: "v", emptyDir: {} },
        ],
      }),
    );
  });
});
