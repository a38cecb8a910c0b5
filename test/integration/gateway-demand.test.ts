/** A Revision without instances: requests wait in the gateway, control is told, and is told again where it wasn't there. */
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  type App,
  type Bench,
  createBench,
  type FakeControl,
  simpleTable,
  startApp,
  until,
} from "../support/gateway.ts";

const host = "app.default.localhost";
const revision = "default/app-00001";
let bench: Bench;
let control: FakeControl;
const apps: App[] = [];

beforeEach(async () => {
  bench = await createBench();
  control = await bench.control();
});
afterEach(async () => {
  await bench.close();
  for (const app of apps.splice(0)) await app.close();
});

function ask({ path = "/", abortAfter = 0 } = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const req = http.request({ host: "127.0.0.1", port: bench.port, agent: false, path, headers: { host } });
    req.on("error", reject);
    req.on("response", (res) => {
      let body = "";
      res.on("data", (piece: Buffer) => (body += piece.toString()));
      res.on("end", () => resolve(`${res.statusCode} ${res.headers["elafros-reason"]?.toString() ?? body}`));
    });
    req.end();
    if (abortAfter > 0) setTimeout(() => req.destroy(), abortAfter);
  });
}

async function app(id = "a", ms = 0): Promise<App> {
  const made = await startApp(id, (req, res) => void setTimeout(() => res.end(`${id} ${req.url}`), ms));
  apps.push(made);
  return made;
}

test("one demand is told at once for all that wait in a thread, and they go out as an instance comes", async () => {
  await bench.start({ threads: 1 });
  await control.settle(simpleTable(host, []));
  const waiting = Array.from({ length: 20 }, (_, index) => ask({ path: `/${index}` }));
  await until(() => control.demands.length > 0);
  // All of them are there, and said no more.
  await until(() => control.loads.some(({ revisions }) => revisions[0]?.[3] === 20));
  expect(control.demands).toEqual([revision]);
  await control.settle(simpleTable(host, [await app()]));
  expect(await Promise.all(waiting)).toEqual(waiting.map((_, index) => `200 a /${index}`));
});

test("a gateway tells a control that comes later who waits", async () => {
  await bench.start();
  await control.settle(simpleTable(host, []));
  await control.close();
  const waiting = [ask(), ask(), ask(), ask()];
  await sleep(200);
  control = await bench.control();
  await until(() => control.demands.includes(revision));
  await control.settle(simpleTable(host, [await app()]));
  expect(await Promise.all(waiting)).toEqual(waiting.map(() => "200 a /"));
});

test("those who wait are answered at once when the start has failed, and those who gave up are gone", async () => {
  await bench.start();
  await control.settle(simpleTable(host, [], { timeoutMs: 60_000 }));
  const gone = ask({ abortAfter: 100 }).catch(() => "gone");
  const waiting = [ask(), ask(), ask()];
  expect(await gone).toBe("gone");
  await control.settle(simpleTable(host, [], { problem: { reason: "ExitCode3", message: "secret" } }));
  expect(await Promise.all(waiting)).toEqual(waiting.map(() => "503 ExitCode3"));
});

test("the wait for an instance ends with the Revision's time", async () => {
  await bench.start();
  await control.settle(simpleTable(host, [], { timeoutMs: 300 }));
  expect(await ask()).toBe("503 NoInstance");
});

test("each second the load is told, over all threads, and that there is none", async () => {
  await bench.start();
  await control.settle(simpleTable(host, [await app("a", 250)]));
  const end = Date.now() + 3_000;
  let [total, asked] = [0, 0];
  const client = async (): Promise<void> => {
    while (Date.now() < end) {
      const from = performance.now();
      await ask();
      asked += performance.now() - from;
      total += 1;
    }
  };
  await Promise.all(Array.from({ length: 8 }, client));
  const seen = () => control.loads.flatMap(({ ms, revisions }) => revisions.map((one) => [ms, ...one] as const));
  const requests = () => seen().reduce((sum, [, , , count]) => sum + count, 0);
  await until(() => requests() >= total && control.loads.at(-1)?.revisions.length === 0);
  expect(requests()).toBe(total);
  expect(control.loads.length).toBeGreaterThan(3);
  expect(new Set(seen().map(([, name]) => name))).toEqual(new Set([revision]));
  // 250 ms each and a little more, which the clients have waited too: that much time is in what was told, however late a thread answers.
  const area = seen().reduce((sum, [ms, , concurrency]) => sum + ms * concurrency, 0);
  expect(area).toBeGreaterThan(245 * total);
  expect(area).toBeLessThan(asked + 2 * total);
});
