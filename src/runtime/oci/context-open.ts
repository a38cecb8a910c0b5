/** What containers stand on, found on this machine or made: the driver's directories, the OCI runtime, control groups, how roots are mounted. */
import { createHash } from "node:crypto";
import { mkdir, readFile, realpath, rmdir } from "node:fs/promises";
import { release } from "node:os";
import { join } from "node:path";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { Drain } from "../workloads.ts";
import { findCgroups, makeParent } from "./cgroup.ts";
import type { DriverContext } from "./context.ts";
import { watchExits } from "./exits.ts";
import { makeDirectory, names } from "./files.ts";
import { createLauncher, type Launcher } from "./launcher.ts";
import { defaultLimits, type DriverLimits } from "./limits.ts";
import { findRuntime } from "./oci-runtime.ts";
import type { ImageStore, InstanceNetwork } from "./parts.ts";
import type { Places } from "./record.ts";
import { findRootMounter, findUpperKind, mountMemory, unmountBelow } from "./rootfs.ts";
import { readSeccomp } from "./seccomp.ts";

export interface ContextOptions {
  /** One directory per instance. */
  dir: string;
  /** Sockets, exit codes, the OCI runtime's state. */
  runDir: string;
  images: ImageStore;
  network: InstanceNetwork;
  drain: Drain;
  clock: Clock;
  log: Log;
  limits?: Partial<DriverLimits>;
  /** Starts its processes; whoever made it closes it, after the driver. One of its own unless given. */
  launcher?: Launcher;
}

export interface OpenContext {
  ctx: DriverContext;
  /** Lets go of it; containers run on. */
  close(): void;
  /** Takes away what is mounted, and the control group of all containers, of which none may run any more; afterwards it can only be closed. */
  clear(): Promise<void>;
}

/** Opens it. @throws Error naming what is missing on this machine */
export async function openContext(options: ContextOptions): Promise<OpenContext> {
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
    return {
      ctx,
      close: () => {
        exits.close();
        closeLauncher();
      },
      clear: async () => {
        exits.close();
        await unmountBelow(launcher, places.memory);
        await Promise.all(cgroups.all(parentGroup).map((path) => rmdir(path).catch(() => {}))); // not empty: someone else's
      },
    };
  } catch (error) {
    for (const end of ends) end();
    throw error;
  }
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
