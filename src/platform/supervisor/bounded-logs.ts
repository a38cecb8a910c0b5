/**
 * Bounds the platform's own logs while processes write them: what is there is copied to `NAME.log.1` and the file cut to nothing, on
 * which a process goes on at its start, since it appends. Lines that come between the last look and the cut are lost, which is rare and
 * better than a full disk.
 */
import { constants, createReadStream, createWriteStream } from "node:fs";
import { copyFile, readdir, rm, stat, truncate } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Log } from "../../lib/log.ts";

const checkMs = 5_000;
const maxLogBytes = 32 * 1024 * 1024;

/**
 * Looks at the logs in a directory, and at `more` files, now and then, until the returned function is called. It doesn't keep the process
 * alive.
 */
export function keepLogsBounded(directory: string, { log, more }: { log: Log; more: readonly string[] }): () => void {
  const others = more.filter((path) => dirname(path) !== directory);
  let looking = false;
  const look = async (): Promise<void> => {
    if (looking) return;
    looking = true;
    try {
      await boundLogs(directory, maxLogBytes);
      for (const path of others) await boundLog(path, maxLogBytes);
    } catch (error) {
      log.warn({ error, directory, more }, "logs can't be bounded");
    }
    looking = false;
  };
  const timer = setInterval(() => void look(), checkMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** Puts aside each `*.log` of more than `maxBytes`, in the place of what was put aside before. */
export async function boundLogs(directory: string, maxBytes: number): Promise<void> {
  for (const name of await readdir(directory)) {
    if (name.endsWith(".log")) await boundLog(join(directory, name), maxBytes);
  }
}

async function boundLog(path: string, maxBytes: number): Promise<void> {
  if ((await stat(path)).size <= maxBytes) return;
  // First, for the room on a full disk; and what is there may be a link, in a directory that others can write to as well.
  await rm(`${path}.1`, { force: true });
  await copyFile(path, `${path}.1`, constants.COPYFILE_EXCL);
  // What came while so much was copied; what comes while so little is, is little indeed.
  const copied = (await stat(`${path}.1`)).size;
  await pipeline(createReadStream(path, { start: copied }), createWriteStream(`${path}.1`, { flags: "a" }));
  await truncate(path);
}
