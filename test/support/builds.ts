/**
 * Builds for tests: the real driver with the real network and the real image store, on directories of its own. The image `localhost/busybox` is in the store. `close`
 * leaves nothing on the machine and says so where something is left.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "vitest";
import { type BuildKey, type BuildSpec, type BuildState, type StepSpec, toolsImage } from "../../src/runtime/builds.ts";
import type { BuildOptions } from "../../src/runtime/oci/build-open.ts";
import type { Driver } from "../../src/runtime/oci/driver.ts";
import type { OciImageStore } from "../../src/runtime/oci/images.ts";
import { chooseDriver, type StorageDriver } from "../../src/runtime/oci/storage-config.ts";
import { destroyNetwork } from "../../src/runtime/oci/network.ts";
import { plainStep } from "./build-spec.ts";
import { buildParts } from "./build-parts.ts";
import { busyboxRoot } from "./busybox-root.ts";
import { leftovers } from "./driver.ts";

const run = promisify(execFile);

export interface BuildBed {
  dir: string;
  driver: Driver;
  images: OciImageStore;
  /** Ends the driver, as a crash of control would as far as builds see it, and starts the next. */
  restart(options?: { before?: () => Promise<void>; builds?: Partial<BuildOptions> }): Promise<void>;
  close(): Promise<void>;
}

/** Makes a bed on which builds run, in a new directory unless `at` is one. */
export async function buildBed(builds: Partial<BuildOptions> = {}, at?: string): Promise<BuildBed> {
  const dir = at ?? (await mkdtemp("/var/tmp/elafros-builds-"));
  await addBusybox(dir);
  const bed: BuildBed = {
    dir,
    ...(await buildParts(dir, builds)),
    restart: async ({ before, builds: others = builds } = {}) => {
      await bed.driver.close();
      await before?.();
      Object.assign(bed, await buildParts(dir, others));
    },
    close: async () => {
      await bed.driver.stopAll(0);
      for (const { key } of bed.driver.builds.list()) bed.driver.builds.remove(key);
      await bed.driver.close();
      await destroyNetwork({ dataDir: dir, runDir: join(dir, "run") });
      expect(await leftovers(dir)).toEqual([]);
      await rm(dir, { recursive: true });
    },
  };
  return bed;
}

/** Puts the image `localhost/busybox` into an installation's own store, as `buildah` would have made it. */
async function addBusybox(dir: string): Promise<void> {
  const root = join(dir, "busybox");
  await busyboxRoot(root);
  await importRoot(root, {
    name: "localhost/busybox",
    store: join(dir, "images/store"),
    runRoot: join(dir, "run/setup"),
    driver: await chooseDriver({ images: join(dir, "images"), runRoot: join(dir, "run/setup") }),
    config: ["--env", "PATH=/bin", "--cmd", "sh"],
  });
}

interface ImageOptions {
  name: string;
  store: string;
  runRoot: string;
  driver?: StorageDriver;
  config?: string[];
}

/** Makes an image of a directory in a containers-storage. */
export async function importRoot(
  root: string,
  { name, store, runRoot, config = [], driver = "overlay" }: ImageOptions,
): Promise<void> {
  const buildah = async (...args: string[]) =>
    (await run("buildah", ["--root", store, "--runroot", runRoot, "--storage-driver", driver, ...args])).stdout.trim();
  const container = await buildah("from", "scratch");
  // Copied with owners and modes, which "add" would set.
  await run("cp", ["-a", `${root}/.`, await buildah("mount", container)]);
  await buildah("umount", container);
  await buildah("config", ...config, container);
  await buildah("commit", "--quiet", "--rm", container, name);
}

let made = 0;
/** A build of the given steps; everything else is as small as it can be. */
export function buildSpec(steps: StepSpec[], more: Partial<BuildSpec> = {}): BuildSpec {
  return {
    uid: `uid-${process.pid}-${++made}`,
    steps,
    baseImages: [],
    registryAuths: [],
    gitCredentials: [],
    timeoutMs: 60_000,
    labels: { "elafros.dev/configuration": "app" },
    ...more,
  };
}

/** A step that runs a shell script in busybox, or in the tools image. */
export function shellStep(name: string, script: string, more: Partial<StepSpec> = {}): StepSpec {
  return plainStep(name, { image: "localhost/busybox", command: ["/bin/sh", "-ec", script], ...more });
}

/** The same with git, buildah and skopeo. */
export function toolsStep(name: string, script: string, more: Partial<StepSpec> = {}): StepSpec {
  return shellStep(name, script, { image: toolsImage, ...more });
}

/** Waits until a build's state is as wanted, and gives it; bounded. */
export async function buildUntil(
  driver: Driver,
  key: BuildKey,
  wanted: (state: BuildState) => boolean,
): Promise<BuildState> {
  const seen = () => {
    const state = driver.builds.get(key);
    return state !== undefined && wanted(state);
  };
  await expect
    .poll(seen, { interval: 10 })
    .toBe(true)
    .catch((error: unknown) => {
      throw new Error(`State never came: ${JSON.stringify(driver.builds.get(key), undefined, 1)}`, { cause: error });
    });
  const state = driver.builds.get(key);
  if (state === undefined) throw new Error("The build is gone");
  return state;
}

/** Waits for its end. */
export function buildEnd(driver: Driver, key: BuildKey): Promise<BuildState> {
  return buildUntil(driver, key, ({ endedAt }) => endedAt !== undefined);
}

/** All of a step's output at present. */
export async function buildLog(
  driver: Driver,
  key: BuildKey,
  step: string,
  { follow = false }: { follow?: boolean } = {},
): Promise<string> {
  const { signal } = new AbortController();
  let text = "";
  const options = { follow, timestamps: false, previous: false, signal };
  for await (const line of driver.builds.logs(key, step, options)) text += line;
  return text;
}

/** Waits until nothing but states and logs is on disk, nothing in memory, and no place on the network is held. */
export async function untilTidy(dir: string): Promise<void> {
  const left = async () => {
    const found: string[] = [];
    for (const job of await readdir(join(dir, "builds/jobs"))) {
      for (const name of await readdir(join(dir, "builds/jobs", job))) {
        if (name !== "build.json" && name !== "log") found.push(`${job}/${name}`);
      }
    }
    for (const part of ["run/mem/b", "run/mem/oci", "run/mem/exits", "builds/tmp", "images/tmp"]) {
      for (const name of await readdir(join(dir, part)).catch(() => [])) found.push(`${part}/${name}`);
    }
    found.push(...(await readdir(join(dir, "run/network"))));
    return found;
  };
  await expect.poll(left, { interval: 20, message: "what is left" }).toEqual([]);
}
