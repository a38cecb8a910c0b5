import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allKinds } from "../kinds.ts";
import { Route } from "../route.ts";
import type { Schema } from "./kind.ts";
import { objectSchema } from "./object-schema.ts";
import { applyDefaults, foldNames, maxUnknownFields, prune, unknownFields } from "./schema.ts";

const schema: Schema = {
  type: "object",
  properties: {
    name: { type: "string", default: "none" },
    size: { type: "integer" },
    labels: { type: "object", additionalProperties: { type: "string" } },
    parts: {
      type: "array",
      items: { type: "object", properties: { itemName: { type: "string", default: "x" } } },
    },
    free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
    echo: { type: "array", "x-elafros-dropped": true },
  },
};

/** A map whose only key is `__proto__`, as JSON.parse makes it. */
const protoKey: unknown = JSON.parse('{"__proto__": "a"}');

describe("foldNames()", () => {
  test("finds names that differ in case, at every level and in patches", () => {
    expect(foldNames(schema, { NAME: "a", Parts: [{ itemname: "b" }], $patch: "replace" })).toEqual({
      name: "a",
      parts: [{ itemName: "b" }],
      $patch: "replace",
    });
  });

  test("finds `Traffic`, as the examples send it", () => {
    const patch = { spec: { rollout: { Traffic: [{ RevisionName: "a", percent: 100 }] } } };
    expect(foldNames(objectSchema(Route), patch)).toEqual({
      spec: { rollout: { traffic: [{ revisionName: "a", percent: 100 }] } },
    });
  });

  test("leaves an inexact name where the exact one is there too", () => {
    expect(foldNames(schema, { Size: 1, size: 2 })).toEqual({ Size: 1, size: 2 });
    expect(foldNames(schema, { size: 2, SIZE: 1 })).toEqual({ size: 2, SIZE: 1 });
  });

  test("takes the first of two inexact names", () => {
    expect(foldNames(schema, { Size: 1, SIZE: 2 })).toEqual({ size: 1, SIZE: 2 });
  });

  test("never touches the keys of maps, nor what the schema doesn't know", () => {
    const value = { labels: { Name: "a", NAME: "b", SIZE: "c" }, free: { NAME: { Size: 1 } } };
    expect(foldNames(schema, value)).toEqual(value);
  });

  test("keeps null, which means something in patches", () => {
    expect(foldNames(schema, { NAME: null })).toEqual({ name: null });
  });
});

describe("unknownFields()", () => {
  test("gives paths, those of metadata first", () => {
    const route = {
      apiVersion: "elafros.dev/v1alpha1",
      kind: "Route",
      metadata: { name: "unknown", colour: "red" },
      spec: { rollout: { traffic: [{ configurationName: "a", percent: 100, weight: 3 }] }, bogus: 1 },
      extra: { a: 1 },
    };
    expect(unknownFields(objectSchema(Route), route)).toEqual([
      "metadata.colour",
      "extra",
      "spec.bogus",
      "spec.rollout.traffic[0].weight",
    ]);
  });

  test("knows names such as constructor and __proto__ for what they are", () => {
    expect(unknownFields(schema, { constructor: 1, toString: 2 })).toEqual(["constructor", "toString"]);
    expect(unknownFields(schema, protoKey)).toEqual(["__proto__"]);
    expect(unknownFields(schema, { labels: protoKey })).toEqual([]);
  });

  test("ends with a limited number", () => {
    const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, key) => [`f${key}`, 1]));
    expect(unknownFields(schema, many)).toHaveLength(maxUnknownFields);
  });
});

describe("prune()", () => {
  test("drops unknown fields, fields that are null, and those that are never kept", () => {
    const value = { name: null, size: 1, bogus: 1, labels: { a: "b", c: null }, free: { any: null }, echo: [1] };
    expect(prune(schema, value)).toEqual({ size: 1, labels: { a: "b" }, free: { any: null } });
  });

  test("keeps a map's key __proto__ without making it a prototype", () => {
    const pruned = prune(schema, { labels: protoKey }) as { labels: object };
    expect(Object.keys(pruned.labels)).toEqual(["__proto__"]);
    expect(Object.getPrototypeOf(pruned.labels)).toBe(Object.prototype);
    expect(prune(schema, protoKey)).toEqual({});
  });

  test("leaves values of the wrong type to validation", () => {
    expect(prune(schema, { labels: 1, parts: "x" })).toEqual({ labels: 1, parts: "x" });
  });
});

describe("applyDefaults()", () => {
  test("fills in what is absent or null, inside of what is there", () => {
    expect(applyDefaults(schema, { parts: [{}, { itemName: "y" }] })).toEqual({
      name: "none",
      parts: [{ itemName: "x" }, { itemName: "y" }],
    });
    expect(applyDefaults(schema, { name: null })).toEqual({ name: "none" });
  });

  test("gives every object a default of its own", () => {
    const listed: Schema = { type: "object", properties: { list: { type: "array", default: [] } } };
    const [a, b] = [applyDefaults(listed, {}), applyDefaults(listed, {})] as { list: unknown[] }[];
    a?.list.push(1);
    expect(b?.list).toEqual([]);
  });
});

describe("for any JSON value and every kind", () => {
  const functions = { foldNames, prune, applyDefaults };
  const kinds = fc.constantFrom(...allKinds);

  test.each(Object.entries(functions))(
    "%s() doesn't throw, changes nothing in place and is idempotent",
    (_, change) => {
      fc.assert(
        fc.property(kinds, likeObjects(), (kind, value) => {
          const before = JSON.stringify(value);
          const once = change(objectSchema(kind), value);
          expect(JSON.stringify(value)).toBe(before);
          expect(change(objectSchema(kind), once)).toEqual(once);
        }),
      );
    },
  );

  test("prune() leaves nothing unknown", () => {
    fc.assert(
      fc.property(kinds, likeObjects(), (kind, value) => {
        expect(unknownFields(objectSchema(kind), prune(objectSchema(kind), value))).toEqual([]);
      }),
    );
  });

  test("a value nested a hundred thousand times is no deeper than the schema", () => {
    let deep: unknown = {};
    for (let level = 0; level < 100_000; level += 1) deep = { spec: deep };
    for (const kind of allKinds) {
      expect(unknownFields(objectSchema(kind), deep).length).toBeLessThanOrEqual(1);
      expect(() => foldNames(objectSchema(kind), deep)).not.toThrow();
      expect(() => applyDefaults(objectSchema(kind), deep)).not.toThrow();
      expect(() => prune(objectSchema(kind), deep)).not.toThrow();
    }
  });
});

/** JSON whose field names are often those of the kinds, in any case. */
function likeObjects(): fc.Arbitrary<unknown> {
  const known = ["spec", "Spec", "status", "metadata", "labels", "rollout", "Traffic", "percent", "name", "container"];
  const name = fc.oneof(fc.constantFrom(...known, "revisionTemplate", "env", "__proto__", "constructor"), fc.string());
  return fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "medium" },
      fc.constantFrom(null, true, 0, -1, 1.5, 1e300, "", "a", "100"),
      fc.string(),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.array(fc.tuple(name, tie("value")), { maxLength: 6 }).map((entries) => Object.fromEntries(entries)),
    ),
  })).value;
}
