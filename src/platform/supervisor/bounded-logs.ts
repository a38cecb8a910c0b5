/**
 * Bounds the platform's own logs while processes write them: what is there is copied to `NAME.log.1` and the file cut to nothing, on
 * which a process goes on at its start, since it appends. Lines that come between the two steps are lost, which is rare and better
 * than a full disk.
 */
import { copyFile, readdir, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "../../lib/log.ts";

const checkMs = 30_000;
const maxLogBytes = 32 * 1024 * 1024;

/** Looks at the logs in a directory now and then, until the returned function is called. It doesn't keep the process alive. */
export function keepLogsBounded(directory: string, log: Log): () => void {
  const timer = setInterval(() => {
    boundLogs(directory, maxLogBytes).catch((error: unknown) =>
      log.warn({ error, directory }, "logs can't be bounded"),
    );
  }, checkMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** Puts aside each `*.log` of more than `maxBytes`, in the place of what was put aside before. */
export async function boundLogs(directory: string, maxBytes: number): Promise<void> {
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    if (!name.endsWith(".log") || (await stat(path)).size <= maxBytes) continue;
    await copyFile(path, `${path}.1`);
    await truncate(path);
  }
}
