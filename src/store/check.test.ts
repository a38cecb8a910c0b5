import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkStore } from "./check.ts";
import { Database } from "./database.ts";

let dir: string;
let path: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-check-"));
  path = join(dir, "store.db");
});
afterEach(() => rm(dir, { recursive: true }));

test("checkStore() takes a store that isn't there, and one that another process has open", () => {
  checkStore(path);
  const open = new Database({ path });
  checkStore(path);
  open.close();
});

test("checkStore() refuses a newer program's store with a sentence", () => {
  new Database({ path }).close();
  const raw = new DatabaseSync(path);
  raw.exec("UPDATE meta SET value = 99 WHERE name = 'schema'");
  raw.close();
  expect(() => checkStore(path)).toThrow(
    /^Cannot open the store ".*": it has schema version 99, and this Elafros knows versions up to 1\. Run the newer/,
  );
});

test("checkStore() refuses what is no store", () => {
  const raw = new DatabaseSync(path);
  raw.exec("PRAGMA user_version = 1; CREATE TABLE meta (name TEXT, other TEXT)");
  raw.close();
  expect(() => checkStore(path)).toThrow();
});
