/** Instances follow the load, down to none and back, and no request is lost on the way. */
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { kill } from "../support/disturb.ts";
import { startLoad } from "../support/load.ts";
import { eventually } from "../support/platform.ts";
import { conditionOf, createScaled, hasInstances, isAtZero, quick, revisionOf } from "../support/scaled.ts";
import { expectOk, hostOf, jsonBody, mergePatch, pathOf, type Stage, startStage } from "../support/stage.ts";

let stage: Stage;

beforeAll(async () => {
  stage = await startStage();
});

afterAll(async () => stage?.close());

/** Sends requests on one connection, all before the first is answered; gives the bodies' first lines in the order of the answers. */
function pipelined(host: string, paths: readonly string[]): Promise<number[]> {
  return new Promise((done, reject) => {
    const socket = connect(stage.platform.httpPort, "127.0.0.1");
    let got = "";
    socket.setEncoding("utf8");
    socket.on("error", reject);
    socket.on("data", (piece: string) => {
      got += piece;
      const found = [...got.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => Number(match[1]));
      if (found.length < paths.length) return;
      socket.destroy();
      done(found);
    });
    socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`).join(""));
  });
}

// Each waits for windows most of the time.
describe.concurrent("services beside each other", () => {
  test("a service goes to none after its window, says so, and is there again with the next request", async () => {
    const { platform, images } = stage;
    await createScaled(platform, { name: "sleepy", image: images["app:1"] });
    const revision = "sleepy-00001";
    // It answers before its status says so.
    await hasInstances(platform, revision, 1);
    expect(await conditionOf(platform, revision, "Active")).toEqual(["True", ""]);
    for (let cycle = 0; cycle < 2; cycle++) {
      await isAtZero(platform, revision);
      expect(await conditionOf(platform, revision, "Active")).toEqual(["False", "NoTraffic"]);
      expect(await conditionOf(platform, revision, "Ready")).toEqual(["True", ""]);
      const began = performance.now();
      const { status, text } = await platform.ask(hostOf("sleepy"));
      expect([status, text]).toEqual([200, "Hello World from 1\n"]);
      process.stderr.write(`from zero in ${Math.round(performance.now() - began)} ms\n`);
      await hasInstances(platform, revision, 1);
    }
    const steps = (await revisionOf(platform, revision)).status.scaling ?? [];
    expect(steps.slice(-2).map(({ from, to, message }) => [from, to, message])).toEqual([
      [1, 0, "No requests for 6 s"],
      [0, 1, "A request waits and no instance runs"],
    ]);
    const { stdout } = await platform.elafros(["revisions", "describe", revision]);
    expect(stdout).toMatch(/Scaling:\n(?:.*\n)*? .*1 → 0 +No requests for 6 s\n/);
    expect(stdout).toContain("Scaled from 0 to 1: A request waits and no instance runs");
  });

  test("50 requests that wait for the first instance are served, one at a time and in their order", async () => {
    const { platform, images } = stage;
    const settings = { ...quick, "max-scale": "1" };
    const spec = { concurrencyModel: "SingleThreaded" };
    await createScaled(platform, { name: "single", image: images["app:1"], settings, spec });
    await isAtZero(platform, "single-00001");
    const paths = Array.from({ length: 25 }, (_, index) => `/log?ms=2&line=number-${index}-`);
    const others = Array.from({ length: 25 }, () => platform.ask(hostOf("single"), "/?ms=2"));
    const statuses = await pipelined(hostOf("single"), paths);
    expect(statuses).toEqual(paths.map(() => 200));
    expect((await Promise.all(others)).map(({ status }) => status)).toEqual(others.map(() => 200));
    const { most } = JSON.parse((await platform.ask(hostOf("single"), "/concurrency")).text) as { most: number };
    expect(most).toBe(1);
    const { stdout } = await platform.elafros(["logs", "--service", "single"]);
    const order = [...stdout.matchAll(/number-(\d+)-/g)].map((match) => Number(match[1]));
    expect(order).toEqual(paths.map((_, index) => index));
  });

  test("a start that fails answers those who wait at once with its reason, and the next request tries anew", async () => {
    const { platform, images } = stage;
    const map = (data: object) =>
      JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "fate" }, data });
    expectOk(await platform.call("POST", "/api/v1/namespaces/default/configmaps", map({ none: "" }), jsonBody));
    const env = [
      { name: "EXIT_AT_START", valueFrom: { configMapKeyRef: { name: "fate", key: "code", optional: true } } },
      { name: "START_DELAY_MS", value: "300" },
    ];
    await createScaled(platform, { name: "doomed", image: images["app:1"], env });
    await isAtZero(platform, "doomed-00001");
    const path = "/api/v1/namespaces/default/configmaps/fate";
    expectOk(await platform.call("PATCH", path, JSON.stringify({ data: { code: "3" } }), mergePatch));
    await sleep(500);
    const began = performance.now();
    const waiting = await Promise.all(Array.from({ length: 10 }, () => platform.ask(hostOf("doomed"))));
    expect(waiting.map(({ status, headers }) => [status, headers["elafros-reason"]])).toEqual(
      waiting.map(() => [503, "ExitCode3"]),
    );
    // They might wait for five minutes.
    expect(performance.now() - began).toBeLessThan(60_000);
    await eventually("the failure shows", async () => {
      const [status, reason] = await conditionOf(platform, "doomed-00001", "ContainerHealthy");
      return status === "False" && reason === "ExitCode3";
    });
    // Put right, it serves again.
    expectOk(await platform.call("PATCH", path, JSON.stringify({ data: { code: null } }), mergePatch));
    await eventually("it answers again", async () => (await platform.ask(hostOf("doomed"))).status === 200, {
      timeoutMs: 60_000,
    });
  });

  test("a request whose client gives up while it waits never reaches the app", async () => {
    const { platform, images } = stage;
    const env = [{ name: "START_DELAY_MS", value: "1500" }];
    await createScaled(platform, { name: "slow", image: images["app:1"], env });
    await isAtZero(platform, "slow-00001");
    const signal = AbortSignal.timeout(300);
    const gone = Array.from({ length: 5 }, () => platform.ask(hostOf("slow"), "/", { signal }).catch(() => "gone"));
    const stays = platform.ask(hostOf("slow"), "/info");
    expect(await Promise.all(gone)).toEqual(["gone", "gone", "gone", "gone", "gone"]);
    expect(JSON.parse((await stays).text)).toMatchObject({ served: 0 });
  });

  test("with idle freeze the last instance stands still, and the next request finds it as it was", async () => {
    const { platform, images } = stage;
    const settings = { ...quick, idle: "freeze" };
    await createScaled(platform, { name: "frosty", image: images["app:1"], settings });
    const revision = "frosty-00001";
    const info = async () =>
      JSON.parse((await platform.ask(hostOf("frosty"), "/info")).text) as { hostname: string; served: number };
    const before = await info();
    for (let cycle = 0; cycle < 2; cycle++) {
      await hasInstances(platform, revision, 0);
      await eventually("it is frozen", async () => (await conditionOf(platform, revision, "Active"))[1] === "Frozen");
      const began = performance.now();
      const after = await info();
      process.stderr.write(`from frozen in ${Math.round(performance.now() - began)} ms\n`);
      expect([after.hostname, after.served]).toEqual([before.hostname, before.served + 1 + cycle]);
      await hasInstances(platform, revision, 1);
    }
    // Frozen, it is no obstacle to its Revision's end.
    await eventually("it is frozen", async () => (await conditionOf(platform, revision, "Active"))[1] === "Frozen");
    expectOk(await platform.call("DELETE", pathOf("routes", "frosty")));
    await isAtZero(platform, revision);
  });

  test("min-scale holds while a Route leads to the Revision, and not without", async () => {
    const { platform, images } = stage;
    await createScaled(platform, { name: "kept", image: images["app:1"], settings: { ...quick, "min-scale": "2" } });
    await hasInstances(platform, "kept-00001", 2);
    const patch = JSON.stringify({ spec: { revisionTemplate: { spec: { timeoutSeconds: 30 } } } });
    expectOk(await platform.call("PATCH", pathOf("configurations", "kept"), patch, mergePatch));
    await isAtZero(platform, "kept-00001");
    await hasInstances(platform, "kept-00002", 2);
  });
});

test("from 1 to 5 and back to 1 under load, without a failed request", async () => {
  const { platform, images } = stage;
  // 14 at once, an instance should have 2.8: five.
  const settings = { ...quick, target: "4", "min-scale": "1", "max-scale": "5" };
  await createScaled(platform, { name: "wide", image: images["app:1"], settings });
  const load = { port: platform.httpPort, host: hostOf("wide"), path: "/?ms=140" };
  const trickle = startLoad({ ...load, perSecond: 5 });
  const flood = startLoad({ ...load, perSecond: 95 });
  await hasInstances(platform, "wide-00001", 5);
  const heavy = await flood.stop();
  await hasInstances(platform, "wide-00001", 1);
  const light = await trickle.stop();
  expect([...heavy.failures, ...light.failures]).toEqual([]);
  expect(light.answers.length).toBeGreaterThan(30);
  const steps = (await revisionOf(platform, "wide-00001")).status.scaling ?? [];
  expect(steps.at(0)?.message).toMatch(/requests at once on average over/);
});

test("a new control takes no instance away before it has seen the load, and those who waited meanwhile are served", async () => {
  const { platform, images } = stage;
  const settings = { window: "20s", "scale-to-zero-retention": "0s" };
  await createScaled(platform, { name: "awake", image: images["app:1"], settings });
  const served = async () =>
    (JSON.parse((await platform.ask(hostOf("awake"), "/info")).text) as { served: number }).served;
  const first = await served();
  await createScaled(platform, { name: "dozy", image: images["app:1"] });
  await isAtZero(platform, "dozy-00001");
  await kill(stage, "control");
  // Nobody can start an instance now.
  const answer = await platform.ask(hostOf("dozy"));
  expect(answer.status).toBe(200);
  // The same process as before.
  expect(await served()).toBeGreaterThan(first);
  // Once it has, it scales down as ever.
  await isAtZero(platform, "awake-00001");
});
