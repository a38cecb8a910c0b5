import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";
import { afterEach, beforeEach, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { killedByTest, threadKiller } from "../support/kill-thread.ts";
import { readTableFile } from "../../src/gateway/table-file.ts";
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

async function serve(...made: Parameters<typeof startApp>): Promise<App> {
  const app = await startApp(...made);
  apps.push(app);
  return app;
}

interface Load {
  served: () => number;
  stop: () => Promise<{ served: number; failures: string[] }>;
}

/** Requests without pause over `connections` kept alive, until stopped. Resolves with what came back, and each failure. */
function load(connections: number, { method = "GET", pauseMs = 80 } = {}): Load {
  const pool = new Pool(`http://127.0.0.1:${bench.port}`, { connections, pipelining: 1 });
  const stopped = new AbortController();
  let served = 0;
  const failures: string[] = [];
  const loops = Array.from({ length: connections }, async () => {
    while (!stopped.signal.aborted) {
      try {
        const body = method === "POST" ? "body" : null;
        const { statusCode, body: answer } = await pool.request({ path: "/", method, headers: { host }, body });
        const text = await answer.text();
        if (statusCode === 200) served += 1;
        else failures.push(`${statusCode} ${text}`);
      } catch (error) {
        failures.push(String(error));
      }
      await sleep(Math.random() * pauseMs);
    }
  });
  return {
    served: () => served,
    stop: async () => {
      stopped.abort();
      await Promise.all(loops);
      await pool.destroy();
      return { served, failures };
    },
  };
}

test("gateways are replaced under load without one failed request", async () => {
  const app = await serve("one", (req, res) => {
    req.resume();
    setTimeout(() => res.end("ok"), Math.random() * 20);
  });
  await control.settle(simpleTable(host, [app]), 0);
  let gateway = await bench.start();
  await until(() => control.members.has(gateway.ready.id));
  const loads = [load(100), load(100, { method: "POST" })];
  const ended: Promise<number | string | null>[] = [];
  for (let i = 0; i < 8; i++) {
    await sleep(200);
    const next = await bench.start();
    gateway.process.kill("SIGTERM");
    ended.push(gateway.exited);
    gateway = next;
  }
  await sleep(200);
  for (const { stop } of loads) {
    const { served, failures } = await stop();
    expect(failures).toEqual([]);
    expect(served).toBeGreaterThan(500);
  }
  expect(await Promise.all(ended)).toEqual(ended.map(() => 0));
});

test("limits hold over gateways that replace each other", async () => {
  const most = { one: 0, two: 0 };
  const made: App[] = [];
  for (const id of ["one", "two"] as const) {
    let now = 0;
    made.push(
      await serve(id, (req, res) => {
        req.resume();
        now += 1;
        most[id] = Math.max(most[id], now);
        setTimeout(() => {
          now -= 1;
          res.end(id);
        }, 5);
      }),
    );
  }
  await control.settle(simpleTable(host, made, { concurrency: 1, timeoutMs: 60_000 }), 0);
  let gateway = await bench.start();
  await until(() => [...control.members.values()].some(({ serving }) => serving > 0));
  const { stop } = load(40, { pauseMs: 1 });
  const ended: Promise<number | string | null>[] = [];
  for (let i = 0; i < 6; i++) {
    const next = await bench.start();
    await sleep(300);
    gateway.process.kill("SIGTERM");
    ended.push(gateway.exited);
    gateway = next;
  }
  const { served, failures } = await stop();
  expect(failures).toEqual([]);
  expect(served).toBeGreaterThan(200);
  expect(most).toEqual({ one: 1, two: 1 });
  expect(await Promise.all(ended)).toEqual(ended.map(() => 0));
  expect(gateway.log()).toContain("Taking over");
});

test("a thread that dies takes its requests along, and not the slots that they had", async () => {
  const most = 2;
  let [now, highest] = [0, 0];
  const app = await serve("one", (req, res) => {
    now += 1;
    highest = Math.max(highest, now);
    res.once("close", () => (now -= 1));
    setTimeout(() => res.end("ok"), 50);
    req.resume();
  });
  await control.settle(simpleTable(host, [app], { concurrency: most, timeoutMs: 60_000 }), 0);
  const killer = await threadKiller();
  const replace = join(bench.dir, "replace");
  const gateway = await killer.hooked(() => bench.start({ replace }));
  await until(() => [...control.members.values()].some(({ serving }) => serving > 0));
  const ask = (): Promise<string> =>
    new Promise((resolve) => {
      const req = http.get({ host: "127.0.0.1", port: bench.port, agent: false, headers: { host } }, (res) => {
        res.resume().on("end", () => resolve(String(res.statusCode)));
        res.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      });
      req.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    });
  const asked = Array.from({ length: 40 }, ask);
  await until(() => now === most);
  await killer.kill(gateway.process.pid ?? 0);
  await until(() => existsSync(replace));
  // Until it is replaced, the other thread accepts.
  const between = ask();
  const next = await bench.start();
  gateway.process.kill("SIGTERM");
  const ended = await Promise.all([...asked, between]);
  expect(ended.filter((how) => how !== "200" && how !== "ECONNRESET")).toEqual([]);
  expect(ended.at(-1)).toBe("200");
  expect(highest).toBe(most);
  // Nobody waits for the thread that is dead.
  expect(await gateway.exited).toBe(0);
  expect(gateway.log()).toContain(killedByTest);
  expect(await ask()).toBe("200");
  next.process.kill("SIGTERM");
  await killer.remove();
});

test("a gateway whose successor is killed gives out slots itself again", async () => {
  const app = await serve("one");
  await control.settle(simpleTable(host, [app], { concurrency: 1 }), 0);
  const gateway = await bench.start();
  await until(() => [...control.members.values()].some(({ serving }) => serving > 0));
  const next = await bench.start();
  await until(() => gateway.log().includes("Giving over"));
  next.process.kill("SIGKILL");
  await until(() => gateway.log().includes("giving out slots again"));
  const { served, stop } = load(5, { pauseMs: 1 });
  await until(() => served() > 5);
  expect((await stop()).failures).toEqual([]);
});

test("a gateway that ends finishes what it has: slow answers, uploads, websockets", async () => {
  let begun = 0;
  const app = await serve("one", (req, res) => {
    let bytes = 0;
    begun += 1;
    req.on("data", (piece: Buffer) => (bytes += piece.length));
    req.on("end", () => setTimeout(() => res.end(String(bytes)), 400));
  });
  const sockets = new WebSocketServer({ server: app.server });
  sockets.on("connection", (socket) => socket.on("message", (data: Buffer) => socket.send(data.toString())));
  const old = await bench.start();
  await control.settle(simpleTable(host, [app]));
  const client = new WebSocket(`ws://127.0.0.1:${bench.port}/`, { headers: { host } });
  await new Promise((resolve) => client.once("open", resolve));
  const answers: Promise<string>[] = [];
  const uploads = Array.from({ length: 4 }, () => {
    const req = http.request({ host: "127.0.0.1", port: bench.port, agent: false, method: "POST", headers: { host } });
    answers.push(
      new Promise((resolve, reject) => {
        req.on("error", reject);
        req.on("response", (res) => {
          let text = "";
          res.on("data", (piece: Buffer) => (text += piece.toString()));
          res.on("end", () => resolve(text));
        });
      }),
    );
    req.write("1234");
    return req;
  });
  await until(() => begun === uploads.length);
  const next = await bench.start();
  await until(() => control.members.size === 2);
  old.process.kill("SIGTERM");
  await until(() => old.log().includes("Draining"));
  for (const upload of uploads) upload.end("5678");
  expect(await Promise.all(answers)).toEqual(["8", "8", "8", "8"]);
  const echoed = new Promise<string>((resolve) => client.once("message", (data: Buffer) => resolve(data.toString())));
  client.send("still here");
  expect(await echoed).toBe("still here");
  expect(old.process.exitCode).toBe(null);
  // Both are members until the old one has ended.
  expect([...control.members.keys()]).toEqual([old.ready.id, next.ready.id]);
  client.close();
  expect(await old.exited).toBe(0);
  await until(() => control.members.size === 1);
  sockets.close();
});

test("shed ends old streams and upgraded connections, so that a gateway can end", async () => {
  const app = await serve("one", (_req, res) => {
    res.write("stream");
  });
  const sockets = new WebSocketServer({ server: app.server });
  const gateway = await bench.start();
  await control.settle(simpleTable(host, [app]));
  const client = new WebSocket(`ws://127.0.0.1:${bench.port}/`, { headers: { host } });
  await new Promise((resolve) => client.once("open", resolve));
  const { promise: begun, resolve: begins } = Promise.withResolvers<void>();
  const streamed = new Promise<string>((resolve) => {
    const req = http.request({ host: "127.0.0.1", port: bench.port, agent: false, headers: { host } });
    req.on("response", (res) => {
      begins();
      res.resume().on("error", () => resolve("ended"));
    });
    req.end();
  });
  await begun;
  // So that it is older than what is shed.
  await sleep(150);
  gateway.process.kill("SIGTERM");
  control.link.shed(100);
  expect(await streamed).toBe("ended");
  expect(await gateway.exited).toBe(0);
  sockets.close();
});

test("an idle connection is told to close by its next answer, or closed after a while, never reset", async () => {
  const app = await serve("one");
  const talk = (): { got: () => string; ended: () => boolean; failed: () => boolean; ask: () => void } => {
    const socket = net.connect(bench.port, "127.0.0.1");
    let got = "";
    let ended = false;
    let failed = false;
    socket.on("data", (piece: Buffer) => (got += piece.toString()));
    socket.on("end", () => (ended = true));
    socket.on("error", () => (failed = true));
    const ask = (): void => void socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    return { got: () => got, ended: () => ended, failed: () => failed, ask };
  };
  for (const asks of [true, false]) {
    // Who asks again does so long before it would be closed.
    const gateway = await bench.start({ limits: { drainIdleMs: asks ? 120_000 : 300 } });
    await control.settle(simpleTable(host, [app]));
    const client = talk();
    client.ask();
    await until(() => client.got().endsWith("one"));
    expect(client.got()).toContain("Connection: keep-alive");
    gateway.process.kill("SIGTERM");
    if (asks) {
      await until(() => gateway.log().includes("Draining"));
      expect(client.ended()).toBe(false);
      client.ask();
    }
    await until(client.ended);
    expect(client.got().includes("Connection: close")).toBe(asks);
    expect(client.failed()).toBe(false);
    expect(await gateway.exited).toBe(0);
  }
});

test("a gateway serves from its file when control is away, after kill -9 too; waiting connections are served by the next", async () => {
  const app = await serve("one");
  let gateway = await bench.start();
  await control.settle(simpleTable(host, [app]));
  const ask = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const req = http.get({ host: "127.0.0.1", port: bench.port, agent: false, headers: { host } }, (res) => {
        let text = "";
        res.on("data", (piece: Buffer) => (text += piece.toString()));
        res.on("end", () => resolve(text));
      });
      req.on("error", reject);
    });
  await control.close();
  expect(await ask()).toBe("one");
  // The file is written after the table is in force.
  await until(() => existsSync(bench.tablePath));
  for (let i = 0; i < 3; i++) {
    gateway.process.kill("SIGKILL");
    await gateway.exited;
    // The socket is the test's, and goes on listening.
    const waiting = ask();
    gateway = await bench.start();
    expect(gateway.ready.table).toBeGreaterThan(0);
    expect(await waiting).toBe("one");
  }
  control = await bench.control();
  const other = await serve("other");
  await control.settle(simpleTable(host, [other]));
  expect(await ask()).toBe("other");
  expect(readTableFile(bench.tablePath).revisions["default/app-00001"]?.instances[0]?.id).toBe("other");
});

