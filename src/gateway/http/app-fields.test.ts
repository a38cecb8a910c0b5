import { expect, test } from "vitest";
import { AppFields, FieldsMemo } from "./app-fields.ts";

function counting(): { ask: (raw: string[], authority?: string, expects?: boolean) => string } {
  const memo = new FieldsMemo();
  let made = 0;
  return {
    ask: (raw, authority = "a", expects = false) =>
      memo.get({ raw, authority, expects }, () => new AppFields(["Host", authority, "x-made", String((made += 1))]))
        .lines,
  };
}

test("what came the last time is made once, and anything that differs anew", () => {
  const { ask } = counting();
  const first = ask(["accept", "x", "cookie", "a=1"]);
  expect(ask(["accept", "x", "cookie", "a=1"])).toBe(first);
  const others: [string[], string?, boolean?][] = [
    [["accept", "x", "cookie", "a=2"]],
    [["accept", "x"]],
    [["accept", "x", "cookie", "a=1", "cookie", "a=1"]],
    [["cookie", "a=1", "accept", "x"]],
    [["accept", "x", "cookie", "a=1"], "b"],
    [["accept", "x", "cookie", "a=1"], "a", true],
  ];
  const made = new Set(others.map(([raw, authority, expects]) => ask(raw, authority, expects)));
  expect(made.size).toBe(others.length);
  expect(made.has(first)).toBe(false);
});

test("long fields aren't kept", () => {
  const { ask } = counting();
  const long = ["cookie", "a".repeat(3_000)];
  expect(ask(long)).not.toBe(ask(long));
});
