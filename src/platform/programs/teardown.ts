/**
 * Stops every instance in order and takes back what was changed on this machine, when control has ended: processes, mounts, network
 * namespaces, bridge, nftables rules, sysctls, cgroups. The data directory stays.
 */
import { rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../../lib/clock.ts";
import { createLog } from "../../lib/log.ts";
import { removeDns } from "../../runtime/oci/dns.ts";
import { createDriver } from "../../runtime/oci/driver.ts";
import { createImageStore } from "../../runtime/oci/images.ts";
import { createNetwork, destroyNetwork } from "../../runtime/oci/network.ts";
import { platformPaths } from "../config.ts";
import { networkOptions } from "../network-options.ts";
import { program } from "./input.ts";

/** Instances get their own grace after SIGTERM, but no more than this. */
const graceMs = 30_000;

program(async (config) => {
  const log = createLog("teardown");
  const paths = platformPaths(config.dataDir);
  const runDir = join(paths.run, "oci");
  const driver = await createDriver({
    dir: paths.instances,
    runDir,
    images: await createImageStore({ images: paths.images, runRoot: join(paths.run, "images"), log }),
    builds: { dir: paths.builds, bases: paths.bases },
    network: await createNetwork({ ...networkOptions(config, log), prepared: 0 }),
    // The gateways have ended before.
    drain: () => Promise.resolve(),
    clock: systemClock,
    log,
  });
  await driver.stopAll(graceMs);
  await driver.close();
  await destroyNetwork({ dataDir: config.dataDir, runDir: paths.run });
  await removeDns(config.dataDir);
  await rm(join(paths.run, "status.json"), { force: true });
  // podman makes these whenever it runs, wherever its own state is kept.
  for (const path of ["/run/containers/networks", "/run/containers"]) await rmdir(path).catch(() => {}); // only where empty
  return {};
});
