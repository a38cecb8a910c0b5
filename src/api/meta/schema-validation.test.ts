import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allKinds } from "../kinds.ts";
import type { Schema } from "./kind.ts";
import { objectSchema } from "./object-schema.ts";
import { maxFaults, validateSchema } from "./schema-validation.ts";
import { wellFormed } from "./well-formed.ts";

const type = (actual: string, wanted: string) => ({
  reason: "FieldValueTypeInvalid",
  message: `Invalid value: "${actual}": spec.x in body must be of type ${wanted}: "${actual}"`,
  field: "spec.x",
});
const fault = (reason: string, message: string, field = "spec.x") => ({ reason, message, field });

describe("validateSchema()", () => {
  test.each<[string, Schema, unknown, object[]]>([
    ["a string for an integer", { type: "integer" }, "1", [type("string", "integer")]],
    ["a fraction for an integer", { type: "integer" }, 1.5, [type("number", "integer")]],
    ["an object for a list", { type: "array" }, {}, [type("object", "array")]],
    ["a list for an object", { type: "object" }, [], [type("array", "object")]],
    ["null for a string, in a list", { type: "string" }, null, [type("null", "string")]],
    ["a number for a boolean", { type: "boolean" }, 1, [type("integer", "boolean")]],
    ["a boolean for a port", { "x-kubernetes-int-or-string": true }, true, [type("boolean", "integer,string")]],
    ["an integer for a number", { type: "number" }, 1, []],
    ["a name for a port", { "x-kubernetes-int-or-string": true }, "http", []],
    [
      "too small",
      { type: "integer", minimum: 0 },
      -1,
      [fault("FieldValueInvalid", "Invalid value: -1: spec.x in body should be greater than or equal to 0")],
    ],
    [
      "too large",
      { type: "integer", maximum: 100 },
      101,
      [fault("FieldValueInvalid", "Invalid value: 101: spec.x in body should be less than or equal to 100")],
    ],
    [
      "too long",
      { type: "string", maxLength: 2 },
      "abc",
      [fault("FieldValueTooLong", "Too long: may not be longer than 2")],
    ],
    ["characters beyond the first 65,536 counted once", { type: "string", maxLength: 2 }, "😀😀", []],
    [
      "too short",
      { type: "string", minLength: 1 },
      "",
      [fault("FieldValueInvalid", 'Invalid value: "": spec.x in body should be at least 1 chars long')],
    ],
    [
      "another pattern",
      { type: "string", pattern: "^[a-z0-9-]+$" },
      "UP",
      [fault("FieldValueInvalid", "Invalid value: \"UP\": spec.x in body should match '^[a-z0-9-]+$'")],
    ],
    [
      "none of the values",
      { type: "string", enum: ["External", "ClusterLocal"] },
      "Public",
      [fault("FieldValueNotSupported", 'Unsupported value: "Public": supported values: "External", "ClusterLocal"')],
    ],
    [
      "no time",
      { type: "string", format: "date-time" },
      "yesterday",
      [
        fault(
          "FieldValueTypeInvalid",
          'Invalid value: "yesterday": spec.x in body must be of type date-time: "yesterday"',
        ),
      ],
    ],
    ["a time with a fraction and a zone", { type: "string", format: "date-time" }, "2026-01-02T03:04:05.678+02:00", []],
    [
      "a time that is none",
      { type: "string", format: "date-time" },
      "2026-13-02T03:04:05Z",
      [
        fault(
          "FieldValueTypeInvalid",
          'Invalid value: "2026-13-02T03:04:05Z": spec.x in body must be of type date-time: "2026-13-02T03:04:05Z"',
        ),
      ],
    ],
    [
      "too many items, which are not looked at",
      { type: "array", maxItems: 1, items: { type: "string" } },
      [1, 2],
      [fault("FieldValueTooMany", "Too many: 2: must have at most 1 items")],
    ],
    [
      "too many entries",
      { type: "object", maxProperties: 1, additionalProperties: { type: "string" } },
      { a: "1", b: "2" },
      [fault("FieldValueTooMany", "Too many: 2: must have at most 1 items")],
    ],
    [
      "a map's value",
      { type: "object", additionalProperties: { type: "string" } },
      { a: 1 },
      [
        fault(
          "FieldValueTypeInvalid",
          'Invalid value: "integer": spec.x.a in body must be of type string: "integer"',
          "spec.x.a",
        ),
      ],
    ],
    [
      "what is required and absent or null",
      { type: "object", required: ["a", "b"], properties: { a: {}, b: {} } },
      { b: null },
      [
        fault("FieldValueRequired", "Required value", "spec.x.a"),
        fault("FieldValueRequired", "Required value", "spec.x.b"),
      ],
    ],
    [
      "what is refused, unless it says nothing",
      {
        type: "object",
        properties: Object.fromEntries(
          ["a", "b", "c"].map((name) => [name, { "x-elafros-refused": "not supported yet" }]),
        ),
      },
      { a: [], b: "", c: false },
      [fault("FieldValueForbidden", "Forbidden: not supported yet", "spec.x.a")],
    ],
    [
      "a key twice",
      {
        type: "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["n"],
        items: { type: "object" },
      },
      [{ n: "a" }, {}, { n: "b" }, {}, { n: "a" }],
      [fault("FieldValueDuplicate", 'Duplicate value: "a"', "spec.x[4].n")],
    ],
    [
      "an element of a set twice",
      { type: "array", "x-kubernetes-list-type": "set" },
      ["a", "b", "a"],
      [fault("FieldValueDuplicate", 'Duplicate value: "a"', "spec.x[2]")],
    ],
  ])("tells of %s", (_, schema, value, expected) => {
    expect(validateSchema(schema, value, "spec.x")).toEqual(expected);
  });

  test("passes over optional fields that are null", () => {
    expect(validateSchema({ type: "object", properties: { a: { type: "string" } } }, { a: null })).toEqual([]);
  });

  test("doesn't take what every JavaScript object inherits for a field", () => {
    const schema: Schema = {
      type: "object",
      required: ["constructor"],
      properties: { constructor: { type: "string" } },
    };
    expect(validateSchema(schema, {}).map(({ field }) => field)).toEqual(["constructor"]);
  });

  test("cuts long values in messages, and a long list of faults", () => {
    const [long] = validateSchema({ enum: ["a"] }, "x".repeat(1_000_000), "f");
    expect(long?.message.length).toBeLessThan(2000);
    const faults = validateSchema(
      { type: "array", items: { type: "string" } },
      Array.from({ length: 200_000 }, () => 1),
    );
    expect(faults).toHaveLength(maxFaults);
  });

  test("never throws, for any JSON value and every kind", () => {
    fc.assert(
      fc.property(fc.constantFrom(...allKinds), fc.jsonValue(), (kind, value) => {
        for (const whole of [value, { spec: value }, { spec: { rollout: value } }, { data: value, rules: value }]) {
          expect(Array.isArray(validateSchema(objectSchema(kind), whole))).toBe(true);
        }
      }),
    );
  });
});

