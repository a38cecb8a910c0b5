import { expect, test } from "vitest";
import { answerList, headersOf, requestList, sectionBytes } from "./fields.ts";

test("requestList() leaves pseudo fields out and makes one field of cookies, where the first stood", () => {
  const raw = [":method", "GET", "cookie", "a=1", "x-a", "1", "cookie", "b=2", "x-a", "2", "cookie", "c=3"];
  expect(requestList(raw)).toEqual(["cookie", "a=1; b=2; c=3", "x-a", "1", "x-a", "2"]);
});

test("answerList() leaves the status out, and cookies apart", () => {
  const raw = [":status", "200", "set-cookie", "a=1", "set-cookie", "b=2"];
  expect(answerList(raw)).toEqual(["set-cookie", "a=1", "set-cookie", "b=2"]);
});

test("headersOf() writes names small, keeps fields that stand twice, and takes any name for a name", () => {
  const headers = headersOf({ ":status": 200 }, ["X-A", "1", "x-a", "2", "X-A", "3", "__proto__", "p", "Via", "v"]);
  expect(Object.entries(headers)).toEqual([
    [":status", 200],
    ["x-a", ["1", "2", "3"]],
    ["__proto__", "p"],
    ["via", "v"],
  ]);
  expect(Object.getPrototypeOf(headers)).toBe(null);
});

test("sectionBytes() counts names and values", () => {
  expect(sectionBytes(["ab", "c", "", "defg"])).toBe(7);
});
