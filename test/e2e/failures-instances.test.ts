/** Instances that don't start, end, hang or miss something: on the real platform with real containers, side by side. */
import { afterAll, beforeAll, describe, test } from "vitest";
import {
  command,
  coreApi,
  deploy,
  elafrosApi,
  eventsOf,
  failsToDeploy,
  hasCondition,
  hasEvent,
  hostOf,
  makeService,
  post,
  problemSentence,
  read,
  refuses,
  serves,
} from "../support/failures.ts";
import { imageCache, makeImages, type SampleImage } from "../support/images.ts";
import { eventually, startPlatform, type TestPlatform } from "../support/platform.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";

let platform: TestPlatform;
let registry: TestRegistry;
let images: Record<SampleImage, string>;

beforeAll(async () => {
  registry = await startRegistry();
  images = await makeImages(registry);
  process.env["CONTAINERS_STORAGE_CONF"] = (await imageCache()).storageConf;
  platform = await startPlatform();
});

afterAll(async () => {
  await platform?.purge();
  await registry?.close();
});

describe.concurrent("a container that doesn't start", () => {
  test("has a command that isn't there", async ({ expect }) => {
    const result = await failsToDeploy(platform, {
      service: "bad-command",
      image: images["app:missing-command"],
      reason: "ExitCode127",
      message: /^Container failed with: .*\/usr\/bin\/no-such-command.*no such file or directory/i,
    });
    expect(result.stderr).toContain("Service [bad-command] serves nothing yet");
  });

  test("ends at once: its last line is the message, and the Revision before serves on", async ({ expect }) => {
    await deploy(platform, "ends", images["app:1"]);
    const result = await command(platform, "deploy", "--service", "ends", "--image", images["app:exits"]);
    expect(result.code).toBe(1);
    const message = "Container failed with: Cannot start: DATABASE_URL is not set";
    expect(result.stderr).toContain(`Revision "ends-00002" failed: ExitCode1: ${message}`);
    expect(result.stderr).toContain("Last lines of the container:\n  Cannot start: DATABASE_URL is not set\n");
    expect(result.stderr).toContain("The traffic was not changed: service [ends] goes on with ends-00001.");
    const failed = { status: "False", reason: "ExitCode1", message };
    await hasCondition(platform, "revisions/ends-00002", { type: "Ready", ...failed });
    await hasCondition(platform, "revisions/ends-00002", { type: "ContainerHealthy", ...failed });
    await hasCondition(platform, "configurations/ends", { type: "LatestRevisionReady", ...failed });
    await hasEvent(platform, "ends-00002", { reason: "ExitCode1", message });
    const route = await read(platform, "routes/ends");
    expect(route.status?.traffic).toEqual([{ revisionName: "ends-00001", percent: 100 }]);
    await hasCondition(platform, "routes/ends", { type: "Ready", status: "True" });
    expect((await platform.ask(hostOf("ends"))).text).toBe("Hello World from 1\n");
    const described = await command(platform, "services", "describe", "ends");
    expect(described.stdout).toContain(message);

    // The next good one takes over.
    await deploy(platform, "ends", images["app:2"]);
    expect((await platform.ask(hostOf("ends"))).text).toBe("Hello World from 2\n");
  });

  test("ends at once as the first of its service: nothing of what it printed gets out", async () => {
    await failsToDeploy(platform, {
      service: "first-ends",
      image: images["busybox:exits"],
      reason: "ExitCode3",
      message: "Container failed with: no such table: users",
    });
  });

  test("never listens", async ({ expect }) => {
    await makeService(platform, "deaf", {
      container: {
        image: images["app:never-listens"],
        startupProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1, failureThreshold: 2 },
      },
    });
    const failed = {
      status: "False",
      reason: "ReadinessProbeFailed",
      message: /^Startup probe failed: .*(refused|ECONNREFUSED)/,
    };
    await hasCondition(platform, "revisions/deaf-00001", { type: "Ready", ...failed });
    await hasCondition(platform, "revisions/deaf-00001", { type: "ContainerHealthy", ...failed });
    await hasCondition(platform, "configurations/deaf", { type: "Ready", ...failed });
    await hasEvent(platform, "deaf-00001", { reason: "ReadinessProbeFailed", message: failed.message });
    await refuses(platform, hostOf("deaf"), { status: 503, reason: "ReadinessProbeFailed", sentence: problemSentence });
    const image = images["app:never-listens"];
    const result = await command(platform, "deploy", "--service", "deaf", "--image", image, "--env", "AGAIN=1");
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('Revision "deaf-00002" failed: ReadinessProbeFailed: Startup probe failed: ');
  });

  test("takes more memory than it may", async () => {
    await failsToDeploy(platform, {
      service: "greedy",
      image: images["app:oom"],
      args: ["--memory", "96Mi"],
      reason: "OOMKilled",
      message: "Container was killed: it used more than its 96 MiB of memory",
    });
  });

  test("asks for more than the machine has", async () => {
    await failsToDeploy(platform, {
      service: "huge",
      image: images["app:1"],
      args: ["--memory", "100Ti"],
      condition: "ResourcesAvailable",
      reason: "InsufficientResources",
      message: /^Asked for 100 TiB of memory, instances have [\d.]+ [GM]iB on this machine$/,
    });
  });

  test("refers to a Secret and a ConfigMap that aren't there: both are named, and once there it starts", async ({
    expect,
  }) => {
    const result = await failsToDeploy(platform, {
      service: "keyless",
      image: images["app:1"],
      args: ["--secret", "TOKEN=no-secret:token", "--secret", "/keys=no-keys"],
      reason: "StartFailed",
      message: 'Cannot start: secret "no-secret" not found; secret "no-keys" not found',
    });
    expect(result.stderr).toContain("StartFailed");
    await post(platform, `${coreApi}/secrets`, { metadata: { name: "no-secret" }, stringData: { token: "s3cr3t" } });
    await hasCondition(platform, "revisions/keyless-00001", {
      type: "Ready",
      status: "False",
      message: 'Cannot start: secret "no-keys" not found',
    });
    await post(platform, `${coreApi}/secrets`, { metadata: { name: "no-keys" }, stringData: { one: "1" } });
    await serves(platform, "keyless");
    const { env } = JSON.parse((await platform.ask(hostOf("keyless"), "/info")).text) as { env: object };
    expect(env).toMatchObject({ TOKEN: "s3cr3t" });
    expect((await platform.ask(hostOf("keyless"), "/file?path=/keys/one")).text).toBe("1");

    await makeService(platform, "mapless", {
      container: { image: images["app:1"], envFrom: [{ configMapRef: { name: "no-map" } }] },
    });
    const missing = { status: "False", reason: "StartFailed", message: 'Cannot start: configmap "no-map" not found' };
    await hasCondition(platform, "revisions/mapless-00001", { type: "Ready", ...missing });
    await hasEvent(platform, "mapless-00001", { reason: "StartFailed", message: missing.message });
    await refuses(platform, hostOf("mapless"), { status: 503, reason: "StartFailed", sentence: problemSentence });
    await post(platform, `${coreApi}/configmaps`, { metadata: { name: "no-map" }, data: { TARGET: "map" } });
    await eventually("the ConfigMap's value is there", async () => {
      return (await platform.ask(hostOf("mapless"))).text === "Hello map from 1\n";
    });
  });
});

