import { array, assert, constantFrom, integer, property, string, uniqueArray } from "fast-check";
import { describe, expect, it } from "vitest";
import { assignSlots } from "../reconcilers/route/slots.ts";
import type { HostEntry } from "../routing/table.ts";
import type { Affinity, RequestTest } from "../routing/traffic.ts";
import { cookieName, matched, RequestReader, slotOf, stickyCookie, stuckTo } from "./choice.ts";

const request = (fields: Record<string, string>) => new RequestReader({ field: (name) => fields[name] });
const entry = (...tests: RequestTest[][]): HostEntry => ({
  route: "ns/r",
  targets: [{ revision: "ns/a", percent: 100 }],
  match: tests.map((one, i) => ({ revision: `ns/m${i}`, tests: one })),
});

describe("matched()", () => {
  const beta: RequestTest = { header: "x-group", exact: "beta" };
  it.each<[string, RequestTest[][], Record<string, string>, string | undefined]>([
    ["a header's whole value", [[beta]], { "x-group": "beta" }, "ns/m0"],
    ["not a longer value", [[beta]], { "x-group": "beta2" }, undefined],
    ["not another case of the value", [[beta]], { "x-group": "Beta" }, undefined],
    ["no such header", [[beta]], {}, undefined],
    ["a prefix", [[{ header: "user-agent", prefix: "curl/" }]], { "user-agent": "curl/8.5" }, "ns/m0"],
    ["not a prefix in the middle", [[{ header: "a", prefix: "b" }]], { a: "ab" }, undefined],
    ["a cookie among others", [[{ cookie: "g", exact: "b=1" }]], { cookie: "a=1;  g=b=1; h=2" }, "ns/m0"],
    ["the first of two cookies", [[{ cookie: "g", exact: "2" }]], { cookie: "g=1; g=2" }, undefined],
    ["not a cookie whose name ends so", [[{ cookie: "g", exact: "1" }]], { cookie: "xg=1" }, undefined],
    ["any test of a target", [[beta, { cookie: "g", exact: "1" }]], { cookie: "g=1" }, "ns/m0"],
    ["the first target that fits", [[], [beta], [beta]], { "x-group": "beta" }, "ns/m1"],
  ])("tells %s", (_, tests, fields, expected) => {
    expect(matched(entry(...tests), request(fields))).toBe(expected);
  });
});

const owners = (percents: readonly number[]): Affinity["slots"] => {
  const targets = percents.map((percent, i) => ({ revision: `${i}`, percent }));
  return assignSlots([], targets).map(Number);
};

/** Percents of up to five targets, together 100. */
const percents = array(integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 4 }).map((cuts) => {
  const edges = [0, ...cuts.toSorted((a, b) => a - b), 100];
  return edges.slice(1).map((edge, i) => edge - (edges[i] ?? 0));
});

/** Ten thousand keys as clients have them: names, numbers, addresses, and the gateway's own. */
const families: Record<string, (i: number) => string> = {
  names: (i) => `user-${i}`,
  numbers: (i) => `${1_000_000 + i}`,
  addresses: (i) => `10.${i >> 8}.${i & 255}.7`,
  tokens: (i) => Buffer.from(`${i}`).toString("base64url"),
};
const keys = 10_000;

describe("stuckTo()", () => {
  it.each(Object.keys(families))("spreads ten thousand %s within 1.5 points of the split", (family) => {
    const slots = Array.from({ length: keys }, (_, i) => slotOf(families[family]?.(i) ?? ""));
    for (const split of [
      [50, 50],
      [90, 10],
      [95, 5],
      [99, 1],
      [60, 30, 10],
      [34, 33, 33],
      [25, 25, 25, 25],
    ]) {
      const owner = owners(split);
      const counts = split.map(() => 0);
      for (const slot of slots) counts[owner[slot] ?? 0] = (counts[owner[slot] ?? 0] ?? 0) + 1;
      for (const [i, count] of counts.entries()) {
        expect(Math.abs((count / keys) * 100 - (split[i] ?? 0)), split.join("/")).toBeLessThan(1.5);
      }
    }
  });

  it("gives a key the same target each time, and the target that has its hundredth", () => {
    assert(
      property(percents, string({ minLength: 1 }), (split, key) => {
        const affinity = { key: { header: "x-user" }, slots: owners(split) };
        const target = stuckTo(affinity, request({ "x-user": key }));
        expect(target).toBe(stuckTo(affinity, request({ "x-user": key })));
        expect(split[target ?? -1]).toBeGreaterThan(0);
      }),
    );
  });

  it("moves at most p percent of the keys, and only to targets that grow, when the split changes by p points", () => {
    const hundredths = uniqueArray(constantFrom(...Array.from({ length: 100 }, (_, i) => i)), { maxLength: 100 });
    assert(
      property(array(percents, { minLength: 2, maxLength: 6 }), hundredths, (splits, some) => {
        let before: string[] = [];
        let old: readonly number[] = [];
        for (const split of splits) {
          const targets = split.map((percent, i) => ({ revision: `${i}`, percent }));
          const after = assignSlots(before, targets);
          for (const [i, percent] of split.entries()) {
            expect(after.filter((one) => one === `${i}`)).toHaveLength(percent);
          }
          if (before.length > 0) {
            const grown = split.map((percent, i) => Math.max(0, percent - (old[i] ?? 0)));
            const moved = after.filter((one, slot) => one !== before[slot]);
            expect(moved).toHaveLength(grown.reduce((sum, one) => sum + one, 0));
            for (const slot of some) {
              if (after[slot] !== before[slot]) expect(grown[Number(after[slot])]).toBeGreaterThan(0);
            }
          }
          before = after;
          old = split;
        }
      }),
    );
  });

  it.each([
    ["no header", { header: "x-user" }, {}],
    ["an empty header", { header: "x-user" }, { "x-user": "" }],
    ["other cookies", { cookie: "id", maxAgeSeconds: 0 }, { cookie: "other=1" }],
    ["an empty cookie", { cookie: "id", maxAgeSeconds: 0 }, { cookie: "id=" }],
  ])("finds no key in %s", (_, key, fields: Record<string, string>) => {
    expect(stuckTo({ key, slots: owners([50, 50]) }, request(fields))).toBeUndefined();
  });
});

describe("stickyCookie()", () => {
  it("makes a key of the target, however small its share", () => {
    const slots = owners([99, 1]);
    for (const target of [0, 1]) {
      const affinity = { key: { cookie: "id", maxAgeSeconds: 60 }, slots };
      const cookie = stickyCookie(affinity, target, false) ?? "";
      expect(cookie).toMatch(/^id=[\w-]{16}\.[\da-z]+; Path=\/; Max-Age=60; HttpOnly; SameSite=Lax$/);
      expect(cookieName(cookie)).toBe("id");
      expect(stuckTo(affinity, request({ cookie: cookie.split(";", 1)[0] ?? "" }))).toBe(target);
    }
  });

  it("sets a cookie of the session without a time, and none where a header tells clients apart", () => {
    const slots = owners([100]);
    expect(stickyCookie({ key: { cookie: "id", maxAgeSeconds: 0 }, slots }, 0, false)).not.toContain("Max-Age");
    expect(stickyCookie({ key: { header: "x-user" }, slots }, 0, true)).toBeUndefined();
  });

  it("is for HTTPS alone where the request came over it", () => {
    const affinity = { key: { cookie: "id", maxAgeSeconds: 60 }, slots: owners([100]) };
    expect(stickyCookie(affinity, 0, true)).toMatch(/; HttpOnly; SameSite=Lax; Secure$/);
  });
});
