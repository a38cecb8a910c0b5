/**
 * Ends of instances: conmon writes a container's exit code to a file in one directory. That directory is watched, and monitors are looked at every
 * two seconds besides, and the directory every ten, in case the watch missed something or a monitor was killed itself.
 */
import { type FSWatcher, watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../lib/clock.ts";
import { isMissing } from "./files.ts";

/** How a run ended; without a code its monitor was lost. */
export interface RunEnd {
  code: number | undefined;
}

export interface ExitWatch {
  /** Resolves when the container has ended. `monitor` is conmon's pid, `isOurs` tells whether a pid still is that process. */
  wait(cid: string, monitor: number): Promise<RunEnd>;
  /** The end that is on disk already. */
  read(cid: string): Promise<RunEnd | undefined>;
  close(): void;
}

const checkMs = 2_000;
/** In one check out of so many files are read; in the others a monitor that is there is taken for what it was. */
const thoroughEvery = 5;

export function watchExits(dir: string, clock: Clock): ExitWatch {
  const waiting = new Map<string, { monitor: number; resolve(end: RunEnd): void }>();
  let closed = false;
  let rounds = 0;

  const read = async (cid: string): Promise<RunEnd | undefined> => {
    try {
      const text = (await readFile(join(dir, cid), "utf8")).trim();
      return { code: /^-?\d+$/.test(text) ? Number(text) : undefined };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  };
  const check = async (cid: string): Promise<boolean> => {
    const end = await read(cid).catch(() => undefined);
    if (end === undefined) return false;
    waiting.get(cid)?.resolve(end);
    waiting.delete(cid);
    return true;
  };
  const checkAll = async (): Promise<void> => {
    rounds += 1;
    const thorough = rounds % thoroughEvery === 0;
    for (const [cid, one] of waiting) {
      if (!thorough && isThere(one.monitor)) continue;
      const monitored = await isMonitor(one.monitor, cid);
      // It writes the file before it ends: look for the monitor first, for the file then.
      if ((await check(cid)) || monitored) continue;
      one.resolve({ code: undefined });
      waiting.delete(cid);
    }
  };
  const loop = () => {
    clock.after(checkMs, () => {
      if (!closed) void checkAll().finally(loop);
    });
  };

  const watcher: FSWatcher = watch(dir, { persistent: false }, (_, name) => {
    if (name !== null && waiting.has(name)) void check(name);
  });
  watcher.on("error", () => {}); // the check stays
  loop();

  return {
    read,
    wait: (cid, monitor) =>
      new Promise((resolve) => {
        waiting.set(cid, { monitor, resolve });
        void check(cid);
      }),
    close: () => {
      closed = true;
      waiting.clear();
      watcher.close();
    },
  };
}

/** Whether there is a process of that number, at the cost of one system call. */
function isThere(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Whether a pid is the conmon of this container. */
export async function isMonitor(pid: number, cid: string): Promise<boolean> {
  const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return line.split("\0").includes(cid);
}
