import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { assert, constantFrom, dictionary, property } from "fast-check";
import { expect, test } from "vitest";

import { leadsOutside } from "./links.ts";

test.each([
  ["a", { a: "b/c" }, false],
  ["a", { a: "" }, false],
  ["a", { a: "." }, false],
  ["a", { a: "a" }, false],
  ["a", { a: "b", b: "a" }, false],
  ["a", { a: "/b" }, true],
  ["a", { a: ".." }, true],
  ["d/a", { "d/a": ".." }, false],
  ["d/a", { "d/a": "../.." }, true],
  ["a", { a: "p/q/b/../..", "p/q/b": ".." }, true],
  ["a", { a: "b/x", b: "/etc" }, true],
  ["d/a", { "d/a": "../e/../../x" }, true],
])("leadsOutside(%s) with links %j is %s", (path, links, expected) => {
  expect(leadsOutside(path, new Map(Object.entries(links)))).toBe(expected);
});

test("leadsOutside() agrees with what the system makes of the same links", { timeout: 60_000 }, () => {
  const path = constantFrom("a", "b", "d/a", "d/b", "d/e/a");
  const target = constantFrom(
    "a",
    "b",
    "d",
    "..",
    "../..",
    "d/a",
    "d/b/..",
    "../d/a/../..",
    ".",
    "../b",
    "a/../..",
    "d/e/../../..",
    "../../d",
  );
  assert(
    property(dictionary(path, target, { minKeys: 1 }), (links) => {
      const base = realpathSync(mkdtempSync(join(tmpdir(), "elafros-links-")));
      try {
        const root = join(base, "x/y/root");
        mkdirSync(join(root, "d/e"), { recursive: true });
        for (const [from, to] of Object.entries(links)) symlinkSync(to, join(root, from));
        const all = new Map(Object.entries(links));
        for (const from of all.keys()) {
          let real: string;
          try {
            real = realpathSync.native(join(root, from));
          } catch {
            continue; // leads nowhere
          }
          // On the way it may have been outside and come back by the root's own name: no target here has that.
          expect([from, leadsOutside(from, all)]).toEqual([from, !`${real}/`.startsWith(`${root}/`)]);
        }
      } finally {
        rmSync(base, { recursive: true });
      }
    }),
    { numRuns: 200 },
  );
});
