/**
 * An OCI driver for tests: the real one with the real network, on directories of its own, with roots made from this machine's busybox in place of
 * an image store. `close` leaves nothing on the machine and says so where something is left.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { glob, mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "vitest";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLog } from "../../src/lib/log.ts";
import { createDriver, type Driver, type DriverOptions } from "../../src/runtime/oci/driver.ts";
import { createNetwork, destroyNetwork } from "../../src/runtime/oci/network.ts";
import type { ImageRoot, ImageStore } from "../../src/runtime/oci/parts.ts";
import { busyboxRoot } from "./busybox-root.ts";
import { ImageError } from "../../src/runtime/images.ts";
import type { InstanceState, WorkloadKey, WorkloadState } from "../../src/runtime/workloads.ts";

export { busyboxRoot } from "./busybox-root.ts";
export { instanceSpec, shellSpec } from "./instance-spec.ts";

const run = promisify(execFile);

export type TestImage = Partial<ImageRoot["config"]> & { layers?: string[] };

export interface DriverBed {
  /** The installation's directory. */
  dir: string;
  driver: Driver;
  /** Adds an image; its layer is busybox, or what is given. */
  image(name: string, image?: TestImage): void;
  /** Ends the driver, as a crash of control would as far as instances see it, and starts the next. */
  restart(options?: { before?: () => Promise<void> }): Promise<void>;
  /** Instances that were drained, in order. */
  drained: string[];
  /** Stops everything and checks that nothing is left. */
  close(): Promise<void>;
}

/** Makes a bed on which a driver runs, in a new directory unless `dir` is one. */
export async function driverBed(options: Partial<DriverOptions> = {}, at?: string): Promise<DriverBed> {
  const dir = at ?? (await mkdtemp("/var/tmp/elafros-driver-"));
  const base = join(dir, "images/busybox");
  await busyboxRoot(base);
  const images = new Map<string, ImageRoot>();
  const runDir = join(dir, "run");
  await mkdir(runDir);
  const drained: string[] = [];
  const start = async () =>
    createDriver({
      dir: join(dir, "instances"),
      runDir,
      images: store(images),
      builds: { dir: join(dir, "builds"), bases: join(dir, "bases") },
      network: await createNetwork({ dataDir: dir, runDir, prepared: 2, log: silentLog, ...networkPorts }),
      drain: async (_, id) => void drained.push(id),
      clock: systemClock,
      log: silentLog,
      ...options,
    });
  const bed: DriverBed = {
    dir,
    driver: await start(),
    drained,
    image: (name, { layers = [base], ...config } = {}) => {
      images.set(name, {
        layers,
        id: name,
        config: {
          env: ["PATH=/bin"],
          entrypoint: [],
          cmd: ["/bin/sh", "/bin/serve"],
          user: "",
          workingDir: "",
          stopSignal: "",
          volumes: [],
          ...config,
        },
      });
    },
    restart: async ({ before } = {}) => {
      await bed.driver.close();
      try {
        await before?.();
      } finally {
        bed.driver = await start();
      }
    },
    close: async () => {
      await bed.driver.stopAll(2_000);
      const left = await readdir(join(dir, "instances"));
      await bed.driver.close();
      await destroyNetwork({ dataDir: dir, runDir });
      expect(left).toEqual([]);
      expect(await leftovers(dir)).toEqual([]);
      if (at === undefined) await rm(dir, { recursive: true });
    },
  };
  bed.image("busybox");
  return bed;
}

const networkPorts = { gatewayPorts: [], allowHostPorts: [] };

/** Processes, mounts and control groups that name a directory. */
export async function leftovers(dir: string): Promise<string[]> {
  const { stdout } = await run("ps", ["-eo", "args"]);
  const processes = stdout.split("\n").filter((line) => line.includes(dir));
  const mounts = (await readFile("/proc/self/mountinfo", "utf8"))
    .split("\n")
    .filter((line) => line.includes(`${dir}/`) && line.split(" ")[4] !== dir);
  const name = `elafros-${createHash("sha256").update(join(dir, "instances")).digest("hex").slice(0, 10)}`;
  const groups: string[] = [];
  for await (const group of glob(`/sys/fs/cgroup/{${name},*/${name}}`)) groups.push(group);
  return [...processes, ...mounts, ...groups];
}

function store(images: Map<string, ImageRoot>): ImageStore {
  return {
    resolve: async (name) => name,
    pull: async (name) => {
      if (!images.has(name)) throw new ImageError(`manifest unknown: ${name}`);
    },
    root: async (name) => images.get(name),
    prune: async () => [],
    importLayout: () => Promise.reject(new Error("there are no builds here")),
    pushLayout: () => Promise.reject(new Error("there are no builds here")),
  };
}

/** Waits until a workload's state is as wanted, and gives it; bounded. */
export async function eventually(
  driver: Driver,
  key: WorkloadKey,
  wanted: (state: WorkloadState) => boolean,
): Promise<WorkloadState> {
  const state = () => driver.get(key) ?? { key, desired: 0, instances: [] };
  await expect
    .poll(() => wanted(state()), { interval: 5, message: "state" })
    .toBe(true)
    .catch((error: unknown) => {
      throw new Error(`State never came: ${JSON.stringify(state(), undefined, 1)}`, { cause: error });
    });
  return state();
}

/** Waits until `count` instances are ready, and no others are there. */
export async function untilReady(driver: Driver, key: WorkloadKey, count = 1): Promise<InstanceState[]> {
  const state = await eventually(
    driver,
    key,
    ({ instances }) => instances.length === count && instances.every((one) => one.phase === "ready"),
  );
  return state.instances;
}

/** All log lines of an instance at present. */
export async function logOf(driver: Driver, id: string, previous = false): Promise<string> {
  const { signal } = new AbortController();
  let text = "";
  for await (const line of driver.logs(id, { follow: false, timestamps: false, previous, signal })) text += line;
  return text;
}
