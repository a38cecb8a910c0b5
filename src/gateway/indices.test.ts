import { expect, test } from "vitest";
import type { RouteTable } from "../routing/table.ts";
import { Indices } from "./indices.ts";
import { Counters, createSharedMemory } from "./memory.ts";

function table(revisions: Record<string, string[]>, hosts: RouteTable["hosts"] = {}): RouteTable {
  const entries = Object.entries(revisions).map(([name, ids]) => {
    const instances = ids.map((id) => ({ id, host: "h", port: 1 }));
    return [name, { configuration: "c", protocol: "http1" as const, concurrency: 0, timeoutMs: 0, instances }] as const;
  });
  return { version: 1, hosts, revisions: Object.fromEntries(entries) };
}

function setup(): { counters: Counters; indices: Indices } {
  const counters = new Counters(createSharedMemory(1));
  return { counters, indices: new Indices(counters) };
}

test("update() numbers by the order of the table; what stays keeps its number", () => {
  const { indices } = setup();
  const first = indices.update(table({ r: ["a", "b"], s: ["c"] }), "");
  expect([[...first.revisions], [...first.instances]]).toEqual([
    [0, 1],
    [0, 1, 2],
  ]);
  indices.settled();
  const second = indices.update(table({ s: ["d", "c"] }), "");
  expect([[...second.revisions], [...second.instances]]).toEqual([[1], [3, 2]]);
  expect(indices.settled().sort()).toEqual(["a", "b"]);
  const third = indices.update(table({ s: ["c", "d", "e", "f"] }), "");
  expect(new Set(third.instances)).toEqual(new Set([2, 3, 0, 1]));
});

test("an instance with requests keeps its number after it left, until forget() finds it idle", () => {
  const { indices, counters } = setup();
  indices.update(table({ r: ["a"] }), "");
  indices.settled();
  counters.occupy(0, 1);
  indices.update(table({ r: [] }), "");
  expect([indices.settled(), [...indices.leaving], counters.isLeaving(0)]).toEqual([[], ["a"], true]);
  expect(indices.forget("a")).toBe(false);
  expect([...indices.update(table({ r: ["b"] }), "").instances]).toEqual([1]);
  counters.release(0);
  expect([indices.forget("a"), indices.forget("a"), [...indices.leaving]]).toEqual([true, false, []]);
  expect([...indices.update(table({ r: ["b", "c"] }), "").instances]).toEqual([1, 0]);
});

test("an instance that comes back before its last request ended isn't leaving any more", () => {
  const { indices, counters } = setup();
  indices.update(table({ r: ["a"] }), "");
  counters.occupy(0, 1);
  indices.update(table({ r: [] }), "");
  indices.settled();
  expect([...indices.update(table({ r: ["a"] }), "").instances]).toEqual([0]);
  expect([[...indices.leaving], counters.isLeaving(0), indices.forget("a")]).toEqual([[], false, false]);
});

test("hosts of a Route with the same split share its position; one target needs none", () => {
  const { indices } = setup();
  const split = (a: number): RouteTable["hosts"][string] => ({
    route: "r",
    targets: [
      { revision: "a", percent: a },
      { revision: "b", percent: 100 - a },
    ],
  });
  const hosts = {
    one: split(90),
    two: split(90),
    all: split(100),
    other: split(50),
    third: { ...split(90), route: "q" },
  };
  expect([...indices.update(table({}, hosts), "").splits]).toEqual([0, 0, -1, 1, 2]);
  indices.settled();
  // A new split of the same Route goes on from the same position.
  expect([...indices.update(table({}, { one: split(80), two: split(80) }), "").splits]).toEqual([0, 0]);
});
