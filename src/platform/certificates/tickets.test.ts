import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { manualClock } from "../../../test/support/manual-clock.ts";
import { openFileStore } from "./file-store.ts";
import { keepTickets } from "./tickets.ts";

const hour = 3_600_000;

async function bench() {
  const dir = await mkdtemp(join(tmpdir(), "elafros-tickets-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  const clock = manualClock();
  const path = join(dir, "tickets.json");
  const store = await openFileStore(dir);
  const changed: string[] = [];
  const open = () =>
    keepTickets(store.tickets, {
      clock,
      changed: (keys) => changed.push(keys),
      failed: (error) => {
        throw error;
      },
    });
  return { clock, path, changed, open };
}

describe("keepTickets()", () => {
  it("keeps keys of 48 bytes over a restart, for their owner alone", async () => {
    const { open, path } = await bench();
    const first = await open();
    first.stop();
    expect(Buffer.from(first.keys, "base64")).toHaveLength(48);
    expect((await open()).keys).toBe(first.keys);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it("changes them every twelve hours, counted from when they were made", async () => {
    const { open, clock, changed } = await bench();
    const first = await open();
    await clock.advance(8 * hour);
    first.stop();
    const second = await open();
    expect(second.keys).toBe(first.keys);
    await clock.advance(3.9 * hour);
    expect(changed).toEqual([]);
    await clock.advance(0.2 * hour);
    await expect.poll(() => changed).toHaveLength(1);
    expect(changed).toEqual([second.keys]);
    expect(second.keys).not.toBe(first.keys);
    await clock.advance(12 * hour);
    await expect.poll(() => changed).toHaveLength(2);
    second.stop();
    await clock.advance(13 * hour);
    // Those are over by now.
    expect((await open()).keys).not.toBe(second.keys);
  });

  it.each(["", "{}", '{"keys":"c2hvcnQ=","madeAt":0}'])("makes keys where the file holds %s", async (text) => {
    const { open, path } = await bench();
    await writeFile(path, text);
    expect(Buffer.from((await open()).keys, "base64")).toHaveLength(48);
  });
});
