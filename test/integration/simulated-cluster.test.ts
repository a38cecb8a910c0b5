/** The simulated Kubernetes cluster, through the client that cluster mode uses: apply, workloads' subresources, and faults. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { httpClient, type HttpClient } from "../../src/client/http.ts";
import { Deployment } from "../../src/kubernetes/kinds/deployment.ts";
import { followObjects } from "../../src/kubernetes/workloads/objects.ts";
import { applyWorkload } from "../../src/kubernetes/workloads/reconcile.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLog } from "../../src/lib/log.ts";
import { instanceSpec } from "../support/instance-spec.ts";
import { ConfigMap } from "../../src/api/config-map.ts";
import { isReady, type PodObject } from "../support/cluster/controllers/types.ts";
import { startInformer } from "../../src/client/informer.ts";
import { asker } from "../support/api-server.ts";
import { type Cluster, startCluster } from "../support/cluster/cluster.ts";

let cluster: Cluster;
let client: HttpClient;

beforeAll(async () => {
  cluster = await startCluster();
  client = httpClient(cluster.connection);
});
afterAll(async () => {
  client.close();
  await cluster.stop();
});

const template = {
  metadata: { labels: { app: "a" } },
  spec: { containers: [{ name: "c", image: "registry.example/a:1" }] },
};
/** As a user writes it: the server fills in what is left out. */
const deployment = (spec: object): Deployment =>
  ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "a", namespace: "default" },
    spec: { selector: { matchLabels: { app: "a" } }, template, ...spec },
  }) as unknown as Deployment;

describe("apply()", () => {
  it("gives fields owners: what is left out goes, what others own is a conflict until it is forced", async () => {
    const mine = { fieldManager: "mine" };
    const made = await client.apply(Deployment, deployment({ replicas: 0, paused: true }), mine);
    expect(made.spec).toMatchObject({ replicas: 0, paused: true, strategy: { type: "RollingUpdate" } });
    expect(made.metadata.generation).toBe(1);
    const without = await client.apply(Deployment, deployment({ replicas: 0 }), mine);
    expect(without.spec).not.toHaveProperty("paused");
    expect(without.metadata.generation).toBe(2);
    await expect(
      client.apply(Deployment, deployment({ replicas: 2 }), { fieldManager: "other" }),
    ).rejects.toMatchObject({
      reason: "Conflict",
      message: 'Apply failed with 1 conflict: conflict with "mine": .spec.replicas',
    });
    await client.apply(Deployment, deployment({ replicas: 2 }), { fieldManager: "other", force: true });
    await expect(client.apply(Deployment, deployment({ replicas: 0 }), mine)).rejects.toMatchObject({
      message: 'Apply failed with 1 conflict: conflict with "other": .spec.replicas',
    });
  });

  it("of a workload takes away what its Revision no longer says of nodes, and leaves what others say", async () => {
    const at = { namespace: "default", name: "selects" };
    const { uid = "" } = (
      await client.create(ConfigMap, { apiVersion: "v1", kind: "ConfigMap", metadata: at, data: {} })
    ).metadata;
    const objects = followObjects({ client, clock: systemClock, log: silentLog });
    onTestFinished(() => objects.stop());
    await objects.synced;
    const wanted = (nodeSelector: Record<string, string>) => ({
      key: at,
      spec: instanceSpec({ image: "registry.example/a:1" }),
      replicas: 0,
      revision: {
        owner: { apiVersion: "v1", kind: "ConfigMap", name: at.name, uid, controller: true, blockOwnerDeletion: true },
        serviceAccountName: "default",
        requests: {},
        timeoutSeconds: 300,
        scheduling: { nodeSelector, tolerations: [] },
      },
      cluster: { drainHook: undefined },
      secretsLost: false,
    });
    // Each as by another process, which knows nothing of what was written before.
    const apply = async (nodeSelector: Record<string, string>) => {
      const parts = { ...objects, secret: () => undefined };
      await applyWorkload(client, parts, { wanted: wanted(nodeSelector), written: {} });
      return (await client.get(Deployment, at)).spec.template.spec.nodeSelector;
    };
    expect(await apply({ disk: "ssd", zone: "b" })).toEqual({ disk: "ssd", zone: "b" });
    const body = { spec: { template: { spec: { nodeSelector: { theirs: "x" } } } } };
    await client.patch(Deployment, at, { type: "merge", body }, { fieldManager: "other" });
    expect(await apply({ disk: "ssd" })).toEqual({ disk: "ssd", theirs: "x" });
    expect(await apply({})).toEqual({ theirs: "x" });
  });

  it("leaves another manager's container alone, and merges lists by their keys", async () => {
    const image = (name: string, value: string) => ({
      template: { ...template, spec: { containers: [{ name, image: value }] } },
    });
    await client.apply(Deployment, deployment(image("side", "registry.example/side:1")), { fieldManager: "side" });
    const { spec } = await client.get(Deployment, { namespace: "default", name: "a" });
    expect(spec.template.spec.containers.map(({ name }) => name)).toEqual(["c", "side"]);
  });
});

