/** What requests get where a host, a Revision, time or room is missing, and what happens to Routes then: on the real platform. */
import { once } from "node:events";
import http from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  command,
  deploy,
  elafrosApi,
  expectPlainAnswer,
  hasCondition,
  hasEvent,
  hostOf,
  makeService,
  patch,
  problemSentence,
  read,
  refuses,
  serves,
} from "../support/failures.ts";
import { imageCache, makeImages, type SampleImage } from "../support/images.ts";
import { type Answer, eventually, startPlatform, type TestPlatform } from "../support/platform.ts";
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

const unknownHost = { status: 404, reason: "HostUnknown", sentence: "No service has this host name." };
const split = (traffic: object[]) => ({ spec: { rollout: { traffic } } });

describe("a host that nobody has", () => {
  test("is 404 with a sentence, the reason and the request's id, as text and as JSON", async () => {
    expectPlainAnswer(await platform.ask("no-such.default.localhost"), unknownHost);
    expectPlainAnswer(await platform.ask("other.example.com"), unknownHost);
    const json = await platform.ask("no-such.default.localhost", "/", { headers: { accept: "application/json" } });
    expect(json.headers["content-type"]).toBe("application/json");
    expect(JSON.parse(json.text)).toEqual({
      status: 404,
      reason: "HostUnknown",
      message: unknownHost.sentence,
      requestId: json.headers["x-request-id"],
    });
  });

  test("is 404 again once the Route is deleted", async () => {
    await makeService(platform, "going", { container: { image: images["busybox:1"] } });
    await serves(platform, "going");
    await platform.call("DELETE", `${elafrosApi}/routes/going`);
    await refuses(platform, hostOf("going"), unknownHost);
  });
});

describe("a split to what isn't there", () => {
  test("a missing Revision: the last good split goes on, and the Route says which is missing", async () => {
    await deploy(platform, "split", images["app:1"]);
    const change = split([
      { revisionName: "split-00001", percent: 50 },
      { revisionName: "split-00099", percent: 50 },
    ]);
    expect((await patch(platform, `${elafrosApi}/routes/split`, change)).status).toBe(200);
    const message = 'Revision "split-00099" referenced in rollout.traffic not found';
    const missing = { status: "False", reason: "RevisionMissing", message };
    await hasCondition(platform, "routes/split", { type: "AllTrafficAssigned", ...missing });
    await hasCondition(platform, "routes/split", { type: "RolloutComplete", ...missing });
    await hasCondition(platform, "routes/split", { type: "Ready", ...missing });
    await hasEvent(platform, "split", { reason: "RevisionMissing", message });
    const { status } = await read(platform, "routes/split");
    expect(status?.traffic).toEqual([{ revisionName: "split-00001", percent: 100 }]);
    for (let i = 0; i < 20; i += 1) {
      const answer = await platform.ask(hostOf("split"));
      expect([answer.status, answer.text]).toEqual([200, "Hello World from 1\n"]);
    }
    for (const args of [
      ["services", "describe", "split"],
      ["routes", "describe", "split"],
    ]) {
      expect((await command(platform, ...args)).stdout).toContain(message);
    }
  });

  test("a missing Configuration, in a Route that never served: 503 until it is there", async () => {
    const route = {
      apiVersion: "elafros.dev/v1alpha1",
      kind: "Route",
      metadata: { name: "early" },
      ...split([{ configurationName: "early", percent: 100 }]),
    };
    const made = await platform.call("POST", `${elafrosApi}/routes`, JSON.stringify(route));
    expect(made.status).toBe(201);
    const message = 'Configuration "early" referenced in rollout.traffic not found';
    const missing = { status: "False", reason: "ConfigurationMissing", message };
    await hasCondition(platform, "routes/early", { type: "AllTrafficAssigned", ...missing });
    await hasEvent(platform, "early", { reason: "ConfigurationMissing", message });
    await refuses(platform, hostOf("early"), {
      status: 503,
      reason: "RouteNotReady",
      sentence: "The service has no revision that takes traffic yet.",
    });
  });
});

describe("a service that fails, and one whose image can't be had, while control is killed", () => {
  test("each is refused with its reason throughout", async () => {
    await makeService(platform, "fails", { container: { image: images["app:exits"] } });
    await makeService(platform, "lacks", { container: { image: `${registry.host}/app:not-there` } });
    const wanted = { fails: "ExitCode1", lacks: "ContainerMissing" } as const;
    for (const [name, reason] of Object.entries(wanted)) {
      await refuses(platform, hostOf(name), { status: 503, reason, sentence: problemSentence });
    }
    const before = await platform.pid("control");
    process.kill(before, "SIGKILL");
    const seen = { fails: new Set<unknown>(), lacks: new Set<unknown>() };
    const look = async () => {
      for (const name of ["fails", "lacks"] as const) {
        const { status, headers } = await platform.ask(hostOf(name));
        seen[name].add(`${status} ${String(headers["elafros-reason"])}`);
      }
    };
    await eventually("another control answers", async () => {
      await look();
      const up = await platform.call("GET", "/readyz").catch(() => undefined);
      return up?.status === 200 && (await platform.pid("control")) !== before;
    });
    // It has published its first table by then; a few more requests for each thread of the gateway.
    for (let i = 0; i < 20; i += 1) await look();
    expect(Object.fromEntries(Object.entries(seen).map(([name, all]) => [name, [...all]]))).toEqual({
      fails: ["503 ExitCode1"],
      lacks: ["503 ContainerMissing"],
    });
  });
});

