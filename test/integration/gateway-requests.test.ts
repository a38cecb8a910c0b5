/** `match` and `affinity` through a real gateway: on its own front, on Node's (requests with an absolute target), and in HTTP/2. */
import { once } from "node:events";
import { connect as connect2, type OutgoingHttpHeaders } from "node:http2";
import { connect } from "node:net";
import { Agent, request } from "undici";
import { afterAll, beforeAll, expect, test } from "vitest";
import { slotOf } from "../../src/gateway/choice.ts";
import type { HostEntry, RouteTable } from "../../src/routing/table.ts";
import {
  type App,
  type Bench,
  createBench,
  type FakeControl,
  revisionOf,
  startApp,
  until,
} from "../support/gateway.ts";

const host = "app.default.localhost";
const names = ["a", "b", "c"];
let bench: Bench;
let control: FakeControl;
let apps: App[] = [];
let agent: Agent;

beforeAll(async () => {
  bench = await createBench();
  agent = new Agent({ connections: 8 });
  apps = await Promise.all(
    names.map((name) =>
      startApp(name, (req, res) => {
        req.resume();
        if (req.url?.endsWith("own") === true) res.setHeader("Set-Cookie", "id=of-the-app; Path=/x");
        if (req.url?.endsWith("broken") === true)
          res.writeHead(200, { "content-length": 100 }).write("x", () => res.destroy());
        else if (req.url?.endsWith("trailers") === true)
          res
            .writeHead(200, { "transfer-encoding": "chunked" })
            .write("x", () => res.socket?.end("0\r\nno field\r\n\r\n"));
        else res.end(name);
      }),
    ),
  );
  control = await bench.control();
  await bench.start({ threads: 2 });
});

afterAll(async () => {
  await agent.close();
  await bench.close();
  for (const app of apps) await app.close();
});

const target = (revision: string, percent: number) => ({ revision: `default/${revision}`, percent });
/** `b` has the last ten hundredths. */
const slots = Array.from({ length: 100 }, (_, slot) => (slot < 90 ? 0 : 1));

async function serve(more: Partial<HostEntry>, concurrency = 0): Promise<void> {
  const revisions: RouteTable["revisions"] = {};
  for (const [i, name] of names.entries())
    revisions[`default/${name}`] = revisionOf(apps.slice(i, i + 1), { concurrency });
  const entry = { route: "default/app", targets: [target("a", 90), target("b", 10)], ...more };
  await control.settle({ hosts: { [host]: entry }, revisions });
}

async function get(headers: Record<string, string> = {}, path = "/") {
  const answer = await request(`http://127.0.0.1:${bench.port}${path}`, {
    headers: { host, ...headers },
    dispatcher: agent,
  });
  const cookie = [answer.headers["set-cookie"] ?? []].flat();
  return { status: answer.statusCode, app: await answer.body.text(), cookie };
}

/** The same on a target that only Node's server takes. Resolves with the answer's text. */
async function getByNode(lines: string[], path = "/"): Promise<string> {
  const socket = connect(bench.port, "127.0.0.1");
  const head = [`GET http://${host}${path} HTTP/1.1`, `Host: ${host}`, "Connection: close", ...lines, "", ""];
  socket.write(Buffer.from(head.join("\r\n"), "latin1"));
  let text = "";
  socket.on("data", (piece) => (text += piece.toString("latin1")));
  // An answer that breaks off may end in a reset.
  socket.on("error", () => {});
  await new Promise((closed) => socket.once("close", closed));
  return text;
}

/** One request in HTTP/2. */
async function getBy2(headers: OutgoingHttpHeaders): Promise<{ app: string; cookie: string[] }> {
  const session = connect2(`http://127.0.0.1:${bench.port}`);
  try {
    const stream = session.request({ ":path": "/", ":authority": host, ...headers });
    const [answer] = (await once(stream, "response")) as [{ "set-cookie"?: string[] }];
    let app = "";
    for await (const piece of stream) app += String(piece);
    return { app, cookie: answer["set-cookie"] ?? [] };
  } finally {
    session.destroy();
  }
}

async function counts(requests: number, headers: Record<string, string> = {}): Promise<Record<string, number>> {
  const seen: Record<string, number> = {};
  const answers = await Promise.all(Array.from({ length: requests }, async () => get(headers)));
  for (const { app } of answers) seen[app] = (seen[app] ?? 0) + 1;
  return seen;
}

