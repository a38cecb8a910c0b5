import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { emptyTable } from "../routing/table.ts";
import { readTableFile, removeLeftovers, writeTableFile } from "./table-file.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-table-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

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