describe("wellFormed()", () => {
  const schema: Schema = {
    type: "object",
    required: ["name", "count", "inner", "list"],
    properties: {
      name: { type: "string", maxLength: 3 },
      count: { type: "integer" },
      note: { type: "string" },
      inner: { type: "object", required: ["list"], properties: { list: { type: "array", items: { type: "string" } } } },
      list: {
        type: "array",
        maxItems: 2,
        items: { type: "object", required: ["a"], properties: { a: { type: "string" } } },
      },
      labels: { type: "object", additionalProperties: { type: "string" } },
    },
  };

  test("completes what is required and missing with something neutral", () => {
    expect(wellFormed(schema, {})).toEqual({ name: "", count: Number.NaN, inner: { list: [] }, list: [] });
    expect(wellFormed(schema, "nonsense")).toEqual(wellFormed(schema, {}));
  });

  test("takes out what has the wrong type and cuts what is too long", () => {
    const value = {
      name: "abcdef",
      count: "1",
      note: 5,
      inner: [],
      list: [{}, 3, { a: "x" }],
      labels: { a: 1, b: "c" },
    };
    expect(wellFormed(schema, value)).toEqual({
      name: "abc",
      count: Number.NaN,
      inner: { list: [] },
      list: [{ a: "" }, { a: "" }],
      labels: { b: "c" },
    });
  });

  test("leaves a good value as it is", () => {
    const value = { name: "abc", count: 1, note: "n", inner: { list: ["a"] }, list: [{ a: "x" }], labels: { b: "c" } };
    expect(wellFormed(schema, value)).toEqual(value);
  });
});
