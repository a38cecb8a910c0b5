/** Both sides of the builds port: this machine's containers, and Pods of a simulated Kubernetes, whose containers run by the same driver. */
import { afterAll, beforeAll } from "vitest";
import { Build } from "../../src/api/build.ts";
import { isReason } from "../../src/api/meta/errors.ts";
import { httpClient } from "../../src/client/http.ts";
import { createClusterBuilds } from "../../src/kubernetes/builds/port.ts";
import { createClusterImages } from "../../src/kubernetes/images/port.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLog } from "../../src/lib/log.ts";
import { buildsContract } from "../contract/builds.ts";
import { buildBed, shellStep } from "../support/builds.ts";
import { startCluster } from "../support/cluster/cluster.ts";
import { goodFate } from "../support/cluster/controllers/fate.ts";
import { defineElafros } from "../support/cluster/elafros.ts";
import { makeImages } from "../support/images.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";

let registries: { open: TestRegistry; closed: TestRegistry };

beforeAll(async () => {
  const [open, closed] = await Promise.all([
    startRegistry(),
    startRegistry({ auth: { username: "me", password: "right" } }),
  ]);
  registries = { open, closed };
});
afterAll(async () => {
  await Promise.all(Object.values(registries ?? {}).map((one) => one.close()));
});

buildsContract("on this machine", async () => {
  const bed = await buildBed();
  let made = 0;
  return {
    declare: () => Promise.resolve(`uid-${++made}`),
    port: () => bed.driver.builds,
    step: (name, script) => shellStep(name, script),
    ...registries,
    images: bed.images,
    startSeconds: 1,
    restart: () => bed.restart(),
    close: () => bed.close(),
  };
});

buildsContract("on Kubernetes", async () => {
  const { "busybox:1": image } = await makeImages(registries.open);
  const images = { image: "localhost/elafros", tools: "localhost/elafros-tools" };
  const loopback = Object.values(registries).map(({ host }) => Number(host.split(":").at(-1)));
  const cluster = await startCluster({
    cpu: "64",
    machine: { loopback, own: Object.values(images) },
    fate: ({ metadata }) => (metadata.namespace === "elafros-system" ? goodFate : undefined),
  });
  const client = httpClient(cluster.connection);
  await defineElafros(client, {});
  const open = async () => {
    const facts = { build: () => undefined, images, stepMemory: {} };
    const opened = createClusterBuilds({ client, clock: systemClock, log: silentLog, ...facts });
    await opened.synced;
    return opened;
  };
  let port = await open();
  return {
    async declare(key) {
      await client.delete(Build, key).catch((error: unknown) => {
        if (!isReason(error, "NotFound")) throw error;
      });
      const spec = { steps: [{ name: "one", image }] };
      const build = { apiVersion: "build.dev/v1alpha1", kind: "Build", metadata: { ...key }, spec };
      return (await client.create(Build, build)).metadata.uid ?? "";
    },
    port: () => port,
    step: (name, script) => shellStep(name, script, { image }),
    ...registries,
    images: createClusterImages(),
    startSeconds: 5,
    restart: async () => {
      await port.close();
      port = await open();
    },
    close: async () => {
      await port.close();
      client.close();
      await cluster.stop();
    },
  };
});
