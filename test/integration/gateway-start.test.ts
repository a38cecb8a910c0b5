/** What a gateway knows when it begins to serve, and what it does about an instance that is gone all the same. */
import http from "node:http";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  type App,
  type Bench,
  createBench,
  type FakeControl,
  simpleTable,
  startApp,
  startSilent,
  until,
} from "../support/gateway.ts";

const host = "app.default.localhost";
let bench: Bench;
let control: FakeControl;
let apps: App[];

beforeEach(async () => {
  bench = await createBench();
  control = await bench.control();
  apps = await Promise.all(["one", "two"].map((id) => startApp(id)));
});
afterEach(async () => {
  await bench.close();
  await Promise.all(apps.map((app) => app.close()));
});

/** One request, by a connection of its own unless an agent is given. */
function ask(agent: http.Agent | false = false): Promise<{ text: string; connection: string | undefined; ms: number }> {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const req = http.get({ host: "127.0.0.1", port: bench.port, agent, headers: { host } }, (res) => {
      let text = "";
      res.on("data", (piece: Buffer) => (text += piece.toString()));
      res.on("end", () => resolve({ text, connection: res.headers.connection, ms: performance.now() - began }));
    });
    req.on("error", reject);
  });
}

const only = (at: number): App[] => apps.slice(at, at + 1);

test("a gateway serves nothing before control counts on it and has given its table, whatever it has kept", async () => {
  const first = await bench.start();
  await control.settle(simpleTable(host, only(0)));
  first.process.kill("SIGKILL");
  await first.exited;
  await until(() => control.members.size === 0);
  // No gateway has this one, and so the instance of the one before may go.
  const version = control.publish(simpleTable(host, only(1)));
  // It waits in the socket for whoever accepts first.
  const waiting = ask();
  const next = await bench.start();
  expect([...control.members.keys()]).toEqual([next.ready.id]);
  expect(next.ready.table).toBe(version);
  expect((await waiting).text).toBe("two");
  await until(() => control.members.get(next.ready.id)?.serving === version);
});

test("a gateway serves what it has kept where control has no table yet, and is told so", async () => {
  const first = await bench.start();
  await control.settle(simpleTable(host, only(0)));
  first.process.kill("SIGKILL");
  await first.exited;
  await control.close();
  control = await bench.control();
  const next = await bench.start();
  expect([...control.members.keys()]).toEqual([next.ready.id]);
  expect(next.ready.table).toBeGreaterThan(0);
  expect((await ask()).text).toBe("one");
  await control.settle(simpleTable(host, only(1)));
  expect((await ask()).text).toBe("two");
});

test("a gateway that is one of several serves nothing without any table, whether control has none yet or is away", async () => {
  const starting = bench.start({ waitForTable: true });
  await until(() => control.members.size === 1);
  await control.close();
  control = await bench.control();
  await until(() => control.members.size === 1);
  const version = control.publish(simpleTable(host, only(0)));
  const { ready, process, exited } = await starting;
  expect(ready.table).toBe(version);
  expect((await ask()).text).toBe("one");
  // What it has kept is as good as where it is alone.
  process.kill("SIGKILL");
  await exited;
  await control.close();
  expect((await bench.start({ waitForTable: true })).ready.table).toBe(version);
});

test("a gateway that ends serves by the newest table until its last connection is closed, and is counted on until then", async () => {
  const first = await bench.start();
  await control.settle(simpleTable(host, only(0)));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  expect(await ask(agent)).toMatchObject({ text: "one", connection: "keep-alive" });
  const next = await bench.start();
  first.process.kill("SIGTERM");
  await until(() => first.log().includes("Draining"));
  await control.settle(simpleTable(host, only(1)), 2);
  expect([...control.members.keys()]).toEqual([first.ready.id, next.ready.id]);
  expect(await ask(agent)).toMatchObject({ text: "two", connection: "close" });
  expect(await first.exited).toBe(0);
  await until(() => control.members.size === 1);
  agent.destroy();
});

test("requests for an instance that answers nothing at all go to another", async () => {
  const silent = await startSilent("gone");
  const connectMs = 300;
  try {
    await bench.start({ threads: 1, limits: { connectMs } });
    await control.settle(simpleTable(host, [...only(0), silent]));
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask()));
    expect(answers.map(({ text }) => text)).toEqual(answers.map(() => "one"));
    // Half of them were sent there first.
    expect(answers.filter(({ ms }) => ms >= connectMs).length).toBeGreaterThan(0);
  } finally {
    await silent.close();
  }
});