describe("eviction", () => {
  it("is refused where a budget has no room, and allowed once it has", async () => {
    const at = "/api/v1/namespaces/default/pods";
    const evict = (name: string) =>
      client.request({
        method: "POST",
        path: `${at}/${name}/eviction`,
        body: { apiVersion: "policy/v1", kind: "Eviction", metadata: { name, namespace: "default" } },
      });
    const running = async (): Promise<string[]> => {
      const list = JSON.parse((await client.request({ method: "GET", path: at })).text) as { items: PodObject[] };
      return list.items
        .filter((pod) => isReady(pod) && pod.metadata.labels?.["app"] === "b")
        .map((pod) => pod.metadata.name);
    };
    const labels = { app: "b" };
    const spec = {
      replicas: 1,
      selector: { matchLabels: labels },
      template: { ...template, metadata: { labels } },
    };
    await client.create(Deployment, { ...deployment(spec), metadata: { name: "b", namespace: "default" } });
    const budget = {
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata: { name: "b" },
      spec: { minAvailable: 1, selector: { matchLabels: labels } },
    };
    const budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    await client.request({ method: "POST", path: budgets, body: budget });
    await expect.poll(running).toHaveLength(1);
    const [first = ""] = await running();
    const allowed = async (): Promise<string> => (await client.request({ method: "GET", path: `${budgets}/b` })).text;
    await expect.poll(allowed).toContain('"currentHealthy":1');
    const refused = await evict(first);
    expect(refused.status).toBe(429);
    expect(refused.text).toContain("The disruption budget b needs 1 healthy pods and has 1 currently");
    const patch = { type: "merge", body: { spec: { replicas: 2 } } } as const;
    await client.patch(Deployment, { namespace: "default", name: "b" }, patch);
    await expect.poll(allowed).toContain('"disruptionsAllowed":1');
    expect((await evict(first)).status).toBe(201);
    await expect.poll(running).not.toContain(first);
    await expect.poll(running).toHaveLength(2);
  });
});

describe("faults", () => {
  it("are met once, as they were asked for", async () => {
    const get = () => client.request({ method: "GET", path: "/api/v1/namespaces/default/configmaps" });
    cluster.faults.conflict({ path: /configmaps/ });
    cluster.faults.broken({ path: /configmaps/ });
    expect((await get()).status).toBe(409);
    expect((await get()).status).toBe(500);
    expect((await get()).status).toBe(200);
  });

  it("are answered with what a client needs to know", async () => {
    const admin = await cluster.pki.issueClient({ user: "someone", groups: ["system:masters"] });
    const ask = asker({ port: cluster.port, ca: cluster.pki.ca, admin });
    const where = { path: /configmaps/, method: "GET" };
    const get = () => ask("GET", "/api/v1/namespaces/default/configmaps");
    cluster.faults.tooMany(3, where);
    const refused = await get();
    expect([refused.status, refused.headers["retry-after"]]).toEqual([429, "3"]);
    cluster.faults.expired(where);
    expect((await get()).json).toMatchObject({ code: 410, reason: "Expired" });
    cluster.faults.slow(60, where);
    const before = performance.now();
    expect((await get()).status).toBe(200);
    expect(performance.now() - before).toBeGreaterThan(55);
    cluster.faults.broken({ ...where, times: 9 });
    cluster.faults.clear();
    expect((await get()).status).toBe(200);
  });

  it("let a watch stand still, while others go on", async () => {
    const { metadata } = await client.list(ConfigMap, { namespace: "default" });
    const abort = new AbortController();
    const from = { namespace: "default", resourceVersion: metadata.resourceVersion, signal: abort.signal };
    const follow = (seen: string[]): Promise<void> =>
      (async () => {
        for await (const { object } of client.watch(ConfigMap, from)) seen.push(object.metadata.name);
      })().catch(() => {});
    const still: string[] = [];
    const going: string[] = [];
    const first = follow(still);
    await expect.poll(() => cluster.faults.silenceWatches()).toBe(1);
    const second = follow(going);
    await client.create(ConfigMap, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "seen", namespace: "default" },
    });
    await expect.poll(() => going).toEqual(["seen"]);
    expect(still).toEqual([]);
    abort.abort();
    await Promise.all([first, second]);
  });

  it("let a watch stand still, which is given up, so that what came meanwhile is seen", async () => {
    const log = silentLog;
    const informer = startInformer({
      client,
      kind: ConfigMap,
      namespace: "default",
      clock: systemClock,
      log,
      idleMs: 2_000,
    });
    await informer.synced;
    await expect.poll(() => cluster.faults.silenceWatches()).toBe(1);
    await client.create(ConfigMap, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "meanwhile", namespace: "default" },
    });
    await expect.poll(() => informer.get("default/meanwhile")?.metadata.name).toBe("meanwhile");
    await informer.stop();
    // The server learns of it a little later.
    await expect.poll(() => cluster.faults.dropWatches()).toBe(0);
  });

  it("end watches, so that the client begins another one", async () => {
    const seen: string[] = [];
    const abort = new AbortController();
    const watching = (async () => {
      const { metadata } = await client.list(ConfigMap, { namespace: "default" });
      const { resourceVersion } = metadata;
      const from = { namespace: "default", resourceVersion, signal: abort.signal };
      for await (const { object } of client.watch(ConfigMap, from)) seen.push(object.metadata.name);
    })();
    const ended = expect(watching).rejects.toThrow(/127\.0\.0\.1/);
    await expect.poll(() => cluster.faults.dropWatches()).toBe(1);
    await ended;
    abort.abort();
  });
});
