/** Pods of the simulated cluster that run to their end, in real containers: init containers, restarts, deadlines and ends as a kubelet has them. */
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { httpClient, type HttpClient } from "../../src/client/http.ts";
import { Pod } from "../../src/kubernetes/kinds/pod.ts";
import { type Cluster, startCluster } from "../support/cluster/cluster.ts";
import { makeImages } from "../support/images.ts";
import { eventually } from "../support/platform.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";

let registry: TestRegistry;
let cluster: Cluster;
let client: HttpClient;
let image: string;

beforeAll(async () => {
  registry = await startRegistry();
  ({ "busybox:1": image } = await makeImages(registry));
  cluster = await startCluster({ machine: { loopback: [Number(registry.host.split(":").at(-1))] } });
  client = httpClient(cluster.connection);
});
afterAll(async () => {
  client?.close();
  await cluster?.stop();
  await registry?.close();
});

const container = (name: string, script: string, more: object = {}) => ({
  name,
  image,
  command: ["/bin/sh", "-c", script],
  volumeMounts: [{ name: "shared", mountPath: "/shared" }],
  terminationMessagePolicy: "FallbackToLogsOnError",
  ...more,
});

/** A Pod's life from its creation on: each state that its containers were seen in, in a line, and its newest state. */
interface Life {
  seen: string[];
  pod: Pod | undefined;
  gone: boolean;
}

/** Creates a Pod, whose containers share a volume, and follows it. */
async function create(name: string, spec: object): Promise<Life> {
  const life: Life = { seen: [], pod: undefined, gone: false };
  const metadata = { name, namespace: "default" };
  const volumes = [{ name: "shared", emptyDir: {} }];
  const pod = { apiVersion: "v1", kind: "Pod", metadata, spec: { restartPolicy: "Never", volumes, ...spec } };
  const made = await client.create(Pod, pod as unknown as Pod);
  const end = new AbortController();
  onTestFinished(() => end.abort());
  const { resourceVersion = "" } = made.metadata;
  const events = client.watch(Pod, { namespace: "default", resourceVersion, signal: end.signal });
  void (async () => {
    for await (const { type, object } of events) {
      if (object.metadata.name !== name) continue;
      life.gone = type === "DELETED";
      life.pod = object;
      const line = stateOf(object);
      if (life.seen.at(-1) !== line) life.seen.push(line);
    }
  })().catch(() => {}); // it ends with the test
  return life;
}

function stateOf({ status = {} }: Pod): string {
  const { initContainerStatuses = [], containerStatuses = [], phase = "" } = status;
  const states = [...initContainerStatuses, ...containerStatuses].map(({ state = {} }) => {
    const { waiting, running, terminated } = state;
    return waiting?.reason ?? (running === undefined ? `${terminated?.reason}` : "Running");
  });
  return [phase, ...states].join(" ");
}

/** Waits until it is as wanted. */
const until = (life: Life, wanted: (pod: Pod) => boolean): Promise<Pod> =>
  eventually("the Pod is as wanted", () => {
    if (life.pod !== undefined && wanted(life.pod)) return Promise.resolve(life.pod);
    return Promise.reject(new Error(life.seen.join("; ")));
  });

const over = ({ status }: Pod) => status?.phase === "Succeeded" || status?.phase === "Failed";
const conditionsOf = ({ status }: Pod) =>
  Object.fromEntries((status?.conditions ?? []).map(({ type, status: is, reason }) => [type, reason ?? is]));

