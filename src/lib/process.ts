/**
 * Processes of this machine that aren't our children: who they are, whether they still run, how they end. A pid alone may be
 * another process tomorrow, so a process is named by pid, start time and boot.
 */
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** A process, for as long as this machine is up. */
export interface ProcessIdentity {
  pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks from boot to its start. */
  startTicks: string;
  /** The boot that `startTicks` counts from. */
  bootId: string;
}

/** The identity of a running process; undefined where none has that pid (zombies have ended). */
export async function identifyProcess(pid: number): Promise<ProcessIdentity | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (stat === undefined) return undefined;
  // The command, in parentheses, may hold spaces and parentheses: the fields start after the last one (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state] = fields;
  const startTicks = fields[19];
  if (state === "Z" || state === "X" || startTicks === undefined) return undefined;
  const bootId = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  return { pid, startTicks, bootId };
}

/** Whether exactly this process still runs. */
export async function isRunning(process: ProcessIdentity): Promise<boolean> {
  const now = await identifyProcess(process.pid);
  return now !== undefined && now.startTicks === process.startTicks && now.bootId === process.bootId;
}

/** Sends a signal to exactly this process; false where it has ended. */
export async function signalProcess(target: ProcessIdentity, signal: NodeJS.Signals): Promise<boolean> {
  if (!(await isRunning(target))) return false;
  try {
    process.kill(target.pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Waits until the process has ended; false where it still runs after `ms` milliseconds. */
export async function waitForEnd(process: ProcessIdentity, ms: number): Promise<boolean> {
  const began = Date.now();
  while (await isRunning(process)) {
    const waited = Date.now() - began;
    if (waited >= ms) return false;
    // What doesn't end soon may take an hour.
    await sleep(waited < 2_000 ? 20 : 200);
  }
  return true;
}

/** Asks a process to end by SIGTERM and makes it end by SIGKILL after `graceMs` milliseconds. */
export async function endProcess(process: ProcessIdentity, graceMs: number): Promise<void> {
  if (!(await signalProcess(process, "SIGTERM"))) return;
  if (await waitForEnd(process, graceMs)) return;
  await signalProcess(process, "SIGKILL");
  await waitForEnd(process, 5_000);
}
