import { spawnSync } from "node:child_process";
import { appendFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLog } from "../lib/log.ts";
import type { TableChange } from "../routing/link.ts";
import { emptyTable, type HostEntry, mapsOf, type RouteTable } from "../routing/table.ts";
import { readTableFile, removeLeftovers, TableFile, writeTableFile } from "./table-file.ts";

const open: TableFile[] = [];
function tableFile(path: string): TableFile {
  const file = new TableFile(path, silentLog);
  open.push(file);
  return file;
}

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-table-"));
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((file) => file.close()));
  await rm(dir, { recursive: true, force: true });
});

test("readTableFile() is the empty table where there is none, and what was written after", async () => {
  const path = join(dir, "table.json");
  expect(readTableFile(path)).toEqual(emptyTable);
  await writeTableFile(path, JSON.stringify({ ...emptyTable, version: 7 }));
  await writeTableFile(path, JSON.stringify({ ...emptyTable, version: 8 }));
  expect(readTableFile(path).version).toBe(8);
  expect(await readdir(dir)).toEqual(["table.json"]);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test("readTableFile() throws for what is no table", async () => {
  const path = join(dir, "table.json");
  await writeFile(path, '{"version":');
  expect(() => readTableFile(path)).toThrow(SyntaxError);
  await writeFile(path, '{"version":1}');
  expect(() => readTableFile(path)).toThrow("Cannot use the route table");
});

test("writeTableFile() leaves nothing beside when it fails", async () => {
  await expect(writeTableFile(join(dir, "missing", "table.json"), "{}")).rejects.toThrow("ENOENT");
  expect(await readdir(dir)).toEqual([]);
});

test("removeLeftovers() removes parts of tables whose writers have ended, and nothing else", async () => {
  const { pid: ended } = spawnSync("true");
  const stays = ["table.json", `table.json.${process.pid}.00ff`, "table.json.bak", `other.${ended}.00ff`];
  for (const name of [...stays, `table.json.${ended}.00ff`]) await writeFile(join(dir, name), "");
  await removeLeftovers(join(dir, "table.json"));
  expect((await readdir(dir)).toSorted()).toEqual(stays.toSorted());
});

const host = (route: string): HostEntry => ({ route, targets: [] });
const tableAt = (version: number, ...hosts: string[]): RouteTable => ({
  ...emptyTable,
  version,
  hosts: Object.fromEntries(hosts.map((name) => [name, host("x/a")])),
});
const adds = (from: number, name: string): TableChange => ({
  type: "change",
  from,
  version: from + 1,
  hosts: [[name, host("x/a")]],
  revisions: [],
});

test("TableFile adds changes to the table, and reading stops before one that was not written to its end", async () => {
  const path = join(dir, "table.json");
  const file = tableFile(path);
  await file.save(undefined, mapsOf(tableAt(1, "a")));
  await file.save(adds(1, "b"), mapsOf(tableAt(2, "a", "b")));
  await file.save(adds(2, "c"), mapsOf(tableAt(3, "a", "b", "c")));
  expect(JSON.parse(await readFile(path, "utf8"))).toEqual(tableAt(1, "a"));
  expect(readTableFile(path)).toEqual(tableAt(3, "a", "b", "c"));
  await appendFile(`${path}.changes`, '{"type":"change","from":3,');
  expect(readTableFile(path)).toEqual(tableAt(3, "a", "b", "c"));
});

test("TableFile begins with a whole table, and writes one where changes have grown as large", async () => {
  const path = join(dir, "table.json");
  await tableFile(path).save(undefined, mapsOf(tableAt(1, "old")));
  const file = tableFile(path);
  await file.save(adds(1, "a"), mapsOf(tableAt(2, "old", "a")));
  expect(JSON.parse(await readFile(path, "utf8"))).toEqual(tableAt(2, "old", "a"));
  const long = "long".repeat(20_000);
  await file.save(adds(2, long), mapsOf(tableAt(3, "old", "a", long)));
  expect(JSON.parse(await readFile(path, "utf8"))).toMatchObject({ version: 3 });
  expect(await readFile(`${path}.changes`, "utf8")).toBe("");
});

test("changes of an earlier table, and such after a gap, are not taken for the table's", async () => {
  const path = join(dir, "table.json");
  await writeTableFile(path, JSON.stringify(tableAt(3, "a")));
  const lines = [adds(1, "older"), adds(2, "older"), adds(3, "b"), adds(5, "gap")];
  await writeFile(`${path}.changes`, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  expect(readTableFile(path)).toEqual(tableAt(4, "a", "b"));
});

test("a TableFile whose files another gateway has replaced puts its whole table in their place", async () => {
  const path = join(dir, "table.json");
  const file = tableFile(path);
  await file.save(undefined, mapsOf(tableAt(1, "a")));
  await tableFile(path).save(undefined, mapsOf(tableAt(1, "a")));
  await file.save(adds(1, "b"), mapsOf(tableAt(2, "a", "b")));
  await file.save(adds(2, "c"), mapsOf(tableAt(3, "a", "b", "c")));
  expect(readTableFile(path)).toEqual(tableAt(3, "a", "b", "c"));
});

test("a table of an earlier version, of a control that counts anew, is kept in place of the later one", async () => {
  const path = join(dir, "table.json");
  const file = tableFile(path);
  await file.save(undefined, mapsOf(tableAt(105, "old")));
  const change: TableChange = { ...adds(105, "new"), version: 101 };
  await file.save({ ...change, hosts: [["old", null], ...change.hosts] }, mapsOf(tableAt(101, "new")));
  await file.save(adds(101, "newer"), mapsOf(tableAt(102, "new", "newer")));
  expect(readTableFile(path)).toEqual(tableAt(102, "new", "newer"));
});
