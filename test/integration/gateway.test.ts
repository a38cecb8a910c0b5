import { Agent, request } from "undici";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type App, type Bench, createBench, simpleTable, startApp } from "../support/gateway.ts";

let bench: Bench;
const apps: App[] = [];
beforeEach(async () => {
  bench = await createBench();
});
afterEach(async () => {
  await bench.close();
  for (const app of apps.splice(0)) await app.close();
});

test("the gateway forwards a request to the app of its host", async () => {
  const app = await startApp("one");
  apps.push(app);
  const control = await bench.control();
  await bench.start();
  await control.settle(simpleTable("app.default.localhost", [app]));
  const agent = new Agent();
  const get = (host: string) => request(`http://127.0.0.1:${bench.port}/`, { headers: { host }, dispatcher: agent });
  const answer = await get("App.default.localhost.:8080");
  expect([answer.statusCode, await answer.body.text()]).toEqual([200, "one"]);
  const unknown = await get("other.default.localhost");
  expect([unknown.statusCode, unknown.headers["elafros-reason"]]).toEqual([404, "HostUnknown"]);
  await unknown.body.dump();
  await agent.close();
});