test("a broken table file and a broken table of control don't stop a gateway", async () => {
  await writeFile(bench.tablePath, '{"version": 3, "hosts"');
  const app = await serve("one");
  const gateway = await bench.start();
  expect(gateway.ready.table).toBe(0);
  await control.settle(simpleTable(host, [app]));
  const broken = {
    hosts: { [host]: { route: "default/app", targets: [{ revision: "r", percent: 99 }] } },
    revisions: {},
  };
  control.publish(broken);
  await until(() => gateway.log().includes("percents that total 100, not 99"));
  await control.settle(simpleTable(host, [app]));
});

test("control sees a killed gateway leave at once, and a stopped one when its lease is over", async () => {
  const gateway = await bench.start();
  const frozen = await bench.start();
  await until(() => control.members.size === 2);
  gateway.process.kill("SIGKILL");
  await until(() => control.members.size === 1);
  frozen.process.kill("SIGSTOP");
  const stoppedAt = performance.now();
  await until(() => control.members.size === 0);
  // It lasts 10 s from what it said last, which it does each few seconds.
  expect(performance.now() - stoppedAt).toBeGreaterThan(5_000);
  frozen.process.kill("SIGCONT");
  await until(() => control.members.size === 1);
});

test("unusable options end with status 2 and a sentence", async () => {
  const { spawnSync } = await import("node:child_process");
  const main = new URL("../../src/gateway/main.ts", import.meta.url).pathname;
  const { status, stderr } = spawnSync(process.execPath, [main, '{"threads": 0}'], { encoding: "utf8" });
  expect([status, stderr]).toEqual([
    2,
    'Cannot start the gateway: option "threads" must be a whole number from 1 to 64\n',
  ]);
});
