/** What both sides of the workloads port promise, with real containers: the OCI driver on this machine, and Deployments on a simulated Kubernetes. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { Revision } from "../../src/api/revision.ts";
import { httpClient } from "../../src/client/http.ts";
import { createClusterImages } from "../../src/kubernetes/images/port.ts";
import { createClusterWorkloads } from "../../src/kubernetes/workloads/port.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLog } from "../../src/lib/log.ts";
import { createImageStore } from "../../src/runtime/oci/images.ts";
import type { InstanceSpec, WorkloadKey, WorkloadsPort, WorkloadState } from "../../src/runtime/workloads.ts";
import { startCluster } from "../support/cluster/cluster.ts";
import { goodFate } from "../support/cluster/controllers/fate.ts";
import { defineElafros } from "../support/cluster/elafros.ts";
import { driverBed } from "../support/driver.ts";
import { imageCache, makeImages, type SampleImage } from "../support/images.ts";
import { instanceSpec } from "../support/instance-spec.ts";
import { request } from "../support/platform.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";

interface Side {
  port: WorkloadsPort;
  /** Instances that were drained, in order. */
  drained: string[];
  /** Makes what a workload belongs to. */
  prepare(key: WorkloadKey): Promise<void>;
  stop(): Promise<void>;
}

let registry: TestRegistry;
let images: Record<SampleImage, string>;

beforeAll(async () => {
  registry = await startRegistry();
  images = await makeImages(registry);
  // Layers of the sample images aren't copied again.
  vi.stubEnv("CONTAINERS_STORAGE_CONF", (await imageCache()).storageConf);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await registry?.close();
});

async function onThisMachine(): Promise<Side> {
  const dir = await mkdtemp(join(tmpdir(), "elafros-contract-"));
  const store = await createImageStore({ images: join(dir, "images"), runRoot: join(dir, "run"), log: silentLog });
  const bed = await driverBed({ images: store });
  return {
    port: bed.driver,
    drained: bed.drained,
    prepare: () => Promise.resolve(),
    async stop() {
      await bed.close();
      await rm(dir, { recursive: true });
    },
  };
}

async function onKubernetes(): Promise<Side> {
  const loopback = [Number(registry.host.split(":").at(-1))];
  const cluster = await startCluster({
    machine: { loopback },
    cpu: "64",
    fate: ({ metadata }) => (metadata.namespace === "elafros-system" ? goodFate : undefined),
  });
  const client = httpClient(cluster.connection);
  await defineElafros(client, {});
  const revisions = new Map<string, Revision>();
  const drained: string[] = [];
  const port = createClusterWorkloads({
    client,
    clock: systemClock,
    log: silentLog,
    revision: ({ name }) => revisions.get(name),
    secret: () => undefined,
    cluster: { drainHook: undefined },
    drain: async (_, id) => void drained.push(id),
  });
  await port.synced;
  return {
    port,
    drained,
    async prepare({ namespace, name }) {
      const container = { image: images["app:1"] };
      const object = { apiVersion: "elafros.dev/v1alpha1", kind: "Revision", metadata: { namespace, name } };
      revisions.set(name, await client.create(Revision, { ...object, spec: { container } }));
    },
    async stop() {
      await port.close();
      client.close();
      await cluster.stop();
    },
  };
}

const sides: [string, () => Promise<Side>][] = [
  ["on this machine", onThisMachine],
  ["on Kubernetes", onKubernetes],
];

