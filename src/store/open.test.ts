import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isReason } from "../api/meta/errors.ts";
import { systemClock } from "../lib/clock.ts";
import { silentLog } from "../lib/log.ts";
import { openStore } from "./open.ts";
import type { StoreOptions } from "./open.ts";
import { RevisionMismatch } from "./store.ts";
import type { Store, Write } from "./store.ts";

interface Thing {
  n: number;
  revision?: number;
  text?: string;
}

let directory = "";
let store: Store<Thing>;
const reopen = async (options: Partial<StoreOptions> = {}): Promise<void> => {
  store = await openStore<Thing>({
    path: path.join(directory, "store.db"),
    log: silentLog,
    clock: systemClock,
    ...options,
  });
};
const put = (key: string, n: number, rest: Partial<Write<Thing>> = {}): Promise<unknown> =>
  store.write({ collection: "things", key, action: "put", expect: 0, value: (revision) => ({ n, revision }), ...rest });

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "elafros-store-"));
  await reopen();
});
afterEach(async () => {
  await store.close();
  await rm(directory, { recursive: true });
});

describe("openStore()", () => {
  test("write() makes a value visible with its revision", async () => {
    await put("a", 1);
    const things = store.collection("things");
    expect(things.get("a")).toEqual({ key: "a", value: { n: 1, revision: 1 }, revision: 1, created: 1 });
    expect(store.revision).toBe(1);
  });

  test("write() spreads writes that take long to prepare over several groups, in their order", async () => {
    const seen: number[] = [];
    store.collection("things").subscribe(() => seen.push(store.revision));
    const busy = (n: number) => (revision: number) => {
      const until = performance.now() + 1;
      while (performance.now() < until);
      return { n, revision };
    };
    await Promise.all(["e", "d", "c", "b", "a"].map((key, n) => put(key, n, { value: busy(n) })));
    expect(seen).toEqual([1, 2, 3, 4, 5]);
    const entries = store.collection("things").range("");
    expect(entries.map(({ key, revision }) => `${key}${revision}`)).toEqual(["a5", "b4", "c3", "d2", "e1"]);
  });

  test("openStore() reads a file of many parts to what was there", async () => {
    const text = "x".repeat(1000);
    const keys = Array.from({ length: 400 }, (_, index) => `k${(index * 7) % 400}`);
    await Promise.all(keys.map((key, n) => put(key, n, { value: () => ({ n, text }) })));
    const changed = keys.filter((_, n) => n % 3 === 0).map((key) => store.collection("things").get(key));
    await Promise.all(changed.map((entry) => put(entry?.key ?? "", -1, { expect: entry?.revision ?? 0 })));
    const before = store.collection("things");
    await store.close();
    await reopen();
    expect(store.collection("things").range("")).toEqual(before.range(""));
    expect(store.collection("things").rangeAt("", 400)).toEqual(before.rangeAt("", 400));
    expect(store.collection("things").changesAfter(0, 1000)).toEqual(before.changesAfter(0, 1000));
  });

  test("write() decides the writes of one tick one after the other", async () => {
    const results = await Promise.allSettled([put("a", 1), put("a", 2), put("b", 3), put("a", 4, { expect: 1 })]);
    expect(results.map((result) => result.status)).toEqual(["fulfilled", "rejected", "fulfilled", "fulfilled"]);
    expect(results[1]).toMatchObject({ reason: new RevisionMismatch("a", 0, 1) });
    expect(store.collection("things").get("a")).toMatchObject({ value: { n: 4 }, created: 1, revision: 3 });
  });

  test("write() refuses what the guard refuses, seeing the writes before it", async () => {
    const guard: Write<Thing>["guard"] = (read) => {
      if (read("things", "a") === undefined) throw new Error("no a");
    };
    await expect(put("b", 1, { guard })).rejects.toThrow("no a");
    await Promise.all([put("a", 1), put("b", 1, { guard })]);
    expect(store.collection("things").size).toBe(2);
  });

  test("values are frozen copies", async () => {
    const mine = { n: 1, list: [{}] };
    await put("a", 1, { value: () => mine });
    const value = store.collection("things").get("a")?.value;
    expect(value).not.toBe(mine);
    expect(Object.isFrozen(value)).toBe(true);
    expect(Object.isFrozen((value as typeof mine).list[0])).toBe(true);
  });

  test("reopening gives the same entries, revision and history", async () => {
    await put("a", 1);
    await put("b", 1);
    await put("a", 2, { expect: 1 });
    await put("b", 1, { expect: 2, action: "delete" });
    const before = store.collection("things");
    const seen = [before.range(""), before.changesAfter(0, 99), before.rangeAt("", 2)];
    await store.close();
    await reopen();
    const after = store.collection("things");
    expect(store.revision).toBe(4);
    expect([after.range(""), after.changesAfter(0, 99), after.rangeAt("", 2)]).toEqual(seen);
  });

  test("forgotten history leaves the file, and the newest versions stay", async () => {
    await store.close();
    await reopen({ history: { changes: 3, bytes: 1e9, ageMs: 1e9 } });
    for (let i = 0; i < 20; i += 1) await put("a", i, { expect: i });
    await put("b", 0);
    await put("b", 0, { expect: 21, action: "delete" });
    for (let i = 0; i < 5; i += 1) await put("c", i, { expect: i === 0 ? 0 : 22 + i });
    const things = store.collection("things");
    expect(things.changesAfter(5, 99)).toBeUndefined();
    expect(things.forgotten).toBe(24);
    expect(things.changesAfter(24, 99)?.map((change) => change.revision)).toEqual([25, 26, 27]);
    await store.close();
    const file = new DatabaseSync(path.join(directory, "store.db"));
    const rows = file.prepare("SELECT key, revision FROM versions ORDER BY revision").all();
    file.close();
    // The last group's own forgetting reaches the file with the next write.
    expect(rows.map((row) => row["revision"])).toEqual([20, 23, 24, 25, 26, 27]);
    await reopen();
    expect(store.revision).toBe(27);
    expect(
      store
        .collection("things")
        .range("")
        .map(({ key, value }) => [key, value.n]),
    ).toEqual([
      ["a", 19],
      ["c", 4],
    ]);
    expect(store.collection("things").changesAfter(22, 99)).toBeUndefined();
  });

  test("a full disk is a clear error that changes nothing, and space makes it work again", async () => {
    await store.close();
    await reopen({ maxBytes: 200_000 });
    const text = "x".repeat(20_000);
    let stored = 0;
    const fill = async (): Promise<void> => {
      for (; stored < 100; stored += 1) await put(`k${stored}`, stored, { value: (n) => ({ n, text }) });
    };
    const error: unknown = await fill().catch((caught: unknown) => caught);
    expect(isReason(error, "ServiceUnavailable")).toBe(true);
    expect((error as Error).message).toContain("the disk is full");
    expect(store.collection("things").size).toBe(stored);
    expect(store.revision).toBe(stored);
    await store.close();
    await reopen();
    expect(store.collection("things").size).toBe(stored);
    await put("more", 1);
    expect(store.revision).toBe(stored + 1);
  });

  test("a newer schema is refused with a sentence", async () => {
    await store.close();
    const file = new DatabaseSync(path.join(directory, "store.db"));
    file.exec("UPDATE meta SET value = 99 WHERE name = 'schema'");
    file.close();
    await expect(reopen()).rejects.toThrow(/has schema version 99, and this Elafros knows versions up to 1/);
  });

  test("what is no database is refused with a sentence", async () => {
    const file = path.join(directory, "other.db");
    const { writeFile } = await import("node:fs/promises");
    await writeFile(file, "hello, I am some text that is certainly no database of any kind".repeat(20));
    await expect(reopen({ path: file })).rejects.toThrow(/Cannot open the store ".*other.db": /);
  });

  test("close() waits for the writes before it and refuses later ones", async () => {
    const writing = put("a", 1);
    const closing = store.close();
    await expect(put("b", 1)).rejects.toThrow("the store is closed");
    await Promise.all([writing, closing]);
    await reopen();
    expect(store.collection("things").size).toBe(1);
  });
});
