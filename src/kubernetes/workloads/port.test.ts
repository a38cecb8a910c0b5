import { describe, expect, onTestFinished, test } from "vitest";
import { instanceSpec } from "../../../test/support/instance-spec.ts";
import { manualClock, settle } from "../../../test/support/manual-clock.ts";
import { memoryCluster } from "../../../test/support/memory-cluster.ts";
import { ApiError } from "../../api/meta/errors.ts";
import { Revision } from "../../api/revision.ts";
import { Secret } from "../../api/secret.ts";
import { silentLog } from "../../lib/log.ts";
import type { InstanceSpec, WorkloadKey } from "../../runtime/workloads.ts";
import { Deployment } from "../kinds/deployment.ts";
import { Pod } from "../kinds/pod.ts";
import { Service } from "../kinds/service.ts";
import type { ClusterFacts } from "./facts.ts";
import { createClusterWorkloads } from "./port.ts";

const key = { namespace: "n", name: "hello" };
const revision = {
  apiVersion: "elafros.dev/v1alpha1",
  kind: "Revision",
  metadata: { name: "hello", namespace: "n", uid: "rev" },
  spec: { container: { image: "i" } },
} as Revision;
const spec = (more: Partial<InstanceSpec> = {}) => instanceSpec({ image: "r/i@sha256:1", ...more });
const deletionCost = "controller.kubernetes.io/pod-deletion-cost";

/** The port over a cluster in memory; drains end when the test says so. */
async function setUp(cluster = memoryCluster()) {
  const clock = manualClock();
  const draining = new Map<string, () => void>();
  const told: string[] = [];
  const facts: ClusterFacts = { drainHook: undefined };
  const port = createClusterWorkloads({
    client: cluster.client,
    clock,
    log: silentLog,
    revision: ({ name }) => (name === "hello" ? { ...revision, ...cluster.get(Revision, "hello") } : undefined),
    secret: (id) => cluster.get(Secret, id.slice(id.indexOf("/") + 1)),
    cluster: facts,
    drain: (_, id) => new Promise((resolve) => draining.set(id, resolve)),
  });
  onTestFinished(() => port.close());
  const phases = (of: WorkloadKey = key) => port.get(of)?.instances.map(({ id, phase }) => `${id} ${phase}`);
  port.subscribe((of) => told.push(`${of.name}: ${phases(of)?.join(", ") ?? "gone"}`));
  await port.synced;
  await settle();
  /** The calls since the last ones, before any is due to be tried again, which takes 50 ms at the least. */
  const calls = async () => {
    await clock.advance(20);
    return cluster.calls.splice(0);
  };
  return { cluster, port, clock, draining, told, facts, phases, calls };
}

/** A Pod as the ReplicaSet controller and the kubelet would have made it. */
function pod(name: string, ready: boolean, second = 0): Pod {
  const at = `2026-01-01T00:00:${String(second).padStart(2, "0")}Z`;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: "n",
      uid: `uid-of-${name}`,
      creationTimestamp: at,
      labels: { "elafros.dev/revision": "hello" },
    },
    spec: { containers: [{ name: "user-container", image: "r/i@sha256:1", ports: [{ containerPort: 8080 }] }] },
    status: {
      phase: "Running",
      podIP: "10.0.0.1",
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
      containerStatuses: [
        { name: "user-container", image: "", ready, restartCount: 0, state: { running: { startedAt: at } } },
      ],
    },
  };
}

const replicasOf = (cluster: ReturnType<typeof memoryCluster>) => cluster.get(Deployment, "hello")?.spec.replicas;

