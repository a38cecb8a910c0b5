/** On a whole platform: requests that go by a header, clients that stay, and a bad Revision whose traffic is taken back under load. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { startLoad } from "../support/load.ts";
import { eventually, type TestPlatform } from "../support/platform.ts";
import {
  answers,
  expectOk,
  hostOf,
  jsonBody,
  mergePatch,
  pathOf,
  type RouteSeen,
  routeBody,
  served,
  type Stage,
  startStage,
} from "../support/stage.ts";

const name = "ruled";
const host = hostOf(name);
const [first, second] = ["ruled-00001", "ruled-00002"];
/** Answers 200 where the Revision has its settings, else 500: the second one has forgotten them. */
const path = "/dir?path=/settings";
let stage: Stage;
let platform: TestPlatform;

const spec = (image: string, mounted: boolean) => ({
  revisionTemplate: {
    spec: {
      container: { image, volumeMounts: mounted ? [{ name: "settings", mountPath: "/settings" }] : [] },
      volumes: mounted ? [{ name: "settings", configMap: { name: "settings" } }] : [],
    },
  },
});

beforeAll(async () => {
  stage = await startStage();
  ({ platform } = stage);
  const { images } = stage;
  const settings = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings" }, data: { a: "b" } };
  expectOk(await platform.call("POST", "/api/v1/namespaces/default/configmaps", JSON.stringify(settings), jsonBody));
  const configuration = {
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Configuration",
    metadata: { name },
    spec: spec(images["app:1"], true),
  };
  expectOk(await platform.call("POST", pathOf("configurations"), JSON.stringify(configuration), jsonBody));
  const traffic = [{ revisionName: first, percent: 100 }];
  expectOk(await platform.call("POST", pathOf("routes"), routeBody(name, traffic), jsonBody));
  await answers(platform, name);
  const body = JSON.stringify({ spec: spec(images["app:2"], false) });
  expectOk(await platform.call("PATCH", pathOf("configurations", name), body, mergePatch));
});

afterAll(async () => stage?.close());

/** Changes `spec.rollout`, and waits until every gateway serves the split. */
async function rollout(percent: number, more: object): Promise<void> {
  const traffic = [
    { revisionName: first, name: "current", percent: 100 - percent },
    { revisionName: second, name: "next", percent, match: [{ header: { name: "X-Group", exact: "beta" } }] },
  ];
  const body = JSON.stringify({ spec: { rollout: { traffic, ...more } } });
  expectOk(await platform.call("PATCH", pathOf("routes", name), body, mergePatch));
  await served(platform, name, { [first]: 100 - percent, ...(percent === 0 ? {} : { [second]: percent }) });
}

async function versionFor(headers: Record<string, string>): Promise<string> {
  const answer = await platform.ask(host, "/", { headers });
  expect(answer.status).toBe(200);
  return String(answer.headers["x-version"]);
}

const route = async (): Promise<RouteSeen> => (await platform.json("GET", pathOf("routes", name))) as RouteSeen;

async function trips(): Promise<{ reason: string; count: number; message: string }[]> {
  const events = (await platform.json("GET", "/api/v1/namespaces/default/events")) as {
    items: { reason: string; count: number; message: string }[];
  };
  return events.items.filter(({ reason }) => reason === "GuardTripped");
}

