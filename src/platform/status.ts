import { realpath } from "node:fs/promises";
import { readJson } from "../lib/files.ts";
import { httpsAddress, type PlatformConfig, platformPaths } from "./config.ts";
import { processStatuses } from "./supervisor/records.ts";
import { readControlStatus } from "./control/status-file.ts";
import type { StatusReport } from "./types.ts";

/**
 * What runs on a data directory and what is wrong, from the files that every process keeps there: it tells the truth also while
 * control is down.
 * @throws Error where the directory can't be read, naming the way out
 */
export async function status(options: { dataDir: string }): Promise<StatusReport> {
  const dataDir = await realpath(options.dataDir).catch(() => options.dataDir);
  const paths = platformPaths(dataDir);
  let config: PlatformConfig | undefined;
  try {
    config = (await readJson(paths.config)) as PlatformConfig | undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EACCES") throw error;
    throw new Error(`Cannot read ${dataDir}: run "sudo elafros status"`, { cause: error });
  }
  const processes = await processStatuses(paths);
  const running = processes.length > 0 && processes.every((each) => each.running);
  const report: StatusReport = { dataDir, running, processes, instances: [], problems: [] };
  if (config === undefined) {
    report.problems.push(`No Elafros was ever started on ${dataDir}: run "elafros up --data-dir ${dataDir}"`);
    return report;
  }
  report.api = `https://${config.api}`;
  report.url = `http://${config.http}`;
  const secure = httpsAddress(config);
  if (secure !== undefined) report.https = `https://${secure}`;
  const alive = (name: string) => processes.some((each) => each.name === name && each.running);
  const up = `run "elafros up --data-dir ${dataDir}"`;
  if (!processes.some((each) => each.running)) {
    report.problems.push(`Elafros is stopped: ${up}`);
    return report;
  }
  if (!alive("supervisor")) {
    report.problems.push(
      `The supervisor has ended, so nothing that ends is started again: ${up}, which takes the others over`,
    );
  }
  if (!alive("control")) {
    report.problems.push(
      "Control is down: services go on, but nothing can be changed and nothing that crashes is restarted",
    );
  }
  if (!alive("gateway")) report.problems.push("The gateway is down: requests wait until it is back");
  if (processes.some(({ name, running: runs }) => name === "dns" && !runs)) {
    report.problems.push("The instances' DNS server is down: instances resolve no names until it is back");
  }
  const { instances, problems } = await readControlStatus(paths);
  report.instances.push(...instances);
  report.problems.push(...problems);
  return report;
}