describe("createClusterWorkloads", () => {
  test("scale() makes Secrets, Deployment and Service once, and asks for nothing while nothing changes", async () => {
    const { cluster, port, calls, clock } = await setUp();
    const wanted = spec({
      env: [{ name: "A", value: "x" }],
      pullSecrets: [{ registry: "r", username: "u", password: "p" }],
    });
    port.scale(key, wanted, 1);
    expect(await calls()).toEqual([
      "apply secrets n/hello-pull",
      expect.stringMatching(/^apply secrets n\/hello-[0-9a-f]{10}-0$/u),
      "apply deployments n/hello",
      "apply services n/hello",
    ]);
    port.scale(key, structuredClone(wanted), 1);
    cluster.put(Pod, pod("a", true));
    await clock.advance(600_000);
    expect(await calls()).toEqual([]);
    port.scale(key, wanted, 3);
    expect(await calls()).toEqual(["apply deployments n/hello"]);
    expect(replicasOf(cluster)).toBe(3);
  });

  test("again() gives every workload the kubelet's question once it is known where that goes", async () => {
    const { cluster, port, calls, facts } = await setUp();
    port.scale(key, spec(), 1);
    await calls();
    const hookOf = () => cluster.get(Deployment, "hello", "n")?.spec.template.spec.containers[0]?.lifecycle;
    expect(hookOf()).toBeUndefined();
    facts.drainHook = { host: "10.96.0.9", port: 7445 };
    port.again();
    expect(await calls()).toEqual(["apply deployments n/hello"]);
    expect(hookOf()).toMatchObject({ preStop: { httpGet: { host: "10.96.0.9", path: "/drained/n/hello" } } });
  });

  test("scale() tells the Deployment where a Revision no longer says something of nodes, also after a restart", async () => {
    const { cluster, port, calls } = await setUp();
    const says = (selector: string) => {
      const annotations = { "scheduling.elafros.dev/node-selector": selector };
      cluster.put(Revision, { ...revision, metadata: { ...revision.metadata, annotations } });
    };
    says("disk=ssd,zone=b");
    port.scale(key, spec(), 1);
    await calls();
    says("disk=ssd");
    port.scale(key, spec(), 1);
    expect(await calls()).toEqual(["apply deployments n/hello"]);
    port.scale(key, spec(), 1);
    expect(await calls()).toEqual([]);
    await port.close();
    const second = await setUp(cluster);
    second.port.scale(key, spec(), 1);
    expect(await second.calls()).toEqual([]);
    await second.port.close();
    says("zone=b");
    const third = await setUp(cluster);
    third.port.scale(key, spec(), 1);
    expect(await third.calls()).toEqual(["apply deployments n/hello"]);
  });

  test("scale() puts a drift right, and leaves what others add", async () => {
    const { cluster, port, calls } = await setUp();
    port.scale(key, spec(), 1);
    await calls();
    const made = cluster.get(Deployment, "hello");
    if (made === undefined) throw new Error("no Deployment");
    cluster.put(Deployment, { ...made, metadata: { ...made.metadata, annotations: { theirs: "x" } } });
    expect(await calls()).toEqual([]);
    cluster.put(Deployment, { ...made, spec: { ...made.spec, replicas: 7 } });
    expect(await calls()).toEqual(["apply deployments n/hello"]);
    expect(replicasOf(cluster)).toBe(1);
  });

  test("scale() to fewer drains before it tells the Deployment, and has the drained Pod chosen", async () => {
    const { cluster, port, calls, draining, phases, told } = await setUp();
    port.scale(key, spec(), 2);
    await calls();
    for (const [second, name] of ["old", "young"].entries()) cluster.put(Pod, pod(name, true, second));
    await calls();
    expect(phases()).toEqual(["old ready", "young ready"]);
    port.scale(key, spec(), 1);
    expect(await calls()).toEqual([]);
    expect(replicasOf(cluster)).toBe(2);
    expect(told.at(-1)).toBe("hello: old ready, young draining");
    expect([...draining.keys()]).toEqual(["young"]);
    draining.get("young")?.();
    expect(await calls()).toEqual(["patch pods n/young", "apply deployments n/hello"]);
    expect(cluster.get(Pod, "young")?.metadata.annotations?.[deletionCost]).toBe("-2147483648");
    expect(replicasOf(cluster)).toBe(1);
    cluster.remove(Pod, "young");
    expect(await calls()).toEqual([]);
    expect(phases()).toEqual(["old ready"]);
  });

  test("scale() puts a Pod back that it drained where more are wanted again", async () => {
    const { cluster, port, calls, draining, phases } = await setUp();
    port.scale(key, spec(), 2);
    await calls();
    for (const [second, name] of ["old", "young"].entries()) cluster.put(Pod, pod(name, true, second));
    await calls();
    port.scale(key, spec(), 1);
    await calls();
    expect(phases()).toEqual(["old ready", "young draining"]);
    port.scale(key, spec(), 2);
    await calls();
    expect(phases()).toEqual(["old ready", "young ready"]);
    draining.get("young")?.();
    expect(await calls()).toEqual([]);
    expect(phases()).toEqual(["old ready", "young ready"]);
    expect(replicasOf(cluster)).toBe(2);
  });

  test("a Pod that anybody deletes leaves the table at once, and is drained while the kubelet waits", async () => {
    const { cluster, port, calls, draining, phases } = await setUp();
    port.scale(key, spec(), 1);
    cluster.put(Pod, pod("a", true));
    await calls();
    expect(phases()).toEqual(["a ready"]);
    // The kubelet asks before the watch has brought the deletion.
    const release = cluster.holdWatches();
    const going = pod("a", true);
    cluster.put(Pod, { ...going, metadata: { ...going.metadata, deletionTimestamp: "2026-01-01T00:10:00Z" } });
    let answered = false;
    const asked = port.drained(key).then(() => (answered = true));
    await settle();
    expect(phases()).toEqual(["a draining"]);
    expect(answered).toBe(false);
    release();
    await settle();
    expect([...draining.keys()]).toEqual(["a"]);
    expect(answered).toBe(false);
    draining.get("a")?.();
    await asked;
    expect(phases()).toEqual(["a stopping"]);
  });

  test("drained() answers at once where no Pod goes, and asks nothing of the server where there is none", async () => {
    const inner = memoryCluster();
    const listed: unknown[] = [];
    const list: typeof inner.client.list = (kind, options) => (listed.push(options), inner.client.list(kind, options));
    const { cluster, port } = await setUp({ ...inner, client: { ...inner.client, list } });
    cluster.put(Pod, pod("a", true));
    await settle();
    listed.length = 0;
    await port.drained({ namespace: "n", name: "unknown" });
    expect(listed).toEqual([]);
    await port.drained(key);
    expect(listed).toHaveLength(1);
  });

  test("a changed value is a new Secret, and the old one goes once no Pod has it", async () => {
    const { cluster, port, calls } = await setUp();
    port.scale(key, spec({ env: [{ name: "A", value: "1" }] }), 1);
    await calls();
    const [before] = cluster.all(Secret);
    port.scale(key, spec({ env: [{ name: "A", value: "2" }] }), 1);
    await calls();
    expect(cluster.all(Secret)).toHaveLength(2);
    const made = cluster.get(Deployment, "hello");
    if (made === undefined) throw new Error("no Deployment");
    const status = { observedGeneration: made.metadata.generation ?? 0, replicas: 1, updatedReplicas: 1 };
    cluster.put(Deployment, { ...made, status: { ...status, replicas: 2 } });
    await calls();
    expect(cluster.all(Secret)).toHaveLength(2);
    cluster.put(Deployment, { ...made, status });
    expect(await calls()).toEqual(["list secrets n", `delete secrets n/${before?.metadata.name ?? ""}`]);
    expect(cluster.all(Secret)).toHaveLength(1);
  });

  test("changed credentials change their Secret alone", async () => {
    const { port, calls } = await setUp();
    const auth = { registry: "r", username: "u", password: "p" };
    port.scale(key, spec({ pullSecrets: [auth] }), 1);
    await calls();
    port.scale(key, spec({ pullSecrets: [{ ...auth, password: "q" }] }), 1);
    expect(await calls()).toEqual(["apply secrets n/hello-pull"]);
  });

  test("remove() drains, deletes the Deployment, and forgets it when the last Pod has gone", async () => {
    const { cluster, port, calls, draining, told } = await setUp();
    port.scale(key, spec(), 1);
    cluster.put(Pod, pod("a", true));
    await calls();
    port.remove(key);
    expect(await calls()).toEqual([]);
    draining.get("a")?.();
    expect(await calls()).toEqual(["delete deployments n/hello"]);
    expect(port.list()).toHaveLength(1);
    cluster.remove(Pod, "a");
    await calls();
    expect(port.list()).toEqual([]);
    expect(told.at(-1)).toBe("hello: gone");
  });

  test("after a restart what is there is known before anybody declares it, and nothing is written for it", async () => {
    const wanted = spec({ pullSecrets: [{ registry: "r", username: "u", password: "p" }] });
    const first = await setUp();
    first.port.scale(key, wanted, 2);
    await first.calls();
    for (const name of ["a", "b"]) first.cluster.put(Pod, pod(name, true));
    await first.port.close();
    const second = await setUp(first.cluster);
    expect(second.port.get(key)?.desired).toBe(2);
    expect(second.phases()).toEqual(["a ready", "b ready"]);
    expect(await second.calls()).toEqual([]);
    second.port.scale(key, wanted, 2);
    expect(await second.calls()).toEqual([]);
  });

  test("after a restart a workload whose Revision is gone can be removed", async () => {
    const first = await setUp();
    first.port.scale(key, spec(), 1);
    await first.calls();
    await first.port.close();
    const { port, calls } = await setUp(first.cluster);
    port.remove(key);
    expect(await calls()).toEqual(["delete deployments n/hello"]);
    expect(port.list()).toEqual([]);
  });

  test("a writer at the same moment is no other owner: it is tried again", async () => {
    const { cluster, port, calls, clock, told } = await setUp();
    cluster.refuse(Deployment, new ApiError("Conflict", "Operation cannot be fulfilled: it has been modified"));
    port.scale(key, spec(), 1);
    expect(await calls()).toEqual(["apply deployments n/hello"]);
    expect(port.get(key)?.problem).toBeUndefined();
    await clock.advance(1_000);
    expect(await calls()).toEqual(["apply deployments n/hello", "apply services n/hello"]);
    expect(told.length).toBeGreaterThan(0);
  });

  test("another's Deployment of that name is left alone, and is the workload's problem", async () => {
    const { cluster, port, calls } = await setUp();
    const theirs = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "hello", namespace: "n" },
      spec: { replicas: 9 },
    };
    cluster.put(Deployment, theirs as Deployment);
    port.scale(key, spec(), 1);
    await calls();
    expect(replicasOf(cluster)).toBe(9);
    expect(port.get(key)?.problem).toMatchObject({
      reason: "StartFailed",
      message:
        'Deployment "hello" in namespace "n" is there already and isn\'t of this Revision: delete it, or deploy under another name',
    });
  });

  test.each([
    ["what the cluster refuses", "Forbidden", "no", "StartFailed"],
    ["a quota", "Forbidden", "exceeded quota: q", "InsufficientResources"],
  ] as const)("%s is the workload's problem until it is taken", async (_, reason, message, expected) => {
    const { cluster, port, calls, clock } = await setUp();
    cluster.refuse(Deployment, new ApiError(reason, message));
    port.scale(key, spec(), 1);
    await calls();
    expect(port.get(key)?.problem).toMatchObject({ reason: expected, message: `The cluster refuses it: ${message}` });
    await clock.advance(1_000);
    expect(port.get(key)?.problem).toBeUndefined();
    expect(replicasOf(cluster)).toBe(1);
  });

  test("a server that is away for a moment is asked again, and is nobody's problem", async () => {
    const { cluster, port, calls, clock } = await setUp();
    cluster.refuse(Service, new ApiError("ServiceUnavailable", "away"));
    port.scale(key, spec(), 1);
    await calls();
    expect(port.get(key)?.problem).toBeUndefined();
    await clock.advance(1_000);
    expect(cluster.get(Service, "hello")).toBeDefined();
  });

  test("a workload of a Revision that isn't known is left alone", async () => {
    const { port, calls } = await setUp();
    port.scale({ namespace: "n", name: "other" }, spec(), 1);
    expect(await calls()).toEqual([]);
  });

  test("replace() deletes the Pod, and logs() reads its lines", async () => {
    const { cluster, port, calls, clock } = await setUp();
    port.scale(key, spec(), 1);
    cluster.put(Pod, pod("a", true));
    await calls();
    const lines: string[] = [];
    const signal = new AbortController().signal;
    const options = { follow: false, timestamps: true, previous: false, signal, since: clock.now() - 1_500 };
    for await (const line of port.logs("a", options)) lines.push(line);
    expect(lines).toEqual(["one\n", "two\n"]);
    expect(() => port.logs("nobody", options)).toThrow('Cannot read logs: there is no instance "nobody"');
    port.replace("a", "it hangs");
    port.replace("nobody", "it hangs");
    expect(await calls()).toEqual([
      'log n/a {"follow":false,"timestamps":true,"previous":false,"sinceSeconds":2}',
      "delete pods n/a",
    ]);
  });
});
