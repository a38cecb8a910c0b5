/** This machine as all nodes of a simulated cluster: their network, and what runs their Pods. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { LogSource } from "../../../../src/apiserver/logs.ts";
import type { WorkloadKey } from "../../../../src/runtime/workloads.ts";
import { silentLog } from "../../../../src/lib/log.ts";
import { createImageStore } from "../../../../src/runtime/oci/images.ts";
import type { InstanceNetwork } from "../../../../src/runtime/oci/parts.ts";
import { containerRuntime } from "./containers.ts";
import { runNames, serviceHosts } from "./names.ts";
import { createPodNetwork } from "./pod-network.ts";
import { processRuntime } from "./processes.ts";
import { openSandboxes, type PodSandbox, type Sandboxes } from "./sandboxes.ts";
import type { PodRuntime, RealPod } from "./types.ts";
import type { ValueParts } from "./values.ts";

export interface MachineOptions {
  /** Images that are programs of this machine, with their first arguments. All others are pulled, and run by the OCI driver. */
  programs?: Readonly<Record<string, readonly string[]>>;
  /** Ports of this machine's loopback that Pods find on theirs: of registries, which speak no TLS, and others. */
  loopback?: readonly number[];
  /** Images that Pods which run to their end find to be Elafros' own. */
  own?: readonly string[];
}

export interface Machine {
  /** Where this machine is reached by Pods, and the API server listens. */
  address: string;
  /** Begins to run Pods; the API server answers by now. */
  start(parts: ValueParts, api: { port: number }): Promise<void>;
  runtimeOf(pod: RealPod): PodRuntime;
  /** Where a Pod that runs to its end does that; made anew for each. */
  sandboxOf(pod: RealPod): PodSandbox;
  /** Kills the program of a Pod that is a program of this machine; it is started again unless it is `lost`. */
  crash(key: WorkloadKey, lost: boolean): Promise<void>;
  /** What their output is read from. */
  logs: LogSource;
  /** Ends every Pod's container, at once. */
  stop(): Promise<void>;
  /** Takes away what is left. */
  remove(): Promise<void>;
}

/** Opens it. */
export async function openMachine({ programs = {}, loopback = [], own = [] }: MachineOptions): Promise<Machine> {
  const dir = await mkdtemp("/var/tmp/elafros-nodes-");
  await mkdir(join(dir, "run"));
  const network = await createPodNetwork(dir, loopback);
  const hosts = join(dir, "hosts");
  await writeFile(hosts, "127.0.0.1\tlocalhost\n");
  let containers: PodRuntime | undefined;
  let processes: PodRuntime | undefined;
  let sandboxes: Sandboxes | undefined;
  let endNames = (): Promise<void> => Promise.resolve();
  const all = (): PodRuntime[] => [containers, processes].filter((one) => one !== undefined);
  return {
    address: network.gateway,
    async start(values, { port }) {
      await network.setPorts({ gatewayPorts: [port], allowHostPorts: [] });
      const { clock } = values;
      const images = await createImageStore({
        images: join(dir, "images"),
        runRoot: join(dir, "storage"),
        log: silentLog,
        clock,
      });
      containers = await containerRuntime({ dir, network, images, clock, values });
      const named: InstanceNetwork = {
        ...network,
        hosts: (name, address) => network.hosts(name, address) + serviceHosts(values),
      };
      sandboxes = await openSandboxes({ dir, network: named, images, clock, values, own, plain: loopback });
      const env = (): Record<string, string> => ({
        KUBERNETES_SERVICE_HOST: network.gateway,
        KUBERNETES_SERVICE_PORT: String(port),
      });
      processes = processRuntime({ dir, network, clock, values, programs, env, hosts });
      const names = runNames(values, hosts);
      endNames = () => names.stop();
    },
    runtimeOf({ metadata, spec }) {
      const program = programs[spec.containers[0]?.image ?? ""] !== undefined;
      const runtime = program ? processes : containers;
      if (runtime === undefined) throw new Error(`Pod "${metadata.name}" is there before its node`);
      return runtime;
    },
    sandboxOf(pod) {
      if (sandboxes === undefined) throw new Error(`Pod "${pod.metadata.name}" is there before its node`);
      return sandboxes.of(pod);
    },
    crash: async (key, lost) => processes?.crash?.(key, lost),
    logs: {
      async *open(namespace, name, asked, signal) {
        const key = { namespace, name };
        const options = {
          follow: asked.follow === true,
          timestamps: asked.timestamps === true,
          previous: asked.previous === true,
          signal,
          ...(asked.tailLines === undefined ? {} : { tailLines: asked.tailLines }),
          ...(asked.sinceSeconds === undefined ? {} : { since: Date.now() - asked.sinceSeconds * 1000 }),
        };
        const sandbox = sandboxes?.find(key);
        if (sandbox !== undefined) {
          yield* sandbox.logs(asked.container, options);
          return;
        }
        const found = all()
          .map((runtime) => ({ runtime, id: runtime.get(key)?.instances[0]?.id }))
          .find(({ id }) => id !== undefined);
        if (found?.id === undefined) return;
        yield* found.runtime.logs(found.id, options);
      },
    },
    async stop() {
      await endNames();
      await Promise.all([...all().map((runtime) => runtime.stop()), sandboxes?.close()]);
    },
    async remove() {
      await network.remove();
      await rm(dir, { recursive: true });
    },
  };
}
