import { execFileSync } from "node:child_process";

import { assert, constantFrom, property, string } from "fast-check";
import { expect, test } from "vitest";

import { readWanted } from "./wanted.ts";

const full = "0123456789abcdef0123456789abcdef01234567";

test.each([
  [{}, ["HEAD"], "its HEAD"],
  [{ branch: "main" }, ["refs/heads/main"], 'branch "main"'],
  [{ branch: "refs/heads/a/b" }, ["refs/heads/a/b"], 'branch "refs/heads/a/b"'],
  [{ tag: "v1.0" }, ["refs/tags/v1.0"], 'tag "v1.0"'],
  [{ ref: "refs/pull/1/head" }, ["refs/pull/1/head"], 'ref "refs/pull/1/head"'],
  [{ commit: full.toUpperCase() }, [full], `commit "${full.toUpperCase()}"`],
  [{ commit: full.slice(0, 7) }, [], 'commit "0123456"'],
])("readWanted(%j) asks for %j", (source, refs, shown) => {
  expect(readWanted(source)).toMatchObject({ refs, shown });
});

test("readWanted() tells names by SHA-256", () => {
  expect(readWanted({ commit: "a".repeat(64) }).sha256).toBe(true);
  expect(readWanted({ commit: full }).sha256).toBe(false);
});

test.each([
  { commit: "main" },
  { commit: "" },
  { commit: "abc" },
  { commit: "--all" },
  { branch: "" },
  { ref: "+a" },
  { ref: "@" },
])("readWanted(%j) is refused", (source) => {
  expect(() => readWanted(source)).toThrow(/is no (?:commit|branch|tag|ref)/);
});

test("readWanted() takes no ref that git doesn't, and none that a refspec reads otherwise", { timeout: 60_000 }, () => {
  const name = string({
    unit: constantFrom("a", "b", "/", ".", "@", "{", "~", "^", ":", "?", "*", "[", "\\", " ", "-", "+", "\n", ".lock"),
    minLength: 1,
    maxLength: 6,
  });
  assert(
    property(name, (branch) => {
      let ref: string;
      try {
        [ref = ""] = readWanted({ branch }).refs;
      } catch {
        return;
      }
      expect(ref).not.toMatch(/^[+-]|[:*]/);
      execFileSync("git", ["check-ref-format", ref]);
    }),
    { numRuns: 200 },
  );
});
