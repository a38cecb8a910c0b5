/** Pods' containers on the OCI driver: pulled, made, probed, restarted and stopped by it, with its own back-off instead of a kubelet's. */
import { join } from "node:path";
import type { Clock } from "../../../../src/lib/clock.ts";
import { silentLog } from "../../../../src/lib/log.ts";
import { createDriver } from "../../../../src/runtime/oci/driver.ts";
import type { ImageStore } from "../../../../src/runtime/oci/parts.ts";
import type { WorkloadKey } from "../../../../src/runtime/workloads.ts";
import { containerOf, expand, specParts } from "./instance-spec.ts";
import type { PodNetwork } from "./pod-network.ts";
import type { PodRuntime } from "./types.ts";
import { pullSecretsOf, type ValueParts, variablesOf } from "./values.ts";
import { mountsOf, volumesOf } from "./volumes.ts";

interface Options {
  dir: string;
  network: PodNetwork;
  images: ImageStore;
  clock: Clock;
  values: ValueParts;
}

/** Starts the driver on a directory of its own. */
export async function containerRuntime({ dir, network, images, clock, values }: Options): Promise<PodRuntime> {
  const log = silentLog;
  const driver = await createDriver({
    dir: join(dir, "instances"),
    runDir: join(dir, "driver"),
    images,
    builds: { dir: join(dir, "builds"), bases: join(dir, "bases") },
    network,
    // The kubelet has asked the Pod's own hook by then.
    drain: () => Promise.resolve(),
    clock,
    log,
  });
  /** Pods that ended while their image was looked for. */
  const gone = new Set<string>();
  const idOf = ({ namespace, name }: WorkloadKey): string => `${namespace}/${name}`;
  return {
    async start(key, pod) {
      const container = containerOf(pod);
      if (pod.spec.initContainers !== undefined) {
        throw new Error(
          `Cannot run Pod "${key.name}": of Pods with init containers only those that end run in this cluster`,
        );
      }
      const { image, imagePullPolicy, command, args } = container;
      const variables = variablesOf(values, pod);
      const expanded = (words: readonly string[]): string[] => words.map((word) => expand(word, variables));
      const pullSecrets = pullSecretsOf(values, pod);
      const mounts = mountsOf(pod, container, await volumesOf(values, pod));
      gone.delete(idOf(key));
      const exact = await images.resolve(image, pullSecrets, imagePullPolicy);
      if (gone.delete(idOf(key))) return;
      const spec = {
        ...specParts(pod),
        image: exact,
        pullSecrets,
        mounts,
        env: [...variables].map(([name, value]) => ({ name, value })),
        ...(command === undefined ? {} : { command: expanded(command) }),
        ...(args === undefined ? {} : { args: expanded(args) }),
      };
      driver.scale(key, spec, 1);
    },
    exec: () => Promise.reject(new Error("hooks that run in a container aren't here")),
    remove(key) {
      gone.add(idOf(key));
      driver.remove(key);
    },
    get: (key) => driver.get(key),
    subscribe: (listener) => driver.subscribe(listener),
    logs: (id, options) => driver.logs(id, options),
    async stop() {
      await driver.stopAll(0);
      await driver.close();
    },
  };
}
