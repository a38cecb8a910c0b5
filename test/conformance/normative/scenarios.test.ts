/**
 * Scenarios 1 to 3 of the normative examples against the real platform with real containers: every request as it stands there (method,
 * path, YAML body, no content type), every answer compared field by field. Scenario 2 comes first: it makes what scenario 1 presupposes.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeImages, type SampleImage } from "../../support/images.ts";
import { eventually, startPlatform, type TestPlatform } from "../../support/platform.ts";
import { startRegistry, type TestRegistry } from "../../support/registry.ts";
import { api, first, second, third } from "./examples.ts";
import { type Bindings, compare, fill } from "./transcript.ts";

const domain = "mydomain.com";
const host = `my-service.default.${domain}`;
let registry: TestRegistry;
let images: Record<SampleImage, string>;
let platform: TestPlatform;
/** The generated names. */
const names = { abc: "my-service-00001", def: "my-service-00002", ghi: "my-service-00003" };

beforeAll(async () => {
  registry = await startRegistry();
  images = await makeImages(registry);
  platform = await startPlatform(["--domain", domain]);
});

afterAll(async () => {
  await platform?.purge();
  await registry?.close();
});

/** Sends an example's document as the examples do. */
async function send(method: string, path: string, [document, bindings]: [string, Bindings]): Promise<void> {
  const answer = await platform.call(method, `${api}/${path}`, fill(document, bindings));
  expect(answer.status, answer.text).toBe(method === "POST" ? 201 : 200);
}

/** GETs until the answer is as the example shows it; the error says in what it last differed. */
async function get(path: string, [example, bindings]: [string, Bindings]): Promise<unknown> {
  let faults: string[] = [];
  return eventually(`GET ${path} answers as the example shows`, async () => {
    const answer = await platform.json("GET", `${api}/${path}`);
    faults = compare(answer, example, bindings);
    if (faults.length === 0) return answer;
    throw new Error(`${faults.join("; ")} in ${JSON.stringify(answer)}`);
  });
}

/** Which image's app answers at a host, and with which environment. */
async function served(where = host): Promise<{ version: string; foo: string | undefined; hello: string | undefined }> {
  const answer = await platform.ask(where, "/info");
  expect(answer.status, answer.text).toBe(200);
  const { version, env } = JSON.parse(answer.text) as { version: string; env: Record<string, string> };
  return { version, foo: env["FOO"], hello: env["HELLO"] };
}

/** Whether any of the objects is as the example shows. */
function anyMatches(seen: readonly unknown[], example: string, bindings: Bindings): boolean {
  return seen.some((object) => compare(object, example, bindings).length === 0);
}

async function remove(): Promise<void> {
  for (const path of ["routes/my-service", "configurations/my-service"]) {
    await platform.call("DELETE", `${api}/${path}`);
    await eventually(`${path} is gone`, async () => (await platform.call("GET", `${api}/${path}`)).status === 404);
  }
  await eventually("its Revisions are gone", async () => {
    const { items } = (await platform.json("GET", `${api}/revisions`)) as { items: unknown[] };
    return items.length === 0;
  });
}

describe("2) Creating Route and deploying first Revision", () => {
  test("as the requests and answers stand there, Route first", async () => {
    const bindings = { ...names, "gcr.io/...": images["app:1"], "my-service.default.mydomain.com": host };
    const revisions = await platform.watch(`${api}/revisions`);
    const configurations = await platform.watch(`${api}/configurations`);
    await send("POST", "routes", [second.postRoute, bindings]);
    await send("POST", "configurations", [second.postConfiguration, bindings]);
    await get("configurations/my-service", [second.configurationReady, bindings]);
    await get("routes/my-service", [second.route, bindings]);
    expect(await served()).toEqual({ version: "1", foo: "bar", hello: "world" });
    // What lies between is too short to be sure to GET it: a watch has seen every state.
    expect(anyMatches(revisions.seen, second.revisionStarting, bindings)).toBe(true);
    expect(anyMatches(configurations.seen, second.configurationCreated, bindings)).toBe(true);
    revisions.stop();
    configurations.stop();
  });
});

