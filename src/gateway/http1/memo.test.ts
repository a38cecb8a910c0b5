import { expect, test } from "vitest";
import { Memo, type Remembered } from "./memo.ts";

const section = (text: string): Buffer => Buffer.from(`${text}\r\n\r\n`);
const keep = (memo: Memo<Remembered>, text: string): void => memo.keep({ bytes: section(text) });
const find = (memo: Memo<Remembered>, bytes: Buffer, from = 0): string | undefined =>
  memo.find(bytes, from, bytes.length)?.bytes.toString().trimEnd();

test.each([
  ["short", "A: b"],
  ["long", `A: ${"b".repeat(100)}`],
])("find() finds a %s section where it stands, and not what only looks like it", (_what, text) => {
  const memo = new Memo();
  keep(memo, text);
  expect(find(memo, Buffer.concat([Buffer.from("xx"), section(text), Buffer.from("rest")]), 2)).toBe(text);
  expect(find(memo, section(text).subarray(0, -1))).toBe(undefined);
  for (let i = 0; i < text.length; i++) {
    expect(find(memo, section(`${text.slice(0, i)}c${text.slice(i + 1)}`))).toBe(undefined);
  }
  expect(find(memo, section(`${text}, c`))).toBe(undefined);
  expect(find(memo, section(text.slice(0, -1)))).toBe(undefined);
});

test("find() keeps what is found often, and forgets the rest", () => {
  const memo = new Memo();
  keep(memo, "A: often");
  for (let i = 0; i < 40; i++) {
    keep(memo, `A: ${i}`);
    expect(find(memo, section("A: often"))).toBe("A: often");
  }
  const left = Array.from({ length: 40 }, (_, i) => find(memo, section(`A: ${i}`))).filter((one) => one !== undefined);
  expect(left.length).toBeLessThan(16);
});

test("isKnown() says so the second time, and never of long sections", () => {
  const memo = new Memo();
  const bytes = section("Host: a\r\nX: y");
  expect([1, 2, 3].map(() => memo.isKnown(bytes, 0, bytes.length))).toEqual([false, true, true]);
  const long = section(`A: ${"b".repeat(3_000)}`);
  expect([1, 2].map(() => memo.isKnown(long, 0, long.length))).toEqual([false, false]);
});
