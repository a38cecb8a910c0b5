import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { manualClock } from "../../../test/support/manual-clock.ts";
import { systemClock } from "../../lib/clock.ts";
import { AccessLog } from "./access-log.ts";

let dir: string;
let path: string;
let fd: number;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-access-"));
  path = join(dir, "log");
  fd = openSync(path, "a");
});
afterEach(async () => {
  closeSync(fd);
  await rm(dir, { recursive: true, force: true });
});

test("lines of several logs on one file are all there, each whole", async () => {
  const other = openSync(path, "a");
  const logs = [new AccessLog(fd, systemClock), new AccessLog(other, systemClock)];
  for (let i = 0; i < 5_000; i++)
    for (const [which, log] of logs.entries()) log.write(`${which} ${i} ${"ä".repeat(50)}\n`);
  await Promise.all(logs.map((log) => log.flush()));
  closeSync(other);
  const lines = (await readFile(path, "utf8")).split("\n").slice(0, -1);
  expect(lines).toHaveLength(10_000);
  for (const which of ["0", "1"]) {
    const own = lines.filter((line) => line.startsWith(which));
    expect(own).toEqual(Array.from({ length: 5_000 }, (_, i) => `${which} ${i} ${"ä".repeat(50)}`));
  }
  expect(logs.map((log) => log.takeDropped())).toEqual([0, 0]);
});

test("what waits has a bound; what is beyond it is dropped and counted", async () => {
  const log = new AccessLog(fd, manualClock());
  const line = `${"x".repeat(1023)}\n`;
  for (let i = 0; i < 10_000; i++) log.write(line);
  await log.flush();
  const written = (await readFile(path, "utf8")).length / line.length;
  const dropped = log.takeDropped();
  expect(dropped).toBeGreaterThan(0);
  expect(written + dropped).toBe(10_000);
  expect(log.takeDropped()).toBe(0);
});

test("a file that can't be written costs lines, which are counted", async () => {
  const readOnly = openSync(path, "r");
  const log = new AccessLog(readOnly, systemClock);
  log.write("one\n");
  log.write("two\n");
  await log.flush();
  closeSync(readOnly);
  expect(log.takeDropped()).toBe(2);
});

test("after a line that was cut by a full disk the next one begins a line of its own", async () => {
  // A pipe is full like a disk: it takes a part, then none.
  const fifo = join(dir, "fifo");
  execFileSync("mkfifo", [fifo]);
  const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
  const log = new AccessLog(writer, systemClock);
  log.write(`${"x".repeat(1 << 20)}\n`);
  await log.flush();
  expect(log.takeDropped()).toBe(1);
  const taken = readAll(reader);
  expect(taken.length).toBeGreaterThan(0);
  expect(taken).not.toContain("\n");
  log.write("next\n");
  await log.flush();
  log.write("last\n");
  await log.flush();
  expect(readAll(reader)).toBe("\nnext\nlast\n");
  expect(log.takeDropped()).toBe(0);
  closeSync(reader);
  closeSync(writer);
});

/** What a pipe holds now. */
function readAll(fd: number): string {
  const buffer = Buffer.alloc(1 << 20);
  let text = "";
  for (;;) {
    try {
      text += buffer.toString("latin1", 0, readSync(fd, buffer));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") return text;
      throw error;
    }
  }
}
