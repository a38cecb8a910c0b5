/** Images that can't be had, and what is told when they come: on the real platform, with real registries and an empty image store. */
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
  post,
  problemSentence,
  refuses,
  serves,
} from "../support/failures.ts";
import { makeImages, retag, type SampleImage } from "../support/images.ts";
import { type Neighbour, neighbourNetwork } from "../support/namespaces.ts";
import { startPlatform, type TestPlatform } from "../support/platform.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";

const user = { username: "ann", password: "correct-horse-battery" };
let platform: TestPlatform;
let registry: TestRegistry;
let locked: TestRegistry;
let images: Record<SampleImage, string>;
let network: Neighbour;

beforeAll(async () => {
  [registry, locked] = await Promise.all([startRegistry(), startRegistry({ auth: user })]);
  images = await makeImages(registry);
  await makeImages(locked);
  network = await neighbourNetwork("fail", "198.18.9");
  platform = await startPlatform();
});

afterAll(async () => {
  await platform?.purge();
  await Promise.all([registry?.close(), locked?.close(), network?.close()]);
});

describe.concurrent("layers on their way", () => {
  test("deploy shows Uploading and Events say how much came, for an image that isn't on the machine, and not otherwise", async ({
    expect,
  }) => {
    const first = await deploy(platform, "moved", images["busybox:1"]);
    expect(first.stdout).toMatch(/^✓ Uploading \[=================\]\n✓ Starting\n✓ Promoting\n/m);
    const digest = `${registry.host}/busybox@sha256:[0-9a-f]{64}`;
    await hasEvent(platform, "moved-00001", {
      type: "Normal",
      reason: "Pulling",
      message: new RegExp(`^Pulling image "${digest}"$`),
    });
    await hasEvent(platform, "moved-00001", {
      type: "Normal",
      reason: "Pulled",
      message: new RegExp(`^Pulled image "${digest}": [\\d.]+ (KiB|MiB) in [\\d.]+ s$`),
    });
    // The same image again, and another one of the same layers: nothing moves.
    const second = await deploy(platform, "moved", images["busybox:1"], "--env", "X=1");
    expect(second.stdout).not.toContain("Uploading");
    await retag(registry, "busybox:other", "busybox:exits");
    const third = await command(platform, "deploy", "--service", "moved", "--image", `${registry.host}/busybox:other`);
    expect(third.stdout).toContain("Deploying app");
    expect(third.stdout).not.toContain("Uploading");
    const events = [...(await eventsOf(platform, "moved-00002")), ...(await eventsOf(platform, "moved-00003"))];
    expect(events.map(({ reason }) => reason)).not.toContain("Pulling");
  });
});