test("requests that match go to their Revision on all fronts, and are not counted in the split", async () => {
  await serve({
    match: [
      { revision: "default/c", tests: [{ header: "x-group", exact: "beta" }] },
      {
        revision: "default/b",
        tests: [
          { header: "x-group", prefix: "be" },
          { cookie: "group", exact: "b" },
        ],
      },
    ],
  });
  expect((await get({ "X-Group": "beta" })).app).toBe("c");
  expect((await get({ "x-group": "better" })).app).toBe("b");
  expect((await get({ cookie: "x=1; group=b" })).app).toBe("b");
  expect(await getByNode(["x-GROUP:  beta "])).toMatch(/\r\n\r\nc$/);
  expect(await getByNode(["Cookie: x=1", "Cookie: group=b"])).toMatch(/\r\n\r\nb$/);
  expect((await getBy2({ "x-group": "beta" })).app).toBe("c");
  // Clients may take the cookies of a request apart there (RFC 9113 §8.2.3).
  expect((await getBy2({ cookie: ["x=1", "group=b"] })).app).toBe("b");
  const [split] = await Promise.all([counts(300), counts(100, { "x-group": "beta" })]);
  expect(split).toEqual({ a: 270, b: 30 });
});

test("a key's requests go to the target that has its hundredth; those without a key are split exactly under a limit", async () => {
  await serve({ affinity: { key: { header: "x-user" }, slots } }, 2);
  const users = Array.from({ length: 60 }, (_, i) => `user-${i}`);
  const expected = users.map((user) => (slotOf(user) < 90 ? "a" : "b"));
  expect(new Set(expected)).toEqual(new Set(["a", "b"]));
  for (let round = 0; round < 2; round++) {
    const answers = await Promise.all(users.map(async (user) => get({ "X-User": user })));
    expect(answers.map(({ app }) => app)).toEqual(expected);
    expect(answers.flatMap(({ cookie }) => cookie)).toEqual([]);
  }
  const [split] = await Promise.all([counts(400), ...users.map(async (user) => get({ "X-User": user }))]);
  expect(split).toEqual({ a: 360, b: 40 });
});

test("a client without a cookie gets one that keeps it where the exact split has sent it", async () => {
  await serve({ affinity: { key: { cookie: "id", maxAgeSeconds: 60 }, slots } });
  const first = await Promise.all(Array.from({ length: 100 }, async () => get()));
  expect(first.filter(({ app }) => app === "b")).toHaveLength(10);
  for (const { app, cookie } of first.filter((_, i) => i % 10 === 0).concat(first.filter((one) => one.app === "b"))) {
    expect(cookie).toHaveLength(1);
    expect(cookie[0]).toMatch(/^id=[^;]+; Path=\/; Max-Age=60; HttpOnly; SameSite=Lax$/);
    const again = await get({ cookie: cookie[0]?.split(";", 1)[0] ?? "" });
    expect([again.app, again.cookie]).toEqual([app, []]);
  }
  expect((await get({}, "/own")).cookie).toEqual(["id=of-the-app; Path=/x"]);
  expect(await getByNode([])).toMatch(/^set-cookie: id=[^;]+; Path=\/; Max-Age=60/im);
  expect((await getBy2({})).cookie).toEqual([expect.stringMatching(/^id=[^;]+; Path=\/; Max-Age=60/)]);
  expect((await getBy2({ cookie: "id=1" })).cookie).toEqual([]);
  expect(await getByNode(["Cookie: id=1"])).not.toMatch(/^set-cookie/im);
  expect((await getByNode([], "/own")).match(/^set-cookie.*/gim)).toEqual(["Set-Cookie: id=of-the-app; Path=/x"]);
});

test("what guards ask is counted on all fronts: requests, failures and answers that break off", async () => {
  await serve({ guard: { slowMs: 3_600_000 } });
  const told = control.outcomes.length;
  await Promise.all([get(), getByNode([]), getBy2({})]);
  await expect(get({}, "/broken")).rejects.toThrow();
  await expect(get({}, "/trailers")).rejects.toThrow();
  expect(await getByNode([], "/broken")).toMatch(/\r\n\r\nx$/);
  await until(() => control.outcomes.slice(told).reduce((sum, { guard }) => sum + (guard?.[0] ?? 0), 0) >= 6);
  const sums = [0, 1, 2].map((i) =>
    control.outcomes.slice(told).reduce((sum, { guard }) => sum + (guard?.[i] ?? 0), 0),
  );
  expect(sums).toEqual([6, 3, 0]);
});

test("the split stays exact without keys while an instance refuses connections and requests go to another", async () => {
  const dead = { id: "dead", host: "127.0.0.1", port: 1 };
  const revision = (app: App | undefined) => ({
    ...revisionOf(app === undefined ? [] : [app], { concurrency: 2 }),
    instances: app === undefined ? [] : [dead, app.instance].map((one) => ({ ...one, id: `${one.id}-${app.id}` })),
  });
  await control.settle({
    hosts: {
      [host]: {
        route: "default/app",
        targets: [target("a", 90), target("b", 10)],
        match: [{ revision: "default/b", tests: [{ header: "x-group", exact: "beta" }] }],
        affinity: { key: { header: "x-user" }, slots },
      },
    },
    revisions: { "default/a": revision(apps[0]), "default/b": revision(apps[1]) },
  });
  expect(await counts(400)).toEqual({ a: 360, b: 40 });
});
