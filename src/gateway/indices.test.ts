import { expect, test } from "vitest";
import { differences } from "../routing/changes.ts";
import { emptyTable, mapsOf, type RouteTable } from "../routing/table.ts";
import { Indices } from "./indices.ts";
import { Counters, createSharedMemory } from "./memory.ts";
import { NewestTable } from "./newest-table.ts";

function table(revisions: Record<string, string[]>, hosts: RouteTable["hosts"] = {}): RouteTable {
  const entries = Object.entries(revisions).map(([name, ids]) => {
    const instances = ids.map((id) => ({ id, host: "h", port: 1 }));
    return [name, { configuration: "c", protocol: "http1" as const, concurrency: 0, timeoutMs: 0, instances }] as const;
  });
  return { version: 1, hosts, revisions: Object.fromEntries(entries) };
}

/** `update` makes a table of the one before, and gives all its numbers, in its order. */
function setup() {
  const counters = new Counters(createSharedMemory(1));
  const indices = new Indices(counters);
  const newest = new NewestTable();
  const update = (next: RouteTable) => {
    indices.change(newest.replace(next));
    const all = differences(mapsOf(emptyTable), mapsOf(next));
    const { hosts, revisions } = indices.numbered(all);
    return {
      revisions: revisions.map(([, , index]) => index),
      instances: revisions.flatMap(([, , , instances]) => instances),
      splits: hosts.map(([, , split]) => split),
    };
  };
  return { counters, indices, update };
}

test("change() numbers by the order of the table; what stays keeps its number", () => {
  const { indices, update } = setup();
  const first = update(table({ r: ["a", "b"], s: ["c"] }));
  expect([[...first.revisions], [...first.instances]]).toEqual([
    [0, 1],
    [0, 1, 2],
  ]);
  indices.settled();
  const second = update(table({ s: ["d", "c"] }));
  expect([[...second.revisions], [...second.instances]]).toEqual([[1], [3, 2]]);
  expect(indices.settled().sort()).toEqual(["a", "b"]);
  const third = update(table({ s: ["c", "d", "e", "f"] }));
  expect(new Set(third.instances)).toEqual(new Set([2, 3, 0, 1]));
});

test("an instance with requests keeps its number after it left, until forget() finds it idle", () => {
  const { indices, counters, update } = setup();
  update(table({ r: ["a"] }));
  indices.settled();
  counters.occupy(0, 1);
  update(table({ r: [] }));
  expect([indices.settled(), [...indices.leaving], counters.isLeaving(0)]).toEqual([[], ["a"], true]);
  expect(indices.forget("a")).toBe(false);
  expect([...update(table({ r: ["b"] })).instances]).toEqual([1]);
  counters.release(0);
  expect([indices.forget("a"), indices.forget("a"), [...indices.leaving]]).toEqual([true, false, []]);
  expect([...update(table({ r: ["b", "c"] })).instances]).toEqual([1, 0]);
});

test("an instance that comes back before its last request ended isn't leaving any more", () => {
  const { indices, counters, update } = setup();
  update(table({ r: ["a"] }));
  counters.occupy(0, 1);
  update(table({ r: [] }));
  indices.settled();
  expect([...update(table({ r: ["a"] })).instances]).toEqual([0]);
  expect([[...indices.leaving], counters.isLeaving(0), indices.forget("a")]).toEqual([[], false, false]);
});

test("hosts of a Route with the same split share its position; one target needs none", () => {
  const { indices, update } = setup();
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
  expect([...update(table({}, hosts)).splits]).toEqual([0, 0, -1, 1, 2]);
  indices.settled();
  // A new split of the same Route goes on from the same position.
  expect([...update(table({}, { one: split(80), two: split(80) })).splits]).toEqual([0, 0]);
});
