import { mkdir, realpath, rm, rmdir } from "node:fs/promises";
import { dirname } from "node:path";
import { rfc3339 } from "../lib/clock.ts";
import { readJson } from "../lib/files.ts";
import { signalProcess, waitForEnd } from "../lib/process.ts";
import { checkAcmeFiles } from "./acme/check-files.ts";
import { type PlatformConfig, checkDataDir, httpsAddress, platformPaths } from "./config.ts";
import { doctor } from "./doctor.ts";
import { followFile } from "./follow-file.ts";
import { requireRoot, settingsOf } from "./settings.ts";
import { installUnit } from "./systemd.ts";
import { accessLogPath } from "./supervisor/access-log.ts";
import { launchSupervisor } from "./supervisor/launch.ts";
import { lockDirectory } from "./supervisor/lock.ts";
import { runningRecord } from "./supervisor/records.ts";
import type { UpOptions } from "./types.ts";

/**
 * Starts the platform on a data directory, and says in one line where it serves. In the foreground it stays until SIGINT or SIGTERM,
 * which stop it as `down` does.
 * @throws Error naming what is missing on the machine, with the command that installs it; what already runs; the port that is taken
 */
export async function up(options: UpOptions): Promise<void> {
  requireRoot("up");
  const made = await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  const dataDir = await realpath(options.dataDir);
  checkDataDir(dataDir);
  try {
    await upOn(dataDir, options);
  } catch (error) {
    if (made !== undefined) await removeUnused(dataDir, made);
    throw error;
  }
}

/** Removes what this `up` made from `made` on, unless something was started on it: then its logs say why it failed, or it runs. */
async function removeUnused(dataDir: string, made: string): Promise<void> {
  const started = (await readJson(platformPaths(dataDir).config).catch(() => ({}))) !== undefined;
  if (started || !lockDirectory(dataDir)) return;
  await rm(dataDir, { recursive: true, force: true });
  const top = await realpath(dirname(made)).catch(() => dataDir);
  for (let path = dirname(dataDir); path.startsWith(`${top}/`); path = dirname(path)) await rmdir(path).catch(() => {});
}

async function upOn(dataDir: string, options: UpOptions): Promise<void> {
  const paths = platformPaths(dataDir);
  const running = await runningRecord(paths, "supervisor");
  if (running !== undefined && running.starting !== true) {
    const config = (await readJson(paths.config)) as PlatformConfig;
    options.print(
      `Elafros already runs on ${dataDir} (pid ${running.pid}): API https://${config.api}, gateway ${gatewayUrls(config)}. Nothing was changed`,
    );
    return;
  }
  const missing = (await doctor({ dataDir })).filter((finding) => finding.required && !finding.ok);
  if (missing.length > 0) {
    const lines = missing.map(
      ({ check, message, fix }) => `  ${check}: ${message}${fix === undefined ? "" : `\n    ${fix}`}`,
    );
    throw new Error(`This machine can't run Elafros yet:\n${lines.join("\n")}`);
  }
  if (options.install === true) {
    await installUnit({ ...options, dataDir });
    return;
  }
  await checkAcmeFiles(options);
  const startedAt = Date.now();
  const pid = await launchSupervisor(dataDir, settingsOf(options));
  const config = (await readJson(paths.config)) as PlatformConfig;
  const { api, domain, accessLog } = config;
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
  options.print(
    `Elafros serves since ${rfc3339(Date.now())} (${seconds} s): API https://${api}, gateway ${gatewayUrls(config)} for *.${domain}, kubeconfig ${paths.kubeconfig}`,
  );
  if (options.detach === true) return;
  const unfollow =
    accessLog === "-" ? followFile(accessLogPath(paths), (text) => process.stdout.write(text)) : () => {};
  await stayUntilStopped(dataDir, pid);
  unfollow();
}

function gatewayUrls(config: PlatformConfig): string {
  const secure = httpsAddress(config);
  return `http://${config.http}${secure === undefined ? "" : ` and https://${secure}`}`;
}

/** Waits until the supervisor has ended, and those that succeed it; signals go on to the one that runs. */
async function stayUntilStopped(dataDir: string, pid: number): Promise<void> {
  let supervisor = await runningRecord(platformPaths(dataDir), "supervisor");
  if (supervisor === undefined || supervisor.pid !== pid) throw new Error("The supervisor ended: see elafros status");
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => void (supervisor && signalProcess(supervisor, "SIGTERM")));
  }
  while (supervisor !== undefined) {
    while (!(await waitForEnd(supervisor, 60_000)));
    // One that hands over ends when the next one has its record.
    supervisor = await runningRecord(platformPaths(dataDir), "supervisor");
  }
}