test("init containers run one after the other, then the container, on the same volumes", async () => {
  const life = await create("shop", {
    initContainers: [container("one", "echo one > /shared/note"), container("two", "echo two >> /shared/note")],
    containers: [container("main", "cat /shared/note")],
  });
  const pod = await until(life, over);
  // Before that the first may or may not have been seen to wait.
  expect(life.seen.slice(-7)).toEqual([
    "Pending Running PodInitializing PodInitializing",
    "Pending Completed PodInitializing PodInitializing",
    "Pending Completed Running PodInitializing",
    "Pending Completed Completed PodInitializing",
    "Running Completed Completed Running",
    "Running Completed Completed Completed",
    "Succeeded Completed Completed Completed",
  ]);
  expect(conditionsOf(pod)).toMatchObject({ Initialized: "PodCompleted", Ready: "PodCompleted" });
  const all = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  expect(all.map(({ state, restartCount }) => [state?.terminated?.exitCode, restartCount])).toEqual([
    [0, 0],
    [0, 0],
    [0, 0],
  ]);
  expect(all.every(({ imageID = "" }) => imageID.startsWith(`${registry.host}/busybox@sha256:`))).toBe(true);
  const lines = client.podLog({ namespace: "default", name: "shop" }, { container: "main" });
  expect(await Array.fromAsync(lines)).toEqual(["one", "two"]);
  const other = client.podLog({ namespace: "default", name: "shop" }, { container: "none" });
  await expect(Array.fromAsync(other)).rejects.toThrow("container none is not valid for pod shop");
});

test("one that fails ends a Pod that isn't to restart, with its last lines, and none behind it begins", async () => {
  const life = await create("fails", {
    initContainers: [container("one", "echo why; exit 3"), container("two", "true")],
    containers: [container("main", "true")],
  });
  const pod = await until(life, over);
  expect(pod.status).toMatchObject({
    phase: "Failed",
    initContainerStatuses: [
      { name: "one", ready: false, state: { terminated: { exitCode: 3, reason: "Error", message: "why\n" } } },
      { name: "two", ready: false, state: { waiting: { reason: "PodInitializing" } } },
    ],
    containerStatuses: [{ name: "main", state: { waiting: { reason: "PodInitializing" } } }],
  });
  expect(conditionsOf(pod)).toMatchObject({ Initialized: "ContainersNotInitialized", Ready: "PodFailed" });
});

test("one that fails is started again after a while where its Pod is to restart", async () => {
  const life = await create("again", {
    restartPolicy: "OnFailure",
    initContainers: [container("one", "test -e /shared/tried && exit 0; touch /shared/tried; exit 4")],
    containers: [container("main", "true")],
  });
  const pod = await until(life, over);
  expect(life.seen.join("; ")).toContain("Pending CrashLoopBackOff PodInitializing");
  expect(pod.status).toMatchObject({
    phase: "Succeeded",
    initContainerStatuses: [
      { restartCount: 1, state: { terminated: { exitCode: 0 } }, lastState: { terminated: { exitCode: 4 } } },
    ],
  });
});

test("what isn't there is waited for until the deadline, which may come nearer", async () => {
  const missing = { name: "main", image: `${registry.host}/nothing:1` };
  const life = await create("vain", { activeDeadlineSeconds: 3600, containers: [missing] });
  await until(life, (pod) => stateOf(pod) === "Pending ImagePullBackOff");
  expect(life.seen).toContain("Pending ErrImagePull");
  const body = { spec: { activeDeadlineSeconds: 1 } };
  await client.patch(Pod, { namespace: "default", name: "vain" }, { type: "merge", body });
  expect((await until(life, over)).status).toMatchObject({ phase: "Failed", reason: "DeadlineExceeded" });
});

test("what takes more memory than it may is killed, and told so", async () => {
  const limits = { memory: "16Mi" };
  const life = await create("fat", { containers: [container("main", "tail /dev/zero", { resources: { limits } })] });
  const { containerStatuses } = (await until(life, over)).status ?? {};
  expect(containerStatuses?.[0]?.state?.terminated).toMatchObject({ reason: "OOMKilled", exitCode: 137 });
});

test("a deletion lets a container end by itself", async () => {
  const script = "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done";
  const life = await create("goes", { terminationGracePeriodSeconds: 600, containers: [container("main", script)] });
  await until(life, (pod) => stateOf(pod) === "Running Running");
  const at = { namespace: "default", name: "goes" };
  // Once it has said so, the trap is set.
  for await (const line of client.podLog(at, { container: "main", follow: true })) if (line === "ready") break;
  await client.delete(Pod, at);
  const pod = await until(life, () => life.gone);
  expect(pod.status?.containerStatuses?.[0]?.state?.terminated?.exitCode).toBe(5);
});
