import { join } from "node:path";
import { type Clock, rfc3339 } from "../../lib/clock.ts";
import { readJson, writeFileAtomic } from "../../lib/files.ts";
import type { Log } from "../../lib/log.ts";
import type { WorkloadState, WorkloadsPort } from "../../runtime/workloads.ts";
import type { PlatformPaths } from "../config.ts";
import type { InstanceStatus } from "../types.ts";
import { reasonWord } from "./traffic.ts";

/** What control last knew, for `status`, which must answer also while control is down. */
export interface ControlStatus {
  instances: InstanceStatus[];
  /** A sentence each. */
  problems: string[];
}

/** Changes are written together, at most this often. */
const writeEveryMs = 250;

/** Keeps the file current until `stop`. */
export function keepStatusFile(options: {
  paths: PlatformPaths;
  driver: Pick<WorkloadsPort, "list" | "subscribe">;
  clock: Clock;
  log: Log;
}): { stop(): Promise<void> } {
  const { paths, driver, clock, log } = options;
  let cancel: (() => void) | undefined;
  let writing = Promise.resolve();
  const write = () => {
    cancel = undefined;
    const text = JSON.stringify(statusOf(driver.list()));
    writing = writing
      .then(() => writeFileAtomic(pathOf(paths), text))
      .catch((error: unknown) => log.warn({ error }, "the status file can't be written"));
  };
  const soon = () => {
    cancel ??= clock.after(writeEveryMs, write);
  };
  write();
  const unsubscribe = driver.subscribe(soon);
  return {
    async stop() {
      unsubscribe();
      cancel?.();
      await writing;
    },
  };
}

function statusOf(workloads: readonly WorkloadState[]): ControlStatus {
  const instances = workloads.flatMap(({ key, instances }) =>
    instances.map(({ id, phase, createdAt, startedAt, restarts }) => ({
      id,
      namespace: key.namespace,
      revision: key.name,
      phase,
      since: rfc3339(startedAt ?? createdAt),
      restarts,
    })),
  );
  const problems = workloads.flatMap(({ key, problem }) =>
    problem === undefined
      ? []
      : [`Revision "${key.name}" in namespace "${key.namespace}": ${reasonWord(problem)}: ${problem.message}`],
  );
  return { instances, problems };
}

/** What control wrote last; empty where it never did. */
export async function readControlStatus(paths: PlatformPaths): Promise<ControlStatus> {
  const status = (await readJson(pathOf(paths)).catch(() => undefined)) as Partial<ControlStatus> | undefined;
  return { instances: status?.instances ?? [], problems: status?.problems ?? [] };
}

function pathOf(paths: PlatformPaths): string {
  return join(paths.run, "status.json");
}