describe.concurrent("a container that was ready", () => {
  test("crashes: Ready stays True, ContainerHealthy says why, requests get 502 or 503, and it comes back", async ({
    expect,
  }) => {
    await deploy(platform, "crashes", images["app:1"]);
    const watching = await platform.watch(`${elafrosApi}/revisions`);
    const line = encodeURIComponent("password=hunter2 is wrong");
    // The first time it is back within moments; the second time it waits for a second.
    for (const times of [1, 2]) {
      // A POST, which isn't sent twice. Not every thread of the gateway need know at once that the instance is back.
      const answer = await eventually("an instance gets the request", async () => {
        const got = await platform.ask(hostOf("crashes"), `/?crash=7&line=${line}`, { method: "POST" });
        return got.status === 502 && got;
      });
      expect(answer.headers["elafros-reason"]).toBe("InstanceBrokeOff");
      expect(answer.text).not.toContain("hunter2");
      await hasEvent(platform, "crashes-00001", {
        reason: "ExitCode7",
        message: "Container failed with: password=hunter2 is wrong",
        count: times,
      });
      await eventually("it answers again", async () => {
        const { status, headers, text } = await platform.ask(hostOf("crashes"));
        if (status === 200) return true;
        expect(text).not.toContain("hunter2");
        expect([status, headers["elafros-reason"]]).toSatisfy(
          ([code, reason]) =>
            (code === 503 && ["ExitCode7", "InstanceUnreachable"].includes(String(reason))) ||
            (code === 502 && reason === "InstanceBrokeOff"),
        );
        return false;
      });
    }
    await hasCondition(platform, "revisions/crashes-00001", { type: "ContainerHealthy", status: "True" });
    await hasEvent(platform, "crashes-00001", { type: "Normal", reason: "Recovered" });
    watching.stop();
    type Seen = { metadata: { name: string }; status?: { conditions?: { type: string; status: string }[] } };
    const states = (watching.seen as Seen[])
      .filter(({ metadata }) => metadata.name === "crashes-00001")
      .map(({ status }) => status?.conditions ?? []);
    expect(states.map((all) => all.find(({ type }) => type === "Ready")?.status)).not.toContain("False");
    expect(states.flat()).toContainEqual(
      expect.objectContaining({
        type: "ContainerHealthy",
        status: "False",
        reason: "ExitCode7",
        message: "Container failed with: password=hunter2 is wrong",
      }),
    );
    const { items } = (await platform.json(
      "GET",
      `${coreApi}/pods?labelSelector=elafros.dev%2Frevision%3Dcrashes-00001`,
    )) as { items: { status: { containerStatuses: { restartCount: number }[] } }[] };
    expect(items[0]?.status.containerStatuses[0]?.restartCount).toBe(2);
  });

  test("takes too much memory for a request, and comes back", async ({ expect }) => {
    await deploy(platform, "swells", images["app:1"], "--memory", "128Mi");
    const answer = await platform.ask(hostOf("swells"), "/?oom=1");
    expect([answer.status, answer.headers["elafros-reason"]]).toEqual([502, "InstanceBrokeOff"]);
    await hasEvent(platform, "swells-00001", {
      reason: "OOMKilled",
      message: "Container was killed: it used more than its 128 MiB of memory",
    });
    await serves(platform, "swells");
    await hasCondition(platform, "revisions/swells-00001", { type: "Ready", status: "True" });
  });

  test("stops answering its liveness probe, and is restarted", async () => {
    const probe = { httpGet: { path: "/healthz", port: 8080 }, periodSeconds: 1, failureThreshold: 1 };
    const startupProbe = { tcpSocket: { port: 8080 }, periodSeconds: 1, failureThreshold: 60 };
    await makeService(platform, "ails", { container: { image: images["app:1"], livenessProbe: probe, startupProbe } });
    await serves(platform, "ails");
    await platform.ask(hostOf("ails"), "/?unhealthy=1");
    await hasEvent(platform, "ails-00001", { reason: "LivenessProbeFailed", message: /^Liveness probe failed: .*503/ });
    await eventually("it is healthy again", async () => {
      return (await platform.ask(hostOf("ails"), "/healthz")).status === 200;
    });
    await hasCondition(platform, "revisions/ails-00001", { type: "ContainerHealthy", status: "True" });
  });

  test("hangs in a request that was answered with 504: it is replaced, with an Event", async ({ expect }) => {
    await makeService(platform, "hangs", {
      container: { image: images["app:1"] },
      concurrencyModel: "SingleThreaded",
      timeoutSeconds: 1,
    });
    await serves(platform, "hangs");
    const answer = await platform.ask(hostOf("hangs"), "/?ms=600000");
    expect([answer.status, answer.headers["elafros-reason"]]).toEqual([504, "ResponseTimeout"]);
    await hasEvent(platform, "hangs-00001", {
      reason: "InstanceReplaced",
      message: /^Instance "hangs-00001-\w+" is replaced: it did not end work that nobody waits for any more$/,
    });
    await serves(platform, "hangs");
    const events = await eventsOf(platform, "hangs-00001");
    expect(events.filter(({ reason }) => reason === "InstanceReplaced")).toHaveLength(1);
  });
});
