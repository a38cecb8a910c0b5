import { expect, test } from "vitest";
import type { TableChange } from "../routing/link.ts";
import { type RevisionEntry, type RouteTable, tableOf } from "../routing/table.ts";
import { capacity } from "./memory.ts";
import { NewestTable } from "./newest-table.ts";

const entry = (...ids: string[]): RevisionEntry => ({
  configuration: "x/c",
  protocol: "http1",
  concurrency: 0,
  timeoutMs: 1,
  instances: ids.map((id) => ({ id, host: "h", port: 1 })),
});
const host = (revision: string) => ({ route: "x/r", targets: [{ revision, percent: 100 }] });
const before: RouteTable = {
  version: 3,
  hosts: { one: host("x/a"), two: host("x/b") },
  revisions: { "x/a": entry("i"), "x/b": entry("j", "k") },
};
const change = (more: Partial<TableChange>): TableChange => ({
  type: "change",
  from: 3,
  version: 5,
  hosts: [],
  revisions: [],
  ...more,
});

function newest(): NewestTable {
  const table = new NewestTable();
  table.replace(before);
  return table;
}

test("change() sets what is new, removes what has gone, and leaves the rest", () => {
  const table = newest();
  table.change(
    change({
      hosts: [
        ["one", null],
        ["three", host("x/b")],
      ],
      revisions: [["x/a", null]],
    }),
  );
  expect(tableOf(table)).toEqual({
    version: 5,
    hosts: { two: host("x/b"), three: host("x/b") },
    revisions: { "x/b": entry("j", "k") },
  });
  expect(["i", "j", "k"].map((id) => table.has(id))).toEqual([false, true, true]);
});

test("change() lets an instance move with the change in which it leaves its place", () => {
  const table = newest();
  const revisions: TableChange["revisions"] = [
    ["x/c", entry("k")],
    ["x/b", entry("j")],
  ];
  table.change(change({ revisions }));
  expect(table.has("k")).toBe(true);
  table.change(change({ from: 5, version: 6, revisions: [["x/c", null]] }));
  expect(table.has("k")).toBe(false);
});

const many = Array.from({ length: capacity.revisions }, (_, i): [string, RevisionEntry] => [`x/${i}`, entry()]);
const ids = Array.from({ length: capacity.instances }, (_, i) => `instance-${i}`);
test.each<[string, Partial<TableChange>, string]>([
  ["from an earlier version", { from: 2 }, "Cannot change version 3 of the route table by a change from 2 to 5"],
  ["from a later one", { from: 4 }, "Cannot change version 3"],
  ["to the same version", { version: 3 }, "Cannot change version 3"],
  ["with an instance of another Revision", { revisions: [["x/c", entry("j")]] }, '"j" stands twice'],
  ["with too many Revisions", { revisions: many }, `revisions must be at most ${capacity.revisions} entries`],
  ["with too many instances", { revisions: [["x/c", entry(...ids)]] }, `at most ${capacity.instances} instances`],
])("a change %s is refused, and nothing of it taken", (_, more, message) => {
  const table = newest();
  expect(() => table.change(change({ hosts: [["one", null]], ...more }))).toThrow(message);
  expect(tableOf(table)).toEqual(before);
  expect(table.has("j")).toBe(true);
});