describe("1) Automatic rollout of a new Revision", () => {
  test("as the requests and answers stand there", async () => {
    // "same config as previous revision": the example's has HELLO=blurg.
    const before = { ...names, "gcr.io/...": images["app:1"], world: "blurg" };
    await remove();
    await send("POST", "routes", [second.postRoute, before]);
    await send("POST", "configurations", [second.postConfiguration, before]);
    await get("routes/my-service", [second.route, before]);
    const bindings = { ...before, "gcr.io/...": images["app:2"] };
    const configurations = await platform.watch(`${api}/configurations`);
    await send("PATCH", "configurations/my-service", [first.patchConfiguration, bindings]);
    await get("revisions/my-service-00002", [first.revision, bindings]);
    await get("routes/my-service", [first.routeShifted, bindings]);
    expect(await served()).toEqual({ version: "2", foo: "bar", hello: "blurg" });
    expect(anyMatches(configurations.seen, first.configuration, bindings)).toBe(true);
    configurations.stop();
  });

  test("with a duration, the traffic shifts through 75/25", async () => {
    const bindings: Bindings = { ...names, "my-service.namespace.mydomain.com": host, abc: names.def, def: names.ghi };
    const routes = await platform.watch(`${api}/routes`);
    await send("PATCH", "routes/my-service", ["spec: {rollout: {duration: 4s}}", {}]);
    await send("PATCH", "configurations/my-service", [first.patchConfiguration, { "gcr.io/...": images["app:3"] }]);
    await get("routes/my-service", [first.routeShifted, bindings]);
    expect(anyMatches(routes.seen, first.routeShifting, bindings)).toBe(true);
    expect((await served()).version).toBe("3");
    routes.stop();
  });
});

describe("3) Manual rollout of a new Revision", () => {
  test("as the requests and answers stand there", async () => {
    await remove();
    const bindings = { ...names, "gcr.io/...": images["app:1"] };
    await send("POST", "configurations", [second.postConfiguration, bindings]);
    await send("POST", "routes", [second.postRoute, bindings]);
    await get("routes/my-service", [second.route, bindings]);
    const image = { ...bindings, "gcr.io/...": images["app:2"] };
    await send("PATCH", "configurations/my-service", [first.patchConfiguration, image]);
    await get("routes/my-service", [first.routeShifted, image]);

    await send("PATCH", "routes/my-service", [third.pin, image]);
    await send("PATCH", "configurations/my-service", [third.patchEnv, image]);
    await get("revisions/my-service-00003", [third.revision, image]);
    // "the new revision does not automatically start serving traffic"
    expect(await served()).toEqual({ version: "2", foo: "bar", hello: "world" });

    await send("PATCH", "routes/my-service", [third.address, image]);
    await get("routes/my-service", [third.addressed, image]);
    expect((await served(`next.${host}`)).hello).toBe("blurg");
    expect((await served(`current.${host}`)).hello).toBe("world");
    expect((await served()).hello).toBe("world");

    await send("PATCH", "routes/my-service", [third.shift, image]);
    await get("routes/my-service", [third.shifted, image]);
    expect((await served()).hello).toBe("blurg");

    await send("PATCH", "routes/my-service", [third.finish, image]);
    await eventually("current and next are the new Revision", async () => {
      const { status } = (await platform.json("GET", `${api}/routes/my-service`)) as { status: { traffic: object[] } };
      const expected = [
        { revisionName: names.ghi, name: "current", percent: 100 },
        { revisionName: names.ghi, name: "next", percent: 0 },
      ];
      return JSON.stringify(status.traffic.map(sorted)) === JSON.stringify(expected.map(sorted));
    });
    expect((await served(`current.${host}`)).hello).toBe("blurg");
  });
});

describe("the two orders of creating", () => {
  test("Configuration first, and both at once, come to the same", async () => {
    const bindings = { ...names, "gcr.io/...": images["app:1"] };
    const route = () => send("POST", "routes", [second.postRoute, bindings]);
    const configuration = () => send("POST", "configurations", [second.postConfiguration, bindings]);
    for (const create of [() => configuration().then(route), () => Promise.all([route(), configuration()])]) {
      await remove();
      await create();
      await get("configurations/my-service", [second.configurationReady, bindings]);
      await get("routes/my-service", [second.route, bindings]);
      expect((await served()).version).toBe("1");
    }
  });
});

function sorted(object: object): object {
  return Object.fromEntries(Object.entries(object).toSorted(([a], [b]) => a.localeCompare(b)));
}
