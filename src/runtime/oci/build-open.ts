/** Puts the parts of builds together, for the driver. */
import { mkdir, realpath, rm } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { join } from "node:path";
import { createBases } from "./build-bases.ts";
import type { BuildContext, BuildLimits } from "./build-context.ts";
import { cachesDir, temporaryDir } from "./build-record.ts";
import { type BuildSet, createBuildSet } from "./build-set.ts";
import { makeTools, removeOldTools } from "./build-tools.ts";
import type { DriverContext } from "./context.ts";
import { makeDirectory } from "./files.ts";
import { launchedTools } from "./storage-run.ts";

export interface BuildOptions {
  /** A directory per build, and what is kept between builds. */
  dir: string;
  /** A containers-storage of base images; `elafros templates stand-ins` makes some there. */
  bases: string;
  limits?: Partial<BuildLimits>;
  /** The path of an uploaded archive; undefined where the namespace has none of that digest. */
  sourceFile?: (namespace: string, digest: string) => Promise<string | undefined>;
  /** Directories of this machine that hold repositories which anyone may build from. */
  fileSources?: readonly string[];
}

export function defaultBuildLimits(): BuildLimits {
  return {
    builds: Math.max(1, availableParallelism()),
    stepMemoryBytes: Math.min(4 * 2 ** 30, Math.floor(totalmem() / 2)),
    stepPids: 4096,
    sourceBytes: 4 * 2 ** 30,
    sourceEntries: 500_000,
    reserveBytes: 2 ** 30,
    cacheMs: 14 * 24 * 3_600_000,
  };
}

/** Finds what there is of builds and gives them all; they go on once opened. */
export async function openBuilds(driver: DriverContext, options: BuildOptions): Promise<BuildSet> {
  await Promise.all([makeDirectory(options.dir, 0o700), makeDirectory(options.bases, 0o700)]);
  const [disk, basesDir] = await Promise.all([realpath(options.dir), realpath(options.bases)]);
  const memory = join(driver.places.memory, "b");
  const temporary = temporaryDir({ disk, memory });
  const runRoot = join(driver.places.memory, "bases");
  // What an earlier process was killed over.
  await rm(temporary, { recursive: true, force: true });
  await Promise.all(
    [memory, temporary, runRoot, cachesDir({ disk, memory })].map((path) =>
      mkdir(path, { recursive: true, mode: 0o700 }),
    ),
  );
  const storage = driver.upper === "disk" ? "overlay" : "vfs";
  const { clock, log, launcher } = driver;
  const run = launchedTools(launcher, temporary);
  const ctx: BuildContext = {
    driver,
    places: { disk, memory },
    limits: { ...defaultBuildLimits(), ...options.limits },
    tools: await makeTools(disk, storage),
    bases: createBases({ dir: basesDir, runRoot, temporary, driver: storage, run, clock, log }),
    basesDir,
    sourceFile: options.sourceFile ?? (() => Promise.resolve(undefined)),
    fileSources: options.fileSources ?? [],
  };
  const builds = await createBuildSet(ctx);
  // Steps that go on may stand on a root of before.
  if (builds.adopted.ids.size === 0) await removeOldTools(disk, ctx.tools);
  return builds;
}
