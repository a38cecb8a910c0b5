/** Both sides of the builds port: this machine's containers, and Pods of a cluster. */
import { createClusterBuilds } from "../../src/kubernetes/builds/port.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLog } from "../../src/lib/log.ts";
import { buildsContract } from "../contract/builds.ts";
import { runBuildPods } from "../support/build-kubelet.ts";
import { buildBed, shellStep } from "../support/builds.ts";
import { memoryCluster } from "../support/memory-cluster.ts";

buildsContract("on this machine", async () => {
  const bed = await buildBed();
  return {
    port: () => bed.driver.builds,
    step: (name, script) => shellStep(name, script),
    restart: () => bed.restart(),
    close: () => bed.close(),
  };
});

buildsContract("on Kubernetes", async () => {
  const cluster = memoryCluster(() => new Date().toISOString());
  const end = runBuildPods(cluster);
  const open = async () => {
    const { client } = cluster;
    const images = { image: "elafros", tools: "elafros-tools" };
    const opened = createClusterBuilds({ client, clock: systemClock, log: silentLog, build: () => undefined, images });
    await opened.synced;
    return opened;
  };
  let port = await open();
  return {
    port: () => port,
    step: (name, script) => shellStep(name, script),
    restart: async () => {
      await port.close();
      port = await open();
    },
    close: async () => {
      await port.close();
      await end();
    },
  };
});