describe.concurrent("an image that can't be had", () => {
  test("is not in its registry", async ({ expect }) => {
    const image = `${registry.host}/app:no-such-tag`;
    const result = await failsToDeploy(platform, {
      service: "no-image",
      image,
      reason: "ContainerMissing",
      message: new RegExp(
        `^Unable to fetch image "${image}": .*manifest unknown.* \\(asked http://${registry.host}/v2/app/manifests/no-such-tag anonymously\\)$`,
      ),
    });
    expect(result.stderr).toContain("Service [no-image] serves nothing yet. Mend it and deploy again.");
    // It is asked for again by itself: once it is there, the service comes up.
    await retag(registry, "app:no-such-tag", "busybox:1");
    expect((await serves(platform, "no-image")).text).toBe("Hello from busybox\n");
    await hasCondition(platform, "revisions/no-image-00001", { type: "Ready", status: "True" });
    await hasCondition(platform, "routes/no-image", { type: "Ready", status: "True" });
  });

  test("is in a registry that is down", async () => {
    const down = await startRegistry();
    const host = down.host;
    await down.close();
    const image = `${host}/busybox:1`;
    await failsToDeploy(platform, {
      service: "down",
      image,
      reason: "ContainerMissing",
      message: new RegExp(
        `^Unable to fetch image "${image}": .*connect: connection refused \\(asked https?://${host}/v2/ anonymously\\)$`,
      ),
    });
  });

  test("is one that the registry gives to others only, until the right credentials are there", async ({ expect }) => {
    const image = `${locked.host}/busybox:1`;
    const credentials = ["--docker-username", user.username, "--docker-password", "wrong-password"];
    const server = ["--docker-server", locked.host];
    const wrong = await command(platform, "secrets", "create", "pull-wrong", ...server, ...credentials);
    expect(wrong.code, wrong.stderr).toBe(0);
    const result = await failsToDeploy(platform, {
      service: "locked",
      image,
      args: ["--pull-secret", "pull-wrong"],
      reason: "ContainerMissing",
      message: new RegExp(
        `^Unable to fetch image "${image}": .*(authentication required|unauthorized).* \\(asked http://${locked.host}/v2/.* as user "ann"\\)$`,
      ),
    });
    expect(result.stdout + result.stderr).not.toContain("wrong-password");
    const told = JSON.stringify([await eventsOf(platform, "locked-00001")]);
    expect(told).not.toContain("wrong-password");

    // The right one besides the wrong one: both are tried.
    const right = ["--docker-username", user.username, "--docker-password", user.password];
    expect((await command(platform, "secrets", "create", "pull-right", ...server, ...right)).code).toBe(0);
    await deploy(platform, "locked", image, "--pull-secret", "pull-right");
    expect((await serves(platform, "locked")).text).toBe("Hello from busybox\n");
  });

  test("is one that the registry gives to others only, until its pull secret is mended", async ({ expect }) => {
    const image = `${locked.host}/busybox:1`;
    const server = ["--docker-server", locked.host];
    const credentials = ["--docker-username", "bob", "--docker-password", "wrong-password"];
    expect((await command(platform, "secrets", "create", "pull-mend", ...server, ...credentials)).code).toBe(0);
    await failsToDeploy(platform, {
      service: "mended",
      image,
      args: ["--pull-secret", "pull-mend"],
      reason: "ContainerMissing",
      message: new RegExp(`^Unable to fetch image "${image}": .* as user "bob"\\)$`),
    });
    // A mended Secret is enough: the Revision names it already, and needs no deploy.
    const data = {
      ".dockerconfigjson": Buffer.from(
        JSON.stringify({ auths: { [locked.host]: { username: user.username, password: user.password } } }),
      ).toString("base64"),
    };
    const answer = await platform.call("PATCH", `${coreApi}/secrets/pull-mend`, JSON.stringify({ data }), {
      "content-type": "application/merge-patch+json",
    });
    expect(answer.status, answer.text).toBe(200);
    expect((await serves(platform, "mended")).text).toBe("Hello from busybox\n");
  });

  test("is one that nobody gave credentials for", async () => {
    const image = `${locked.host}/app:2`;
    await failsToDeploy(platform, {
      service: "anonymous",
      image,
      reason: "ContainerMissing",
      message: new RegExp(
        `^Unable to fetch image "${image}": .*(authentication required|unauthorized).* anonymously\\)$`,
      ),
    });
  });

  test("is behind a certificate that this machine doesn't trust", async () => {
    const netns = network.netns.split("/").at(-1) ?? "";
    const secure = await startRegistry({ netns, address: "198.18.9.2:5443", tls: true });
    try {
      const image = `${secure.host}/busybox:1`;
      await failsToDeploy(platform, {
        service: "untrusted",
        image,
        reason: "ContainerMissing",
        message: `Unable to fetch image "${image}": pinging container registry ${secure.host}: Get "https://${secure.host}/v2/": x509: certificate signed by unknown authority (asked https://${secure.host}/v2/ anonymously)`,
      });
    } finally {
      await secure.close();
    }
  });

  test("says so at once to requests that come before and while it is tried", async ({ expect }) => {
    const image = `${registry.host}/app:not-there`;
    await post(platform, `${elafrosApi}/configurations`, {
      apiVersion: "elafros.dev/v1alpha1",
      kind: "Configuration",
      metadata: { name: "eager" },
      spec: { revisionTemplate: { spec: { container: { image } } } },
    });
    await post(platform, `${elafrosApi}/routes`, {
      apiVersion: "elafros.dev/v1alpha1",
      kind: "Route",
      metadata: { name: "eager" },
      spec: { rollout: { traffic: [{ configurationName: "eager", name: "only", percent: 100 }] } },
    });
    await refuses(platform, hostOf("eager"), { status: 503, reason: "ContainerMissing", sentence: problemSentence });
    const before = Date.now();
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () =>
        platform.ask(`only.${hostOf("eager")}`, "/", { headers: { accept: "application/json" } }),
      ),
    );
    // Queued requests would wait for the Revision's timeoutSeconds, 300.
    expect(Date.now() - before).toBeLessThan(30_000);
    for (const { status, headers, text } of answers) {
      expect([status, headers["elafros-reason"]]).toEqual([503, "ContainerMissing"]);
      expect(JSON.parse(text)).toEqual({
        status: 503,
        reason: "ContainerMissing",
        message: problemSentence,
        requestId: headers["x-request-id"],
      });
    }
  });
});
