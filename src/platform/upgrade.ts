/**
 * `elafros upgrade`: puts the processes of the program that is installed now in the place of those that run, while requests are served. Each
 * is replaced only once its successor serves, or is known to be able to; otherwise the one that runs stays.
 */
import { spawn } from "node:child_process";
import { realpath } from "node:fs/promises";
import { version } from "../lib/version.ts";
import { type PlatformPaths, platformPaths } from "./config.ts";
import { requireRoot } from "./settings.ts";
import { isUnanswered, sendCommand, UnknownCommandError } from "./supervisor/commands.ts";
import { launchSupervisor } from "./supervisor/launch.ts";
import { lockDirectory } from "./supervisor/lock.ts";
import { controlFlags, nodeFlags, programPath } from "./supervisor/programs.ts";
import { type ProcessName, readRecord, runningRecord } from "./supervisor/records.ts";
import type { ControlCheck } from "./control/options.ts";
import type { UpgradeOptions } from "./types.ts";

/**
 * Replaces supervisor, gateway and control of a running platform by those of this program, one after the other, and says what it replaced.
 * @throws Error that says in a sentence what can't be replaced, why, and what runs now
 */
export async function upgrade(options: UpgradeOptions): Promise<void> {
  requireRoot("upgrade");
  const dataDir = await realpath(options.dataDir).catch(() => options.dataDir);
  const paths = platformPaths(dataDir);
  const running = await Promise.all(
    (["supervisor", "gateway", "control"] as const).map((name) => runningRecord(paths, name)),
  );
  if (running.every((record) => record === undefined)) {
    throw new Error(
      `Elafros doesn't run on ${options.dataDir}: start it with "elafros up", which starts version ${version}`,
    );
  }
  // Held until this process ends.
  if (!lockDirectory(paths.run)) {
    throw new Error(
      `Another "elafros upgrade" is under way on ${options.dataDir}: run this one when that one has ended`,
    );
  }
  await checkControl(dataDir);
  const steps: [ProcessName, () => Promise<void>][] = [
    ["supervisor", () => succeed(paths, dataDir)],
    ["gateway", () => sendCommand(paths.supervisorSocket, "/replace/gateway")],
    ["control", () => sendCommand(paths.supervisorSocket, "/replace/control")],
  ];
  for (const [name, step] of steps) {
    const from = (await readRecord(paths, name))?.version;
    await step().catch((error: unknown) => {
      throw failure(name, from, error);
    });
    options.print(`✓ ${name}: ${from === undefined || from === version ? version : `${from} → ${version}`}`);
  }
  options.print(`Elafros runs version ${version}`);
}

/** Loads control beside the one that runs, and has it look at the store. */
async function checkControl(dataDir: string): Promise<void> {
  const check: ControlCheck = { check: { dataDir } };
  const child = spawn(process.execPath, [...controlFlags, programPath("../control/main"), JSON.stringify(check)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => (output += part));
  child.stderr.setEncoding("utf8").on("data", (part: string) => (errors += part));
  await new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => resolve());
  });
  const { ready, error } = answerIn(output);
  if (ready === true) return;
  const why = error ?? (errors.trim() || output.trim() || "it ended without a word");
  throw new Error(`Version ${version} can't take over, and nothing was changed: ${why}`);
}

function answerIn(output: string): { ready?: boolean; error?: string } {
  try {
    return (JSON.parse(output) as { ready?: boolean; error?: string } | null) ?? {};
  } catch {
    return {};
  }
}

async function succeed(paths: PlatformPaths, dataDir: string): Promise<void> {
  if ((await runningRecord(paths, "supervisor")) === undefined) {
    // It was killed: the next one takes the others over as "up" would.
    await launchSupervisor(dataDir, {});
    return;
  }
  const command = [process.execPath, ...nodeFlags, programPath("main")];
  await sendCommand(paths.supervisorSocket, "/succeed", { command });
}

function failure(name: ProcessName, from: string | undefined, error: unknown): Error {
  const why = error instanceof Error ? error.message : String(error);
  const old = from === undefined ? "" : ` of version ${from}`;
  if (error instanceof UnknownCommandError) {
    return new Error(
      `The supervisor${old} that runs can't hand over to another one, and nothing was changed: run "elafros down", then "elafros up"`,
    );
  }
  if (isUnanswered(error)) {
    return new Error(
      `The supervisor doesn't answer (${why}), so its ${name} was not replaced: it is being started or stopped, or was killed. Look at "elafros status", then run "elafros upgrade" again, or "elafros up"`,
      { cause: error },
    );
  }
  const now = {
    supervisor: `The supervisor${old} goes on, and nothing was changed.`,
    dns: "",
    gateway: `The gateway${old} goes on serving, and so does control.`,
    control: "Services go on being served. It is tried again and again until it starts.",
  }[name];
  return new Error(
    `The ${name} of version ${version} does not start: ${why}. ${now} To go back, install the version before and run "elafros upgrade" again`,
    { cause: error },
  );
}
