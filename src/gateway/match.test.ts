import { assert, property, string } from "fast-check";
import { expect, test } from "vitest";
import { normalizeHost, readTarget } from "./match.ts";

test.each([
  ["app.default.localhost", "app.default.localhost"],
  ["APP.Default.localhost:8080", "app.default.localhost"],
  ["app.default.localhost.", "app.default.localhost"],
  ["app.default.localhost.:80", "app.default.localhost"],
  ["app.default", "app.default"],
  ["10.0.0.1:80", "10.0.0.1"],
  ["[::1]:80", "[::1]"],
  ["[::1]", "[::1]"],
  ["a:", "a"],
])("normalizeHost() reads %s as %s", (given, wanted) => {
  expect(normalizeHost(given)).toBe(wanted);
});

test.each([
  "",
  ":80",
  "a b",
  "a@b",
  "a,b",
  "a/b",
  "a:80:81",
  "a:port",
  "a..",
  "-a",
  "[::1",
  "[::1]x",
  "ä.b",
  "a?b",
  "a#b",
  "a\tb",
  ".",
])("normalizeHost() refuses %j", (given) => {
  expect(normalizeHost(given)).toBe(undefined);
});

test("normalizeHost() never throws, and reads what it gave the same again", () => {
  assert(
    property(string(), (value) => {
      const once = normalizeHost(value);
      if (once !== undefined) expect(normalizeHost(once)).toBe(once);
    }),
  );
});

test("readTarget() prefers the authority of an absolute target", () => {
  expect(readTarget("/p?q", "A:1")).toEqual({ host: "a", authority: "A:1", path: "/p?q" });
  expect(readTarget("http://B:2/p?q", "a")).toEqual({ host: "b", authority: "B:2", path: "/p?q" });
  expect(readTarget("HTTP://b", "a")).toEqual({ host: "b", authority: "b", path: "/" });
  expect(readTarget("http://b?x=1", "a")).toEqual({ host: "b", authority: "b", path: "/?x=1" });
  expect(readTarget("*", "a")).toEqual({ host: "a", authority: "a", path: "*" });
});

test("readTarget() refuses what has no host and what is no target", () => {
  expect(readTarget("/", undefined)).toBe(undefined);
  expect(readTarget("/", "")).toBe(undefined);
  expect(readTarget("b:443", "a")).toBe(undefined);
  expect(readTarget("ftp://b/", "a")).toBe(undefined);
  expect(readTarget("http:///x", "a")).toBe(undefined);
  expect(readTarget("http://u@b/", "a")).toBe(undefined);
});
