/** Both sides of the builds port: this machine's containers, and Pods of a cluster. */
import { Build } from "../../src/api/build.ts";
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
    const facts = { build: () => undefined, images, stepMemory: {} };
    const opened = createClusterBuilds({ client, clock: systemClock, log: silentLog, ...facts });
    await opened.synced;
    const start: typeof opened.start = (key, spec) => {
      // As their users have made them.
      const isThere = cluster.get(Build, key.name, key.namespace)?.metadata.uid;
      if (isThere !== undefined && isThere !== spec.uid) cluster.remove(Build, key.name, key.namespace);
      const metadata = { ...key, uid: spec.uid };
      if (isThere !== spec.uid)
        cluster.put(Build, { apiVersion: "build.dev/v1alpha1", kind: "Build", metadata, spec: {} });
      opened.start(key, spec);
    };
    return { ...opened, start };
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
