import { join } from "node:path";
import { readJson, writeFileAtomic } from "../../lib/files.ts";
import type { PlatformPaths } from "../config.ts";
import type { InstanceStatus } from "../types.ts";

/** What control last knew, for `status`, which must answer also while control is down. */
export interface ControlStatus {
  instances: InstanceStatus[];
  /** A sentence each. */
  problems: string[];
}

function pathOf(paths: PlatformPaths): string {
  return join(paths.run, "status.json");
}

export async function writeControlStatus(paths: PlatformPaths, status: ControlStatus): Promise<void> {
  await writeFileAtomic(pathOf(paths), JSON.stringify(status));
}

/** What control wrote last; empty where it never did. */
export async function readControlStatus(paths: PlatformPaths): Promise<ControlStatus> {
  const status = (await readJson(pathOf(paths)).catch(() => undefined)) as Partial<ControlStatus> | undefined;
  return { instances: status?.instances ?? [], problems: status?.problems ?? [] };
}