describe.each(sides)("workloads %s", (_, start) => {
  let side: Side;
  let port: WorkloadsPort;
  beforeAll(async () => {
    side = await start();
    port = side.port;
  });
  afterAll(() => side?.stop());

  const keyed = async (name: string): Promise<WorkloadKey> => {
    const key = { namespace: "default", name };
    await side.prepare(key);
    return key;
  };
  const specOf = async (image: SampleImage, more: Partial<InstanceSpec> = {}): Promise<InstanceSpec> => {
    const exact = await createClusterImages().resolve(images[image], [], "IfNotPresent");
    return instanceSpec({ image: exact, ...more });
  };
  /** Waits until the workload is as wanted. */
  const until = async (key: WorkloadKey, wanted: (state: WorkloadState) => boolean): Promise<WorkloadState> => {
    const none: WorkloadState = { key, desired: 0, instances: [] };
    const look = () => port.get(key) ?? none;
    const seen = Promise.withResolvers<void>();
    const end = port.subscribe(() => {
      if (wanted(look())) seen.resolve();
    });
    if (wanted(look())) seen.resolve();
    const late = setTimeout(() => seen.reject(new Error(`It never was as wanted: ${JSON.stringify(look())}`)), 60_000);
    await seen.promise.finally(() => {
      clearTimeout(late);
      end();
    });
    return look();
  };
  const ready = (count: number) => (state: WorkloadState) =>
    state.instances.length === count && state.instances.every(({ phase }) => phase === "ready");
  const ask = async ({ instances: [instance] }: WorkloadState, path: string) => {
    const { host, port: at } = instance?.address ?? { host: "", port: 0 };
    return request(`http://${host}:${at}${path}`);
  };
  const logOf = async (id: string): Promise<string> => {
    const { signal } = new AbortController();
    const lines: string[] = [];
    const options = { follow: false, timestamps: false, previous: false, signal };
    for await (const line of port.logs(id, options)) lines.push(line);
    return lines.join("");
  };

  test("an instance is what its spec says, and its output can be read", async () => {
    const key = await keyed("whole");
    const data = Buffer.from("from a file").toString("base64");
    const spec = await specOf("app:1", {
      env: [
        { name: "PORT", value: "8080" },
        { name: "FOO", value: "a $(PORT) b" },
      ],
      labels: { "example.com/a": "b" },
      mounts: [
        {
          mountPath: "/given",
          readOnly: true,
          volume: "given",
          source: { type: "files", files: [{ path: "text", data, mode: 0o444 }] },
        },
      ],
    });
    port.scale(key, spec, 1);
    const state = await until(key, ready(1));
    expect(state).toMatchObject({ key, desired: 1, instances: [{ image: spec.image, restarts: 0 }] });
    expect(state.instances[0]?.labels).toMatchObject({ "example.com/a": "b" });
    expect((await ask(state, "/")).text).toContain("from 1");
    expect(JSON.parse((await ask(state, "/info")).text)).toMatchObject({ env: { FOO: "a $(PORT) b" } });
    expect((await ask(state, "/file?path=/given/text")).text).toContain("from a file");
    await ask(state, "/log?line=heard");
    await expect.poll(() => logOf(state.instances[0]?.id ?? "")).toContain("heard\n");
    expect(() =>
      port.logs("nobody", { follow: false, timestamps: false, previous: false, signal: new AbortController().signal }),
    ).toThrow('there is no instance "nobody"');
  });

  test("there are as many as wanted; one that is too many is drained before it ends", async () => {
    const key = await keyed("many");
    const spec = await specOf("app:1");
    port.scale(key, spec, 2);
    const two = (await until(key, ready(2))).instances.map(({ id }) => id);
    port.scale(key, spec, 1);
    const one = (await until(key, ready(1))).instances.map(({ id }) => id);
    const gone = two.filter((id) => !one.includes(id));
    expect(gone).toHaveLength(1);
    expect(side.drained).toEqual(expect.arrayContaining(gone));
    port.scale(key, spec, 0);
    expect((await until(key, ({ instances }) => instances.length === 0)).desired).toBe(0);
    port.remove(key);
    await until(key, () => port.get(key) === undefined);
  });

  test("another spec's instance is ready before the one of the old spec goes", async () => {
    const key = await keyed("changed");
    port.scale(key, await specOf("app:1"), 1);
    const [before] = (await until(key, ready(1))).instances;
    let least = 1;
    const end = port.subscribe(() => {
      const count = port.get(key)?.instances.filter(({ phase }) => phase === "ready").length ?? 0;
      least = Math.min(least, count);
    });
    port.scale(key, await specOf("app:2"), 1);
    const after = await until(key, (state) => ready(1)(state) && state.instances[0]?.id !== before?.id);
    end();
    expect(least).toBe(1);
    expect((await ask(after, "/")).text).toContain("from 2");
  });

  test.each([
    [
      "its program ends",
      "app:exits",
      { reason: "ExitCode", code: 1, message: "Cannot start: DATABASE_URL is not set" },
    ],
    ["its program isn't there", "app:missing-command", { reason: "ExitCode", code: 127 }],
  ] as const)("it says why there is no instance: %s", async (title, image, problem) => {
    const key = await keyed(title.replaceAll(/[^a-z]+/g, "-"));
    port.scale(key, await specOf(image, { terminationMessagePolicy: "FallbackToLogsOnError" }), 1);
    const state = await until(key, (seen) => seen.problem !== undefined);
    expect(state.problem).toMatchObject(problem);
    expect(state.instances.filter(({ phase }) => phase === "ready")).toEqual([]);
    port.remove(key);
    await until(key, () => port.get(key) === undefined);
  });

  test("it says that the image isn't there", async () => {
    const key = await keyed("no-image");
    const digest = "0".repeat(64);
    port.scale(key, instanceSpec({ image: `${registry.host}/nothing@sha256:${digest}` }), 1);
    const { problem } = await until(key, (seen) => seen.problem !== undefined);
    expect(problem?.reason).toBe("ContainerMissing");
    expect(problem?.message).toMatch(/manifest unknown/u);
  });

  test("it says that the program used too much memory", async () => {
    const key = await keyed("hungry");
    port.scale(key, await specOf("app:oom", { resources: { memoryBytes: 64 << 20 } }), 1);
    const { problem } = await until(key, (seen) => seen.problem !== undefined);
    expect(problem).toMatchObject({ reason: "OOMKilled", code: 137 });
  });
});
