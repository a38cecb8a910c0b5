import { Type } from "typebox";
import { expect, test } from "vitest";
import { ArrayOf, Flag, Integer, ObjectOf, Optional, Text, Unsafe } from "./schema-values.ts";

test("schema values are those of TypeBox", () => {
  const mine = ObjectOf(
    {
      needed: Text({ description: "a", maxLength: 3 }),
      list: ArrayOf(Integer({ minimum: 1, maximum: 2 }), { maxItems: 4 }),
      maybe: Optional(Flag({ default: true })),
      odd: Optional(Unsafe<never>({ description: "b" })),
      inner: Optional(ObjectOf({ x: Optional(Text({})) }, { description: "c" })),
    },
    { description: "d" },
  );
  const theirs = Type.Object(
    {
      needed: Type.String({ description: "a", maxLength: 3 }),
      list: Type.Array(Type.Integer({ minimum: 1, maximum: 2 }), { maxItems: 4 }),
      maybe: Type.Optional(Type.Boolean({ default: true })),
      odd: Type.Optional(Type.Unsafe<never>({ description: "b" })),
      inner: Type.Optional(Type.Object({ x: Type.Optional(Type.String({})) }, { description: "c" })),
    },
    { description: "d" },
  );
  expect(JSON.stringify(mine)).toBe(JSON.stringify(theirs));
});

test("Optional() leaves the schema that it is given required", () => {
  const text = Text({});
  expect(ObjectOf({ a: text, b: Optional(text) }, {})).toMatchObject({ required: ["a"] });
});
