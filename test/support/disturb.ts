/** Rollouts under load while something happens to the platform's own processes. `npm test` plays each for seconds, `test:long` for half a minute. */
import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { sendCommand } from "../../src/platform/supervisor/commands.ts";
import { type LoadReport, startLoad } from "./load.ts";
import { eventually, type TestPlatform } from "./platform.ts";
import { changeImage, hostOf, served, type Stage } from "./stage.ts";

/** Requests a second. */
export const loadPerSecond = 500;

/** Something that happens to the platform, once per rollout, at a moment of its own. */
export type Disturbance = (stage: Stage) => Promise<void>;

/** Takes seconds each time: `npm test` has it without rollouts (test/e2e/upgrade.test.ts). */
export const upgrades: Record<string, Disturbance> = {
  "the platform is upgraded": async ({ platform }) => {
    const { code, stdout, stderr } = await platform.elafros(["upgrade", "--data-dir", platform.dataDir]);
    if (code !== 0) throw new Error(`upgrade failed: ${stdout}${stderr}`);
  },
};

export const disturbances = {
  "nothing else happens": () => Promise.resolve(),
  "control is killed with SIGKILL and comes back": (stage) => killAndWait(stage, "control"),
  "control is restarted": (stage) => command(stage, "/replace/control"),
  "the gateway is replaced": (stage) => command(stage, "/replace/gateway"),
  "the supervisor is killed and the next up takes over": async ({ platform }) => {
    const before = await Promise.all(["control", "gateway"].map((name) => platform.pid(name)));
    await killProcess(await platform.pid("supervisor"));
    const { code, stdout, stderr } = await platform.up();
    if (code !== 0) throw new Error(`up failed: ${stdout}${stderr}`);
    const after = await Promise.all(["control", "gateway"].map((name) => platform.pid(name)));
    if (before.join() !== after.join())
      throw new Error(`Not taken over: pids were ${before.join()}, are ${after.join()}`);
  },
  "the supervisor is killed while it replaces the gateway": async (stage) => {
    const { platform } = stage;
    // Its connection ends with the supervisor.
    const replaced = command(stage, "/replace/gateway").catch(() => {});
    await sleep(Math.random() * 1_000);
    await kill(stage, "supervisor");
    await replaced;
    const { code, stdout, stderr } = await platform.up();
    if (code !== 0) throw new Error(`up failed: ${stdout}${stderr}`);
    await eventually("one gateway is left", async () => (await gateways(platform)).length === 1, { timeoutMs: 60_000 });
  },
} satisfies Record<string, Disturbance>;

/** The pids of all gateways of the platform, whoever knows of them. */
export async function gateways({ dataDir }: TestPlatform): Promise<string[]> {
  const directory = join(dataDir, "gateway");
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const directories = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => "")));
  return pids.filter((_, index) => directories[index] === directory);
}

/** Tells the supervisor to do something. */
export function command({ platform }: Stage, path: string): Promise<void> {
  return sendCommand(`${platform.dataDir}/run/supervisor.sock`, path);
}

/** SIGKILL, and waits until the process is gone. */
export async function killProcess(pid: number): Promise<void> {
  process.kill(pid, "SIGKILL");
  await gone(pid);
}

/** Kills a process of the platform as soon as there is one, whether it serves or only starts; gives its pid. */
export async function kill({ platform }: Stage, name: string): Promise<number> {
  return eventually(
    `${name} can be killed`,
    async () => {
      const pid = await platform.pid(name);
      if (!isAlive(pid)) return undefined;
      process.kill(pid, "SIGKILL");
      await gone(pid);
      return pid;
    },
    { timeoutMs: 60_000, everyMs: 5 },
  );
}

/** Kills a process of the platform and waits until the supervisor has another one that serves. */
export async function killAndWait(stage: Stage, name: string): Promise<void> {
  const pid = await kill(stage, name);
  const path = join(stage.platform.dataDir, "run", `${name}.json`);
  await eventually(
    `${name} is back`,
    async () => {
      const record = JSON.parse(await readFile(path, "utf8")) as { pid: number; starting?: true };
      return record.pid !== pid && record.starting !== true;
    },
    { timeoutMs: 60_000 },
  );
}

async function gone(pid: number): Promise<void> {
  await eventually(`process ${pid} is gone`, () => Promise.resolve(!isAlive(pid)), { everyMs: 2 });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/**
 * Rolls out image after image, forth and back, for at least `ms` milliseconds under load; the disturbance begins some time into each rollout,
 * and the next begins when both are over.
 */
export async function rolloutsUnderLoad(
  stage: Stage,
  options: { name: string; ms: number; disturb: Disturbance },
): Promise<LoadReport & { rollouts: number }> {
  const { name, ms, disturb } = options;
  const { platform, images } = stage;
  const load = startLoad({ port: platform.httpPort, host: hostOf(name), perSecond: loadPerSecond, atMostMs: 300_000 });
  const startedAt = performance.now();
  let rollouts = 0;
  try {
    while (rollouts < 2 || performance.now() - startedAt < ms) {
      const image = images[rollouts % 2 === 0 ? "app:2" : "app:1"];
      // Sometimes before the Revision is made, sometimes while it starts or takes over.
      const disturbed = sleep(Math.random() * 600).then(() => disturb(stage));
      disturbed.catch(() => {});
      // What control has not acknowledged may be asked for again: the same image is the same generation.
      const revision = await eventually("the change is taken", () => changeImage(platform, name, { image }), {
        timeoutMs: 60_000,
      });
      await served(platform, name, { [revision]: 100 });
      await disturbed;
      rollouts += 1;
    }
  } finally {
    await load.stop();
  }
  return { ...(await load.stop()), rollouts };
}