test("requests go by a header, and clients stay with their Revision when the split changes", async () => {
  await rollout(0, { affinity: { header: { name: "X-User" } } });
  expect(await versionFor({ "X-Group": "beta" })).toBe("2");
  expect(await versionFor({ "X-Group": "gamma", "X-User": "ann" })).toBe("1");

  const users = Array.from({ length: 60 }, (_, i) => `user-${i}`);
  const versions = async () => Promise.all(users.map(async (user) => versionFor({ "X-User": user })));
  await rollout(30, {});
  const before = await versions();
  expect(await versions()).toEqual(before);
  expect(new Set(before)).toEqual(new Set(["1", "2"]));
  await rollout(50, {});
  const after = await versions();
  // Who was with the second stays there; some come to it.
  expect(users.filter((_, i) => before[i] === "2" && after[i] !== "2")).toEqual([]);
  expect(users.some((_, i) => before[i] === "1" && after[i] === "2")).toBe(true);

  await rollout(10, { affinity: { header: null, cookie: { name: "client", ttl: "1h" } } });
  const split = await Promise.all(Array.from({ length: 100 }, async () => platform.ask(host)));
  expect(split.filter(({ headers }) => headers["x-version"] === "2")).toHaveLength(10);
  for (const { headers } of split.filter((_, i) => i % 10 === 0)) {
    const cookie = headers["set-cookie"]?.[0]?.split(";", 1)[0] ?? "";
    expect(await versionFor({ cookie })).toBe(headers["x-version"]);
  }
});

test("a Revision that fails is taken back by the guard under load, once, also when control is killed", async () => {
  await rollout(0, { affinity: null });
  const load = startLoad({ port: platform.httpPort, host, path, perSecond: 100, atMostMs: 90_000 });
  const next = ["rollout", "next", "percent", "20", "--service", name];
  // The guard may act before a wait for the split would have begun.
  const started = await platform.elafros([...next, "--guard-errors", "5", "--guard-p95", "60000", "--no-wait"]);
  expect(started).toMatchObject({ code: 0 });
  const message = await eventually("the guard has tripped", async () => {
    const found = (await route()).status?.conditions?.find(({ type }) => type === "RolloutComplete");
    return found?.reason === "GuardTripped" ? found.message : undefined;
  });
  const [, all = "", failed = ""] =
    /^Revision "ruled-00002" did worse .* of (\d+) requests in \d+ s, (\d+) \(100%\) ended with a status of 500 or more, where errorPercent is 5\. Its traffic goes to "ruled-00001"/.exec(
      message,
    ) ?? [];
  expect(Number(all)).toBeGreaterThanOrEqual(20);
  expect(failed).toBe(all);
  const back = [
    { revisionName: first, name: "current", percent: 80 },
    { revisionName: first, percent: 20 },
    { revisionName: second, name: "next", percent: 0 },
  ];
  await eventually(
    "traffic is back",
    async () => JSON.stringify((await route()).status?.traffic) === JSON.stringify(back),
  );
  const { answers: good, failures } = await load.stop();
  expect(failures.length).toBeGreaterThanOrEqual(Number(all));
  for (const failure of failures) expect(failure).toMatch(/: 500 /);
  expect(good.filter(({ version }) => version !== "1")).toEqual([]);

  await eventually("an Event tells of it", async () => (await trips()).length > 0);

  const later = startLoad({ port: platform.httpPort, host, path, perSecond: 100, atMostMs: 90_000 });
  const control = await platform.pid("control");
  process.kill(control, "SIGKILL");
  await eventually("control is back", async () => (await platform.pid("control")) !== control && (await route()));
  const answered = later.answered();
  await eventually("many more were answered", async () => later.answered() >= answered + 200);
  expect((await later.stop()).failures).toEqual([]);

  const status = await platform.elafros(["rollout", "status", "--service", name]);
  expect(status.stdout).toContain(`Rollout: taken back (GuardTripped: ${message})`);
  expect(status.stdout).toContain("Match: X-Group: beta → next");
  expect(status.stdout).toMatch(
    /Guard: errors over 5% or p95 over 60000 ms within 1m; took traffic back from ruled-00002 to ruled-00001 at/,
  );
  // Matching requests are no longer let to it either, and its own address still is.
  expect(await versionFor({ "X-Group": "beta" })).toBe("1");
  expect((await platform.ask(`next.${host}`)).headers["x-version"]).toBe("2");
  expect(await trips()).toMatchObject([{ count: 1, message }]);

  expect(await platform.elafros([...next, "--no-guard"])).toMatchObject({ code: 0 });
  await served(platform, name, { [first]: 80, [second]: 20 });
});
