import { describe, expect, onTestFinished, test } from "vitest";
import { plainBuild, plainStep } from "../../../test/support/build-spec.ts";
import { manualClock, settle } from "../../../test/support/manual-clock.ts";
import { memoryCluster } from "../../../test/support/memory-cluster.ts";
import { Build } from "../../api/build.ts";
import { ApiError } from "../../api/meta/errors.ts";
import { Secret } from "../../api/secret.ts";
import { silentLog } from "../../lib/log.ts";
import { type BuildSpec, toolsImage } from "../../runtime/builds.ts";
import { Pod } from "../kinds/pod.ts";
import { createClusterBuilds } from "./port.ts";

const key = { namespace: "n", name: "app-00001" };
const spec = (more: Partial<BuildSpec> = {}): BuildSpec =>
  plainBuild([plainStep("one"), plainStep("two", { image: toolsImage })], more);

/** The Build, as its user or a Configuration has made it. */
function putBuild(cluster: ReturnType<typeof memoryCluster>, uid = "u1"): void {
  if (cluster.get(Build, key.name) !== undefined) cluster.remove(Build, key.name);
  cluster.put(Build, { apiVersion: "build.dev/v1alpha1", kind: "Build", metadata: { ...key, uid }, spec: {} });
}

/** The port over a cluster in memory. */
async function setUp(cluster = memoryCluster(), build: Partial<Build> = {}) {
  const clock = manualClock(Date.parse("2026-01-01T00:00:00Z"));
  const told: string[] = [];
  if (cluster.get(Build, key.name) === undefined) putBuild(cluster);
  const port = createClusterBuilds({
    client: cluster.client,
    clock,
    log: silentLog,
    build: () => ({ spec: {}, ...build }) as Build,
    images: { image: "elafros:1", tools: "tools:1" },
    stepMemory: {},
  });
  onTestFinished(() => port.close());
  port.subscribe((of) => told.push(port.get(of)?.phase ?? "gone"));
  await port.synced;
  const calls = async () => {
    await settle();
    await clock.advance(1_000);
    return cluster.calls.splice(0);
  };
  await settle();
  const pod = () => {
    const found = cluster.get(Pod, `${key.name}-build`);
    if (found === undefined) throw new Error("There is no Pod");
    return found;
  };
  /** As the kubelet would say it. */
  const say = async (status: NonNullable<Pod["status"]>) => {
    cluster.put(Pod, { ...pod(), status });
    await settle();
  };
  const bind = () => {
    const before = pod();
    cluster.put(Pod, { ...before, spec: { ...before.spec, nodeName: "a", containers: before.spec?.containers ?? [] } });
  };
  return { cluster, port, clock, told, calls, pod, say, bind };
}

const at = "2026-01-01T00:00:05Z";
const done = (name: string, message = "") => ({
  ...container(name),
  state: { terminated: { exitCode: 0, reason: "Completed", message, startedAt: at, finishedAt: at } },
});
const failed = (name: string, exitCode: number, message: string, reason = "Error") => ({
  ...container(name),
  state: { terminated: { exitCode, reason, message, startedAt: at, finishedAt: at } },
});
const runs = (name: string) => ({ ...container(name), state: { running: { startedAt: at } } });
const waits = (name: string, reason: string, message: string) => ({
  ...container(name),
  state: { waiting: { reason, message } },
});
const container = (name: string) => ({ name, ready: false, restartCount: 0, image: "r.example/i:1", imageID: "" });
const found = JSON.stringify({ repository: "https://git.example/a", context: "c" });

