/**
 * The workloads port on this machine. It keeps what is wanted in memory and what runs on disk, brings the second to the first, and is asked again
 * with everything after a restart: `scale` is level-triggered. Instances are children of their own monitor, so they outlive this process.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, realpath, rmdir } from "node:fs/promises";
import { release } from "node:os";
import { join } from "node:path";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { BuildsPort } from "../builds.ts";
import type { Drain, InstanceSpec, LogOptions, Standby, WorkloadKey, WorkloadsPort } from "../workloads.ts";
import { adoptInstances } from "./adopt.ts";
import { type BuildOptions, openBuilds } from "./build-open.ts";
import type { BuildSet } from "./build-set.ts";
import { findCgroups, makeParent } from "./cgroup.ts";
import type { DriverContext } from "./context.ts";
import { watchExits } from "./exits.ts";
import { makeDirectory, names } from "./files.ts";
import type { Instance } from "./instance.ts";
import { createLauncher, type Launcher } from "./launcher.ts";
import { defaultLimits, type DriverLimits } from "./limits.ts";
import { readLog } from "./logs.ts";
import { findRuntime } from "./oci-runtime.ts";
import type { ImageStore, InstanceNetwork } from "./parts.ts";
import { instancePaths, type Places } from "./record.ts";
import { findRootMounter, findUpperKind, mountMemory, unmountBelow } from "./rootfs.ts";
import { readSeccomp } from "./seccomp.ts";
import { createWorkloads } from "./workload-set.ts";

export interface DriverOptions {
  /** One directory per instance. */
  dir: string;
  /** Sockets, exit codes, the OCI runtime's state. */
  runDir: string;
  images: ImageStore;
  builds: BuildOptions;
  network: InstanceNetwork;
  drain: Drain;
  clock: Clock;
  log: Log;
  limits?: Partial<DriverLimits>;
  /** Starts its processes; whoever made it closes it, after the driver. One of its own unless given. */
  launcher?: Launcher;
}

export interface Driver extends WorkloadsPort {
  /** Builds on this machine; their steps are containers as instances are. */
  readonly builds: BuildsPort;
  /** Puts a new instance in the place of one that hangs; the old one is drained and stopped. Nothing happens where there is none. */
  replace(instanceId: string, why: string): void;
  /** Ends the driver and leaves instances and builds running. */
  close(): Promise<void>;
  /**
   * Drains and stops every instance, with at most `graceMs` between SIGTERM and SIGKILL, ends what runs of builds, which begin again when they are next declared, and
   * leaves nothing mounted; afterwards the driver can only be closed.
   */
  stopAll(graceMs: number): Promise<void>;
}

const logCheckMs = 1_000;

/** Starts the driver: adopts what runs and removes what is half made before it resolves. @throws Error naming what is missing on this machine */
export async function createDriver(options: DriverOptions): Promise<Driver> {
  const limits = { ...defaultLimits(), ...options.limits };
  const { clock, log } = options;
  await Promise.all([makeDirectory(options.dir, 0o700), makeDirectory(options.runDir, 0o700)]);
  const [dir, runDir] = await Promise.all([realpath(options.dir), realpath(options.runDir)]);
  const places: Places = { disk: dir, memory: join(runDir, "mem") };

  const cgroups = await findCgroups(await readFile("/proc/self/mountinfo", "utf8"));
  const launcher = options.launcher ?? createLauncher();
  const closeLauncher = () => {
    if (options.launcher === undefined) launcher.close();
  };
  const ends: (() => void)[] = [closeLauncher];
  try {
    await mkdir(places.memory, { recursive: true, mode: 0o700 });
    const { inMemory } = await mountMemory(launcher, places.memory);
    if (!inMemory)
      log.warn({ path: places.memory }, "Cannot mount a tmpfs: instances' records and secrets are kept on disk");
    await Promise.all(["i", "exits", "s", "oci"].map((name) => mkdir(join(places.memory, name), { recursive: true })));
    const exits = watchExits(join(places.memory, "exits"), clock);
    ends.push(() => exits.close());
    const [runtime, seccomp, upper, bootId, openFiles] = await Promise.all([
      findRuntime({
        launcher,
        cgroupVersion: cgroups.version,
        dir: places.memory,
        logFileBytes: Math.floor(limits.logBytes / 2),
      }),
      readSeccomp(),
      findUpperKind(launcher, dir),
      readFile("/proc/sys/kernel/random/boot_id", "utf8"),
      hardOpenFiles(),
    ]);
    if (upper === "tmpfs") {
      log.warn(
        { dir, bytes: limits.tmpfsRootBytes },
        "The data directory's file system can't hold overlays: instances' files are kept in memory",
      );
    }
    const parentGroup = `/elafros-${createHash("sha256").update(dir).digest("hex").slice(0, 10)}`;
    await makeParent(cgroups, parentGroup, limits.memoryBytes).catch((error: unknown) => {
      // They may use more than that already, from before: the limit of each holds all the same.
      log.warn({ error, parentGroup }, "Cannot limit the memory of all instances together");
    });
    const mounter = await findRootMounter(runtime, places.memory, `${parentGroup}/trial`);
    const ctx: DriverContext = {
      places,
      images: options.images,
      network: options.network,
      drain: options.drain,
      clock,
      log,
      limits,
      launcher,
      runtime,
      exits,
      cgroups,
      parentGroup,
      upper,
      mounter,
      bootId: bootId.trim(),
      machine: {
        arch: process.arch,
        kernel: release(),
        seccomp,
        openFiles,
        cgroupVersion: cgroups.version,
        swapLimit: cgroups.swapLimit,
        cgroupNamespace: (await names("/proc/self/ns")).includes("cgroup"),
      },
      looks: new Map(),
      limitStarts: limiter(limits.parallelStarts),
      turnToPrepare: seats(1),
    };
    return await run(ctx, await openBuilds(ctx, options.builds), closeLauncher);
  } catch (error) {
    for (const end of ends) end();
    throw error;
  }
}

