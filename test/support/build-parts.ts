import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLog } from "../../src/lib/log.ts";
import type { BuildOptions } from "../../src/runtime/oci/build-open.ts";
import { createDriver } from "../../src/runtime/oci/driver.ts";
import { createImageStore } from "../../src/runtime/oci/images.ts";
import { createNetwork } from "../../src/runtime/oci/network.ts";

/** The parts of an installation below `dir` that builds need; also for a process of its own. */
export async function buildParts(dir: string, builds: Partial<BuildOptions> = {}) {
  const runDir = join(dir, "run");
  await mkdir(runDir, { recursive: true });
  const images = await createImageStore({
    images: join(dir, "images"),
    runRoot: join(runDir, "images"),
    log: silentLog,
  });
  const network = await createNetwork({
    dataDir: dir,
    runDir,
    prepared: 2,
    log: silentLog,
    gatewayPorts: [],
    allowHostPorts: [],
  });
  const driver = await createDriver({
    dir: join(dir, "instances"),
    runDir,
    images,
    builds: { dir: join(dir, "builds"), bases: join(dir, "bases"), ...builds },
    network,
    drain: () => Promise.resolve(),
    clock: systemClock,
    log: silentLog,
  });
  return { driver, images, network };
}