describe("createClusterBuilds", () => {
  test("start() makes the Pod, notes it on the Build, and then makes the Secrets that it waits for, once", async () => {
    const { cluster, port, calls, pod } = await setUp();
    port.start(key, spec());
    expect(await calls()).toEqual([
      "create pods n/app-00001-build",
      "patch builds n/app-00001",
      expect.stringMatching(/^apply secrets n\/app-00001-build-[0-9a-f]{8}-input$/u),
    ]);
    expect(cluster.get(Build, key.name)?.metadata.annotations).toEqual({ "build.dev/pod": pod().metadata.uid });
    expect(pod().spec).toMatchObject({
      volumes: expect.arrayContaining([
        { name: "elafros-input", secret: { secretName: cluster.all(Secret)[0]?.metadata.name, defaultMode: 0o444 } },
      ]) as unknown,
    });
    port.start(key, spec());
    expect(await calls()).toEqual([]);
    expect(pod().spec?.initContainers?.map(({ name, image }) => `${name} ${image}`)).toEqual([
      "source tools:1",
      "one r.example/i:1",
      "two tools:1",
    ]);
    expect(port.get(key)).toMatchObject({ phase: "queued", uid: "u1" });
    expect(port.get(key)?.steps.map(({ phase }) => phase)).toEqual(["waiting", "waiting", "waiting"]);
  });

  test("a build that goes well ends with the image that its last container says, and without Secrets", async () => {
    const { cluster, port, calls, say } = await setUp();
    port.start(key, spec());
    await calls();
    await say({ phase: "Pending", startTime: at, initContainerStatuses: [done("source", found), runs("one")] });
    expect(port.get(key)).toMatchObject({
      phase: "running",
      startedAt: Date.parse(at),
      source: { repository: "https://git.example/a", context: "c" },
      steps: [{ image: toolsImage, exitCode: 0 }, { phase: "running" }, { phase: "waiting" }],
    });
    const image = `r.example/app@sha256:${"1".repeat(64)}`;
    await say({
      phase: "Succeeded",
      initContainerStatuses: [done("source", found), done("one"), done("two")],
      containerStatuses: [done("elafros-image", JSON.stringify({ image }))],
    });
    expect(port.get(key)).toMatchObject({ phase: "succeeded", imageDigest: image, endedAt: Date.parse(at) });
    expect(cluster.all(Secret)).toEqual([]);
  });

  test("after a restart what is there is known before anybody declares it, and nothing is made again", async () => {
    const first = await setUp();
    first.port.start(key, spec());
    await first.calls();
    await first.say({ phase: "Pending", initContainerStatuses: [done("source", found), runs("one")] });
    await first.port.close();
    const second = await setUp(first.cluster);
    expect(second.port.get(key)).toMatchObject({ phase: "running", uid: "u1" });
    second.port.start(key, spec());
    expect(await second.calls()).toEqual([]);
  });

  test("a build whose Pod is deleted after it began has failed, whoever leads then, and no step runs again", async () => {
    const { cluster, port, calls } = await setUp();
    port.start(key, spec());
    await calls();
    cluster.remove(Pod, "app-00001-build");
    expect(await calls()).toEqual([
      "list secrets n",
      expect.stringMatching(/^delete secrets n\/app-00001-build-[0-9a-f]{8}-input$/u),
    ]);
    expect(cluster.all(Secret)).toEqual([]);
    const failure = {
      reason: "BuildStepFailed",
      message: 'Build failed: its Pod "app-00001-build" was deleted while it ran: build again',
    };
    expect(port.get(key)?.failure).toEqual(failure);
    await port.close();
    const second = await setUp(cluster, { status: { startTime: at } });
    second.port.start(key, spec());
    expect(await second.calls()).toEqual(["list secrets n"]);
    expect(second.port.get(key)?.failure).toEqual(failure);
  });

  test("a Pod that is deleted before anybody saw it run isn't made again by whoever leads next", async () => {
    const { cluster, port, calls } = await setUp();
    port.start(key, spec());
    await calls();
    await port.close();
    // It may have run to its end, and nobody has written down that it began.
    cluster.remove(Pod, "app-00001-build");
    const second = await setUp(cluster);
    second.port.start(key, spec());
    expect(await second.calls()).toEqual([
      "list secrets n",
      expect.stringMatching(/^delete secrets n\/app-00001-build-[0-9a-f]{8}-input$/u),
    ]);
    expect(second.port.get(key)?.failure).toEqual({
      reason: "BuildStepFailed",
      message: 'Build failed: its Pod "app-00001-build" was deleted while it ran: build again',
    });
  });

  test("whoever leads next goes on with a Pod that is there and not noted yet", async () => {
    const first = await setUp();
    first.port.start(key, spec());
    await first.calls();
    // As whoever led before left it, had it ended after the Pod was created.
    const cluster = memoryCluster();
    cluster.put(Pod, first.pod());
    const { port, calls } = await setUp(cluster);
    expect(await calls()).toEqual([]);
    port.start(key, spec());
    expect((await calls()).map((call) => call.split(" ", 2).join(" "))).toEqual(["patch builds", "apply secrets"]);
    expect(port.get(key)?.phase).toBe("queued");
  });

  test("what was written to the Build in between doesn't keep its Pod from being noted", async () => {
    const { cluster, port, pod, calls } = await setUp();
    cluster.refuse(Build, new ApiError("Conflict", "the object has been modified"));
    port.start(key, spec());
    expect((await calls()).filter((call) => call.startsWith("patch builds"))).toHaveLength(2);
    expect(cluster.get(Build, key.name)?.metadata.annotations).toEqual({ "build.dev/pod": pod().metadata.uid });
    expect(cluster.all(Secret)).toHaveLength(1);
  });

  test("a second Pod, of a controller that doesn't know yet that another leads, never begins", async () => {
    const { cluster, port, calls, pod } = await setUp();
    const annotations = { "build.dev/pod": "the-first" };
    const made = await setUp();
    made.port.start(key, spec());
    await made.calls();
    cluster.put(Pod, { ...made.pod(), metadata: { ...made.pod().metadata, uid: "the-second" } });
    cluster.put(Build, { ...cluster.get(Build, key.name), metadata: { ...key, uid: "u1", annotations } } as Build);
    port.start(key, spec());
    expect(await calls()).toEqual(["patch pods n/app-00001-build", "list secrets n"]);
    expect(cluster.all(Secret)).toEqual([]);
    expect(pod().spec?.activeDeadlineSeconds).toBe(1);
    expect(port.get(key)?.failure?.message).toContain("was deleted while it ran");
  });

  test("cancel() ends the Pod by its deadline, and says why on it", async () => {
    const { port, calls, pod, say, bind } = await setUp();
    port.start(key, spec());
    await calls();
    await say({ phase: "Pending", initContainerStatuses: [runs("source")] });
    bind();
    port.cancel(key);
    expect(await calls()).toEqual(["patch pods n/app-00001-build"]);
    expect(pod().spec?.activeDeadlineSeconds).toBe(1);
    await say({ phase: "Failed", reason: "DeadlineExceeded", initContainerStatuses: [failed("source", 137, "")] });
    expect(port.get(key)).toMatchObject({ phase: "failed", failure: { reason: "BuildCancelled" } });
  });

  test.each([
    ["ErrImagePull", 'rpc error: code = NotFound desc = failed to pull and unpack image "x": not found', "not found"],
    ["CreateContainerConfigError", "container has runAsNonRoot and image will run as root", "runAsNonRoot"],
  ])("a container that waits in vain (%s) ends the build", async (reason, message, words) => {
    const { port, calls, say } = await setUp();
    port.start(key, spec());
    await calls();
    await say({ phase: "Pending", initContainerStatuses: [done("source", found), waits("one", reason, message)] });
    expect(await calls()).toContain("patch pods n/app-00001-build");
    expect(port.get(key)?.failure).toMatchObject({
      reason: "BuildStepFailed",
      message: expect.stringMatching(
        new RegExp(`^Step "one" failed with error message: it cannot be started: .*${words}`, "u"),
      ),
    });
  });

  test("a Pod that never begins ends with the build's timeout, and says what it waited for", async () => {
    const { port, calls, say, clock } = await setUp();
    port.start(key, spec());
    await calls();
    const conditions = [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message: "0/1 nodes" }];
    await say({ phase: "Pending", conditions });
    expect(port.get(key)?.message).toBe("Waiting for a node: Unschedulable: 0/1 nodes");
    await clock.advance(600_000);
    expect(port.get(key)?.failure).toEqual({
      reason: "BuildTimeout",
      message: "Build did not begin within its timeout of 600s: Waiting for a node: Unschedulable: 0/1 nodes",
    });
  });

  test("a quota is waited for, and told", async () => {
    const { cluster, port, calls, clock } = await setUp();
    cluster.refuse(Pod, new ApiError("Forbidden", "exceeded quota: q"));
    port.start(key, spec());
    await settle();
    expect(port.get(key)).toMatchObject({
      phase: "queued",
      message: "The cluster refuses its Pod: exceeded quota: q",
    });
    await clock.advance(1_000);
    expect(await calls()).toContain("create pods n/app-00001-build");
    expect(port.get(key)?.message).toBeUndefined();
  });

  test.each([
    ["Forbidden", 'violates PodSecurity "restricted:latest": seccompProfile', "pod-security.kubernetes.io/enforce"],
    ["Invalid", "spec.initContainers[1].name: Invalid value", "spec.initContainers"],
  ] as const)("what the cluster never takes (%s) is the build's failure", async (reason, message, words) => {
    const { cluster, port, calls } = await setUp();
    cluster.refuse(Pod, new ApiError(reason, message));
    port.start(key, spec());
    await calls();
    expect(port.get(key)?.failure).toMatchObject({
      reason: "BuildStepFailed",
      message: expect.stringContaining(words),
    });
    expect(cluster.all(Secret)).toEqual([]);
  });

  test.each([
    ["localhost/app", [plainStep("one")], "PushFailed", "its name has no registry"],
    ["app", [plainStep("one")], "PushFailed", "its name has no registry"],
    ["r.example/app", [plainStep("elafros-image")], "BuildStepFailed", 'Step "elafros-image" has the name'],
  ] as const)("a build that can't be (%s) fails before anything runs", async (image, steps, reason, words) => {
    const { port, calls } = await setUp();
    port.start(key, spec({ image, steps: [...steps] }));
    expect(port.get(key)?.failure).toMatchObject({ reason, message: expect.stringContaining(words) });
    expect(await calls()).toEqual([]);
  });

  test("an upload needs a registry of the installation's", async () => {
    const { port, calls } = await setUp();
    const location = `upload:sha256:${"1".repeat(64)}`;
    port.start(key, spec({ source: { type: "archive", location } }));
    expect(port.get(key)?.failure).toEqual({
      reason: "SourceMissing",
      message: `Source "${location}" is not here: the installation has no registry for uploads; have its administrator name one with "elafros install --build-registry HOST/PREFIX", or build from a git repository or a URL`,
    });
    expect(await calls()).toEqual([]);
  });

  test("another's Pod of that name is left alone, and is the build's failure", async () => {
    const { cluster, port, calls, pod } = await setUp();
    const theirs = { apiVersion: "v1", kind: "Pod", metadata: { name: "app-00001-build", namespace: "n" } };
    cluster.put(Pod, theirs);
    port.start(key, spec());
    await calls();
    expect(port.get(key)?.failure?.message).toBe(
      'Pod "app-00001-build" in namespace "n" is there already and isn\'t of this Build: delete it, or give the Build another name',
    );
    expect(pod().spec).toBeUndefined();
  });

  test("the Pod of an earlier Build of that name is deleted first", async () => {
    const { cluster, port, calls } = await setUp();
    port.start(key, spec());
    await calls();
    putBuild(cluster, "u2");
    port.start(key, spec({ uid: "u2" }));
    expect((await calls()).map((call) => call.replace(/-[0-9a-f]{8}-input$/u, "-input"))).toEqual([
      "delete pods n/app-00001-build",
      "create pods n/app-00001-build",
      "patch builds n/app-00001",
      "apply secrets n/app-00001-build-input",
    ]);
    expect(port.get(key)?.uid).toBe("u2");
  });

  test("remove() deletes the Pod and forgets the build", async () => {
    const { port, calls } = await setUp();
    port.start(key, spec());
    await calls();
    port.remove(key);
    expect(port.get(key)).toBeUndefined();
    expect(await calls()).toEqual(["delete pods n/app-00001-build"]);
    expect(port.list()).toEqual([]);
  });

  test("logs() reads a step's container", async () => {
    const { port, calls, say } = await setUp();
    port.start(key, spec());
    await calls();
    const signal = new AbortController().signal;
    const read = async (name: string) => {
      const lines: string[] = [];
      const options = { follow: false, timestamps: false, previous: false, signal };
      for await (const line of port.logs(key, name, options)) lines.push(line);
      return lines;
    };
    expect(await read("one")).toEqual([]);
    await say({ phase: "Pending", initContainerStatuses: [done("source", found), runs("one")] });
    expect(await read("one")).toEqual(["one\n", "two\n"]);
    await expect(read("three")).rejects.toThrow('Cannot read logs: build "n/app-00001" has no step "three"');
  });
});