async function run(ctx: DriverContext, builds: BuildSet, closeLauncher: () => void): Promise<Driver> {
  const workloads = createWorkloads(ctx);
  for (const { record, run } of await adoptInstances(ctx, builds.adopted)) workloads.adopt(record, run);
  builds.open();
  let closed = false;
  const keepLogs = () => {
    ctx.clock.after(logCheckMs, () => {
      if (closed) return;
      const running = workloads.instances().filter((one) => one.running);
      void Promise.allSettled(running.map((one) => one.keepLog())).then(keepLogs);
    });
  };
  keepLogs();

  return {
    builds,
    scale: (key: WorkloadKey, spec: InstanceSpec, count: number, standby?: Standby) =>
      workloads.scale(key, spec, count, standby),
    remove: (key) => workloads.remove(key),
    get: (key) => workloads.get(key),
    list: () => workloads.list(),
    subscribe: (listener) => workloads.subscribe(listener),
    replace: (id, why) => {
      ctx.log.warn({ instance: id, why }, "Replacing an instance");
      workloads.replace(id, why);
    },
    logs: (id, options) => logsOf(ctx, workloads.instance(id), { id, options }),
    close: async () => {
      closed = true;
      await Promise.all([workloads.close(), builds.close()]);
      ctx.exits.close();
      closeLauncher();
    },
    stopAll: async (graceMs) => {
      await Promise.all([workloads.stopAll(graceMs), builds.stopAll()]);
      ctx.exits.close();
      await unmountBelow(ctx.launcher, ctx.places.memory);
      await Promise.all(ctx.cgroups.all(ctx.parentGroup).map((path) => rmdir(path).catch(() => {}))); // not empty: someone else's
    },
  };
}

function logsOf(
  ctx: DriverContext,
  instance: Instance | undefined,
  { id, options }: { id: string; options: LogOptions },
): AsyncIterable<string> {
  if (instance === undefined) throw new Error(`Cannot read logs: there is no instance "${id}"`);
  const attempt = instance.attempt - (options.previous ? 1 : 0);
  return readLog(instancePaths(ctx.places, id).log(attempt), {
    ...options,
    running: () => instance.running && instance.attempt === attempt,
  });
}

/** The hard limit of open files: instances get no more, because raising it takes CAP_SYS_RESOURCE. */
async function hardOpenFiles(): Promise<number> {
  const limits = await readFile("/proc/self/limits", "utf8");
  const hard = /^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1];
  return hard === undefined ? 1_048_576 : Math.min(Number(hard), 1_048_576);
}

/** Seats for so many at once: resolves when one is free, with the function that frees it again. */
function seats(most: number): () => Promise<() => void> {
  let taken = 0;
  const queue: (() => void)[] = [];
  const free = () => {
    const next = queue.shift();
    if (next === undefined) taken--;
    else next();
  };
  return async () => {
    if (taken >= most) await new Promise<void>((resolve) => queue.push(resolve));
    else taken++;
    return free;
  };
}

function limiter(most: number) {
  const take = seats(most);
  return async <T>(start: () => Promise<T>): Promise<T> => {
    const free = await take();
    try {
      return await start();
    } finally {
      free();
    }
  };
}
