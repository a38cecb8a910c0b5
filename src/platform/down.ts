import { readdir, realpath, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readJson } from "../lib/files.ts";
import { endProcess, waitForEnd } from "../lib/process.ts";
import { type PlatformConfig, type PlatformPaths, platformPaths } from "./config.ts";
import { isUnanswered, sendCommand } from "./supervisor/commands.ts";
import { lockDirectory } from "./supervisor/lock.ts";
import { runProgram } from "./supervisor/programs.ts";
import { type ProcessRecord, removeRecord, runningRecord, runningUnder } from "./supervisor/records.ts";
import { removeUnit } from "./systemd.ts";
import { personAsking } from "./trust/browsers.ts";
import { distrust } from "./trust/trust.ts";
import type { DownOptions } from "./types.ts";
import { requireRoot } from "./settings.ts";

/** From a process's end until it holds nothing any more. */
const releasedMs = 2_000;
/** One that is still starting undoes what it has started. */
const startingGraceMs = 60_000;

/**
 * Stops the platform: requests end, instances get their grace, then no process, mount or network of it is left. The next `up` brings every
 * service back, except after `purge`, which removes the data directory too.
 */
export async function down(options: DownOptions): Promise<void> {
  requireRoot("down");
  const dataDir = await realpath(options.dataDir).catch(() => undefined);
  const config = dataDir === undefined ? undefined : await readConfig(dataDir);
  if (dataDir === undefined || config === undefined) {
    options.print(`Nothing to stop: ${options.dataDir} is not the data directory of an Elafros`);
    return;
  }
  const paths = platformPaths(dataDir);
  const supervisor = await runningRecord(paths, "supervisor");
  const stopped = supervisor !== undefined && (await stopSupervisor(supervisor, paths));
  // Held until this process ends: nothing starts meanwhile.
  const locked = await lockSoon(dataDir);
  if (!stopped) {
    if (!locked) {
      throw new Error(`Elafros is just being started on ${dataDir}: run "elafros down" again when it serves`);
    }
    // A killed supervisor left the others: end them in the same order.
    for (const name of ["gateway", "control"] as const) {
      const running = await runningUnder(paths, name);
      await Promise.all(running.map((each) => endProcess(each, name === "gateway" ? 32_000 : 10_000)));
      await removeRecord(paths, name);
    }
    await runProgram("teardown", config);
    const dns = await runningRecord(paths, "dns");
    if (dns !== undefined) await endProcess(dns, 2_000);
    await removeRecord(paths, "dns");
    await removeRecord(paths, "supervisor");
  }
  if (options.purge !== true) {
    options.print(`Elafros is stopped. Its services come back with: elafros up --data-dir ${dataDir}`);
    return;
  }
  await removeUnit(dataDir);
  await stopTrusting(dataDir, options);
  const emptied = await removeDirectory(dataDir);
  options.print(
    `Elafros is stopped and ${dataDir} is ${emptied ? "empty: a file system is mounted there" : "removed"}`,
  );
}

/** A trusted authority whose key is gone is of no use to anyone; one that can't be removed doesn't keep the rest. */
async function stopTrusting(dataDir: string, { print }: DownOptions): Promise<void> {
  try {
    for (const place of await distrust(dataDir, await personAsking(process.env)))
      print(`Local CA removed from ${place}`);
  } catch (error) {
    print(`The local CA could not be removed from this machine's stores: ${(error as Error).message}`);
  }
}

/** A process is seen to have ended a moment before the kernel has released all that it held. */
async function lockSoon(dataDir: string): Promise<boolean> {
  for (const end = Date.now() + releasedMs; Date.now() < end; await sleep(20)) if (lockDirectory(dataDir)) return true;
  return false;
}

/** A file system may be mounted there: then the directory stays, and is empty. True for that. */
async function removeDirectory(path: string): Promise<boolean> {
  for (const name of await readdir(path)) await rm(join(path, name), { recursive: true, force: true });
  try {
    await rmdir(path);
    return false;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EBUSY") throw error;
    return true;
  }
}

async function readConfig(dataDir: string): Promise<PlatformConfig | undefined> {
  return (await readJson(platformPaths(dataDir).config)) as PlatformConfig | undefined;
}

/** For so long the one that runs may listen nowhere: while it hands over to another one ("elafros upgrade"). */
const handingOverMs = 60_000;

/** Asks it to stop everything. False where it has ended without: killed, or while it was still starting. */
async function stopSupervisor(supervisor: ProcessRecord, paths: PlatformPaths): Promise<boolean> {
  if (supervisor.starting === true) {
    await endProcess(supervisor, startingGraceMs);
    return false;
  }
  for (const end = Date.now() + handingOverMs; ; await sleep(50)) {
    try {
      await sendCommand(paths.supervisorSocket, "/stop");
      break;
    } catch (error) {
      if ((await runningRecord(paths, "supervisor")) === undefined) return false;
      if (!isUnanswered(error) || Date.now() > end) throw error;
    }
  }
  if (!(await waitForEnd(supervisor, 10_000))) await endProcess(supervisor, 0);
  return true;
}
