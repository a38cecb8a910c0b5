import { rm } from "node:fs/promises";
import { readJson, writeFileAtomic } from "../../lib/files.ts";
import { type ProcessIdentity, isRunning } from "../../lib/process.ts";
import type { PlatformPaths } from "../config.ts";
import type { ProcessStatus } from "../types.ts";

/** The platform's own processes, in the order in which they start. */
export const processNames = ["supervisor", "dns", "control", "gateway"] as const;
export type ProcessName = (typeof processNames)[number];

/** What `run/NAME.json` says of a process. */
export interface ProcessRecord extends ProcessIdentity {
  name: ProcessName;
  /** RFC 3339. */
  since: string;
  version: string;
  /** It was started and doesn't serve yet. */
  starting?: true;
  /** Others of that name: a replacement that doesn't serve yet, or one that was replaced and still ends its requests. */
  beside?: BesideRecord[];
}

interface BesideRecord extends ProcessIdentity {
  /** It was asked to end, and finishes what it has: asked again, it would drop that. */
  ending?: true;
}

/** The record of a process; undefined where there is none, or no whole one. */
export async function readRecord(paths: PlatformPaths, name: ProcessName): Promise<ProcessRecord | undefined> {
  const record = (await readJson(paths.record(name)).catch(() => undefined)) as Partial<ProcessRecord> | undefined;
  if (typeof record?.pid !== "number" || record.startTicks === undefined || record.bootId === undefined)
    return undefined;
  return record as ProcessRecord;
}

export async function writeRecord(paths: PlatformPaths, record: ProcessRecord): Promise<void> {
  await writeFileAtomic(paths.record(record.name), JSON.stringify(record));
}

export async function removeRecord(paths: PlatformPaths, name: ProcessName): Promise<void> {
  await rm(paths.record(name), { force: true });
}

/** All that run under a name: the process, its replacement, those that it replaced. */
export async function runningUnder(paths: PlatformPaths, name: ProcessName): Promise<ProcessIdentity[]> {
  const record = await readRecord(paths, name);
  if (record === undefined) return [];
  const all = [record, ...(record.beside ?? [])];
  const running = await Promise.all(all.map(isRunning));
  return all.filter((_, index) => running[index]);
}

/** The record of a process that runs now. */
export async function runningRecord(paths: PlatformPaths, name: ProcessName): Promise<ProcessRecord | undefined> {
  const record = await readRecord(paths, name);
  return record !== undefined && (await isRunning(record)) ? record : undefined;
}

/** All processes with a record, and whether they run. */
export async function processStatuses(paths: PlatformPaths): Promise<ProcessStatus[]> {
  const statuses: ProcessStatus[] = [];
  for (const name of processNames) {
    const record = await readRecord(paths, name);
    if (record === undefined) continue;
    const { pid, since, version } = record;
    statuses.push({ name, pid, since, version, running: await isRunning(record) });
  }
  return statuses;
}