describe("a Revision that is deleted while a Route leads to it", () => {
  test("serves on, says so, and goes when no Route leads to it any more", async () => {
    await deploy(platform, "held", images["app:1"]);
    await deploy(platform, "held", images["app:2"]);
    await patch(platform, `${elafrosApi}/routes/held`, split([{ revisionName: "held-00001", percent: 100 }]));
    await eventually("the first takes all traffic", async () => {
      return (await platform.ask(hostOf("held"))).text === "Hello World from 1\n";
    });
    const deleted = await command(platform, "revisions", "delete", "held-00001");
    expect(deleted.code, deleted.stderr).toBe(0);
    expect(deleted.stderr).toBe(
      'Revision "held-00001" is still named by route "held": it serves on, and goes once no route names it\n',
    );
    await hasEvent(platform, "held-00001", { reason: "StillRouted", message: /serves on, until .* Route "held"$/ });
    const held = await read(platform, "revisions/held-00001");
    expect(held.metadata.deletionTimestamp).toBeDefined();
    expect(held.metadata.finalizers).toHaveLength(1);
    for (let i = 0; i < 20; i += 1) expect((await platform.ask(hostOf("held"))).text).toBe("Hello World from 1\n");

    await patch(platform, `${elafrosApi}/routes/held`, split([{ configurationName: "held", percent: 100 }]));
    await eventually("the Revision is gone", async () => {
      return (await platform.call("GET", `${elafrosApi}/revisions/held-00001`)).status === 404;
    });
    expect((await platform.ask(hostOf("held"))).text).toBe("Hello World from 2\n");
  });
});

describe("requests that can't be served in time", () => {
  test("an app that doesn't begin to answer: 504 after timeoutSeconds; one that has begun goes on", async () => {
    await makeService(platform, "slow", { container: { image: images["app:1"] }, timeoutSeconds: 1 });
    await serves(platform, "slow");
    const [late, stream] = await Promise.all([
      platform.ask(hostOf("slow"), "/?ms=30000"),
      platform.ask(hostOf("slow"), "/stream?count=5&every=500"),
    ]);
    const sentence = "The service did not begin to answer in time.";
    expectPlainAnswer(late, { status: 504, reason: "ResponseTimeout", sentence });
    expect([stream.status, stream.text.split("\n").length]).toEqual([200, 6]);
  });

  test("SingleThreaded gets one request at a time, whatever comes at once", async () => {
    await makeService(platform, "alone", {
      container: { image: images["app:1"] },
      concurrencyModel: "SingleThreaded",
    });
    await serves(platform, "alone");
    const answers = await Promise.all(Array.from({ length: 50 }, async () => platform.ask(hostOf("alone"), "/?ms=10")));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 50 }, () => 200));
    const most = JSON.parse((await platform.ask(hostOf("alone"), "/concurrency")).text) as object;
    expect(most).toEqual({ now: 1, most: 1 });
  });

  test("more than may wait: 503 at once, and those who wait are served", async () => {
    await makeService(platform, "full", {
      container: { image: images["app:1"] },
      concurrencyModel: "SingleThreaded",
      // Others would be started for those who wait.
      metadata: { annotations: { "autoscaling.elafros.dev/max-scale": "1" } },
    });
    await serves(platform, "full");
    // One request keeps the slot until its body ends.
    const holding = http.request(`http://127.0.0.1:${platform.httpPort}/echo`, {
      method: "POST",
      headers: { host: hostOf("full") },
    });
    const held = once(holding, "response");
    holding.write("held");
    const [answer] = (await held) as [http.IncomingMessage];
    expect(answer.statusCode).toBe(200);
    answer.resume();

    const refused: Answer[] = [];
    const served: Answer[] = [];
    const ask = async () => {
      const got = await platform.ask(hostOf("full"));
      (got.status === 200 ? served : refused).push(got);
    };
    const all = Promise.all(Array.from({ length: 1_010 }, ask));
    await expect.poll(() => refused.length).toBe(10);
    expect(served).toHaveLength(0);
    holding.end("over");
    await all;
    expect([served.length, refused.length]).toEqual([1_000, 10]);
    const sentence = "Too many requests wait for this service.";
    for (const one of refused) {
      expectPlainAnswer(one, { status: 503, reason: "Overloaded", sentence });
      expect(one.headers["retry-after"]).toBe("1");
    }
  });
});
