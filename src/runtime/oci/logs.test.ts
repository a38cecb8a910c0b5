import { appendFile, mkdtemp, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { LogOptions } from "../workloads.ts";
import { createParser, keepRotated, lastLine, readLog, removeLog } from "./logs.ts";

let dir: string;
let path: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-logs-"));
  path = join(dir, "1.log");
});
afterEach(() => rm(dir, { recursive: true }));

const at = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, "0")}.000000001Z`;
const line = (second: number, text: string, kind = "F", stream = "stdout") =>
  `${at(second)} ${stream} ${kind} ${text}\n`;

async function read(options: Partial<LogOptions> = {}, running = () => false): Promise<string[]> {
  const { signal } = new AbortController();
  const all = { follow: false, timestamps: false, previous: false, signal, running, ...options };
  const lines: string[] = [];
  for await (const one of readLog(path, all)) lines.push(one);
  return lines;
}

/** What conmon does when a file has its size. */
async function rotate(text = ""): Promise<void> {
  await writeFile(`${path}.tmp`, text);
  await rename(`${path}.tmp`, path);
}

test("createParser() joins partial lines of each stream, however they are cut", () => {
  const text = line(1, "ab", "P") + line(1, "err", "F", "stderr") + line(2, "cd", "F") + line(3, "é", "F");
  const bytes = Buffer.from(text);
  for (const size of [1, 3, 1000]) {
    const parser = createParser();
    const found: string[] = [];
    for (let from = 0; from < bytes.length; from += size) {
      found.push(...parser.push(bytes.subarray(from, from + size)).map((one) => one.text));
    }
    expect(found).toEqual(["err", "abcd", "é"]);
  }
});

test("createParser() gives an endless line in pieces", () => {
  const parser = createParser();
  const piece = "x".repeat(8_000);
  let longest = 0;
  let count = 0;
  for (let part = 0; part < 100; part++) {
    for (const one of parser.push(Buffer.from(line(1, piece, "P")))) {
      longest = Math.max(longest, one.text.length);
      count++;
    }
  }
  expect(count).toBeGreaterThan(5);
  expect(longest).toBeLessThan(80_000);
});

test("readLog() gives lines with or without times, the last ones, and those since", async () => {
  await writeFile(path, [1, 2, 3, 4].map((second) => line(second, `line ${second}`)).join(""));
  expect(await read()).toEqual(["line 1\n", "line 2\n", "line 3\n", "line 4\n"]);
  expect(await read({ timestamps: true, tailLines: 1 })).toEqual([`${at(4)} line 4\n`]);
  expect(await read({ tailLines: 0 })).toEqual([]);
  expect(await read({ since: Date.parse(at(3)) })).toEqual(["line 3\n", "line 4\n"]);
  expect(await read({ since: Date.parse(at(2)), tailLines: 2 })).toEqual(["line 3\n", "line 4\n"]);
});

test("readLog() is empty where there is no log", async () => {
  expect(await read()).toEqual([]);
});

test("readLog() gives what is left of an unfinished line", async () => {
  await writeFile(path, line(1, "prompt> ", "P"));
  expect(await read()).toEqual(["prompt> \n"]);
});

test("keepRotated() keeps the file before, and no more", async () => {
  await writeFile(path, line(1, "one"));
  await keepRotated(path);
  await rotate(line(2, "two"));
  await keepRotated(path);
  expect(await read()).toEqual(["one\n", "two\n"]);
  await rotate(line(3, "three"));
  await keepRotated(path);
  await keepRotated(path);
  expect(await read()).toEqual(["two\n", "three\n"]);
  await removeLog(path);
  await expect(stat(`${path}.1`)).rejects.toThrow("ENOENT");
  await keepRotated(path);
});

test("keepRotated() keeps the file before also when it is called twice at once", async () => {
  for (let i = 0; i < 50; i++) {
    await writeFile(path, line(1, "one"));
    await Promise.all([keepRotated(path), keepRotated(path), keepRotated(path)]);
    await rotate(line(2, "two"));
    await Promise.all([keepRotated(path), keepRotated(path), keepRotated(path)]);
    expect(await read()).toEqual(["one\n", "two\n"]);
    await removeLog(path);
  }
});

test("readLog() follows over a rotation until the run has ended", async () => {
  await writeFile(path, line(1, "one"));
  let running = true;
  const seen: string[] = [];
  const signal = AbortSignal.timeout(10_000);
  const done = (async () => {
    for await (const one of readLog(path, {
      follow: true,
      timestamps: false,
      previous: false,
      signal,
      running: () => running,
    })) {
      seen.push(one);
    }
  })();
  await expect.poll(() => seen).toEqual(["one\n"]);
  await appendFile(path, line(2, "two"));
  await expect.poll(() => seen).toEqual(["one\n", "two\n"]);
  await appendFile(path, line(3, "three"));
  await rotate(line(4, "four"));
  await expect.poll(() => seen).toEqual(["one\n", "two\n", "three\n", "four\n"]);
  await appendFile(path, line(5, "five"));
  running = false;
  await done;
  expect(seen.at(-1)).toBe("five\n");
});

test("readLog() ends when it is told to", async () => {
  await writeFile(path, line(1, "one"));
  const stop = new AbortController();
  const seen: string[] = [];
  for await (const one of readLog(path, {
    follow: true,
    timestamps: false,
    previous: false,
    signal: stop.signal,
    running: () => true,
  })) {
    seen.push(one);
    stop.abort();
  }
  expect(seen).toEqual(["one\n"]);
});

test("lastLine() is the last with anything in it", async () => {
  await writeFile(path, line(1, "x".repeat(30_000)) + line(2, "the end") + line(3, "  ") + line(4, ""));
  expect(await lastLine(path)).toBe("the end");
  expect(await lastLine(join(dir, "none"))).toBe("");
});
