import http from "node:http";
import net from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type RevisionEntry, type RouteTable } from "../../src/routing/table.ts";
import {
  type App,
  type Bench,
  createBench,
  type FakeControl,
  revisionOf,
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

interface Got {
  status: number;
  reason: string | undefined;
  body: string;
}

interface Sending {
  path?: string;
  method?: string;
  /** After so many milliseconds it goes. */
  abortAfter?: number;
  signal?: AbortSignal;
}

/** A client with a connection of its own. */
function send(agent: http.Agent, { path = "/", method = "GET", abortAfter = 0, signal }: Sending = {}): Promise<Got> {
  return new Promise((resolve, reject) => {
    const req = http.request({ host: "127.0.0.1", port: bench.port, agent, path, method, headers: { host } });
    req.on("error", reject);
    req.on("response", (res) => {
      let body = "";
      res.on("data", (piece: Buffer) => (body += piece.toString()));
      res.on("error", reject);
      const reason = res.headers["elafros-reason"];
      res.on("end", () => resolve({ status: res.statusCode ?? 0, reason: reason?.toString(), body }));
    });
    req.end();
    if (abortAfter > 0) setTimeout(() => req.destroy(), abortAfter);
    signal?.addEventListener("abort", () => req.destroy(), { once: true });
  });
}

const client = (): http.Agent => new http.Agent({ keepAlive: true, maxSockets: 1 });

interface Busy {
  now: number;
  most: number;
  served: string[];
  /** Ends the requests for `/held`. */
  release: () => void;
}

/** An app that counts how many requests it works on at once; `/ms` says for how long, `/held` until they are released. */
async function startBusyApp(id: string): Promise<{ app: App; busy: Busy }> {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const busy: Busy = { now: 0, most: 0, served: [], release };
  const app = await startApp(id, (req, res) => {
    busy.now += 1;
    busy.most = Math.max(busy.most, busy.now);
    busy.served.push(req.url ?? "");
    const end = (): void => {
      busy.now -= 1;
      res.end(id);
    };
    if (req.url === "/held") void released.then(end);
    else setTimeout(end, Number((req.url ?? "").slice(1).split("/")[0]));
  });
  apps.push(app);
  return { app, busy };
}

test("a SingleThreaded instance never has two requests, under 50 clients over two threads; all are served", async () => {
  const { app, busy } = await startBusyApp("one");
  await bench.start();
  await control.settle(simpleTable(host, [app], { concurrency: 1, timeoutMs: 60_000 }));
  const clients = Array.from({ length: 50 }, async () => {
    const agent = client();
    for (let i = 0; i < 12; i++) expect((await send(agent, { path: "/1" })).status).toBe(200);
    agent.destroy();
  });
  await Promise.all(clients);
  expect([busy.most, busy.served.length]).toEqual([1, 600]);
});

test("three instances with two slots each have six requests at once, and never more than two each", async () => {
  const made = [await startBusyApp("a"), await startBusyApp("b"), await startBusyApp("c")];
  await bench.start();
  await control.settle(
    simpleTable(
      host,
      made.map(({ app }) => app),
      { concurrency: 2, timeoutMs: 60_000 },
    ),
  );
  await Promise.all(Array.from({ length: 60 }, () => send(client(), { path: "/20" })));
  expect(made.map(({ busy }) => busy.most)).toEqual([2, 2, 2]);
});

test("who waits is served in the order of arrival within a thread", async () => {
  const { app, busy } = await startBusyApp("one");
  await bench.start({ threads: 1 });
  await control.settle(simpleTable(host, [app], { concurrency: 1, timeoutMs: 60_000 }));
  // On one connection, so that the order of arrival is sure: all of them are read before the first is answered.
  const socket = net.connect(bench.port, "127.0.0.1");
  const paths = ["/300/0", ...Array.from({ length: 20 }, (_, i) => `/1/${i + 1}`)];
  let got = "";
  socket.on("data", (piece: Buffer) => (got += piece.toString()));
  socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`).join(""));
  await until(() => got.split("HTTP/1.1 200 OK").length - 1 === paths.length);
  expect([busy.served, busy.most]).toEqual([paths, 1]);
  socket.destroy();
});

test("the queue is bounded in number and in time, and who gives up leaves it", async () => {
  const { app, busy } = await startBusyApp("one");
  await bench.start({ limits: { queueLength: 5 } });
  await control.settle(simpleTable(host, [app], { concurrency: 1, timeoutMs: 60_000 }));
  const first = send(client(), { path: "/held" });
  await until(() => busy.now === 1);
  const giveUp = new AbortController();
  const quitters = Array.from({ length: 5 }, () =>
    send(client(), { path: "/1", signal: giveUp.signal }).catch(() => "gone"),
  );
  await until(() => control.loads.at(-1)?.revisions[0]?.[3] === 5);
  const full = await send(client(), { path: "/1" });
  expect([full.status, full.reason]).toEqual([503, "Overloaded"]);
  giveUp.abort();
  expect(await Promise.all(quitters)).toEqual(["gone", "gone", "gone", "gone", "gone"]);
  await until(() => control.outcomes.reduce((sum, { codes }) => sum + (codes[499] ?? 0), 0) === 5);
  await control.settle(simpleTable(host, [app], { concurrency: 1, timeoutMs: 1_000 }));
  const waiting = [send(client(), { path: "/60000" }), send(client(), { path: "/60000" })];
  busy.release();
  expect((await first).status).toBe(200);
  const got = await Promise.all(waiting);
  // One got the slot and no answer in time, the other no slot in time.
  expect(got.map(({ status, reason }) => `${status} ${reason}`).sort()).toEqual([
    "503 Overloaded",
    "504 ResponseTimeout",
  ]);
  expect(busy.served).toEqual(["/held", "/60000"]);
});

test("a slot is held until the work has ended, also after a 504 or when the client has gone", async () => {
  const { app, busy } = await startBusyApp("one");
  await bench.start();
  await control.settle(simpleTable(host, [app], { concurrency: 1, timeoutMs: 300 }));
  for (let round = 0; round < 3; round++) {
    expect((await send(client(), { path: "/700" })).status).toBe(504);
    await Promise.all([send(client(), { path: "/1" }), send(client(), { path: "/1" })]);
    await until(() => busy.now === 0);
    await send(client(), { path: "/200", abortAfter: 50 }).catch(() => "gone");
    await Promise.all([send(client(), { path: "/1" }), send(client(), { path: "/1" })]);
  }
  expect(busy.most).toBe(1);
  expect(control.hung).toEqual([]);
});

test("work whose client has gone is not taken for ended because the app closes the connection", async () => {
  const { app, busy } = await startBusyApp("one");
  await bench.start({ limits: { hungMs: 200 } });
  await control.settle(simpleTable(host, [app], { concurrency: 1, timeoutMs: 5_000 }));
  const agent = client();
  const leaving = send(agent, { path: "/60000" }).catch(() => "gone");
  await until(() => busy.now === 1);
  agent.destroy();
  expect(await leaving).toBe("gone");
  await until(() => control.hung.length === 1);
  expect(busy.served).toEqual(["/60000"]);
});

test("an instance that doesn't end its work is reported, gets nothing more, and is free when it left the table", async () => {
  const { app: stuck, busy } = await startBusyApp("stuck");
  const { app: next } = await startBusyApp("next");
  const gateway = await bench.start({ limits: { hungMs: 200 } });
  await control.settle(simpleTable(host, [stuck], { concurrency: 1, timeoutMs: 300 }));
  expect((await send(client(), { path: "/60000" })).status).toBe(504);
  await until(() => control.hung.length === 1);
  expect(control.hung).toEqual([{ revision: "default/app-00001", instance: "stuck" }]);
  expect((await send(client(), { path: "/1" })).reason).toBe("Overloaded");
  expect(busy.served).toEqual(["/60000"]);
  // Control that comes back is told again.
  await control.close();
  control = await bench.control();
  await until(() => control.hung.length === 1);
  await control.settle(simpleTable(host, [next], { concurrency: 1, timeoutMs: 300 }));
  expect((await send(client(), { path: "/1" })).body).toBe("next");
  await until(() => control.members.get(gateway.ready.id)?.draining.size === 0);
});

test("a request that can't be sent to its instance gives the slot back", async () => {
  const { app } = await startBusyApp("one");
  await bench.start();
  await control.settle(simpleTable(host, [app], { concurrency: 1, protocol: "h2c" }));
  for (let i = 0; i < 3; i++) expect((await send(client())).reason).toBe("ProtocolMismatch");
  await control.settle(simpleTable(host, [app], { concurrency: 1 }));
  for (const odd of ["X-A: a\x01b", "X-A: a\x7fb", "X-\x80: a"]) {
    const socket = net.connect(bench.port, "127.0.0.1");
    let got = "";
    socket.on("data", (piece: Buffer) => (got += piece.toString()));
    socket.write(`GET /1 HTTP/1.1\r\nHost: ${host}\r\n${odd}\r\n\r\n`, "latin1");
    await until(() => got.startsWith("HTTP/1.1 "));
    socket.destroy();
    expect((await send(client(), { path: "/1" })).status).toBe(200);
  }
});

test("an instance that left the table gets nothing new, keeps what it has, and is reported drained at its end", async () => {
  const { app: old, busy } = await startBusyApp("old");
  const { app: next } = await startBusyApp("next");
  const gateway = await bench.start();
  await control.settle(simpleTable(host, [old]));
  const slow = send(client(), { path: "/held" });
  await until(() => busy.now === 1);
  await control.settle(simpleTable(host, [next]));
  expect([...(control.members.get(gateway.ready.id)?.draining ?? [])]).toEqual(["old"]);
  for (let i = 0; i < 10; i++) expect((await send(client(), { path: "/1" })).body).toBe("next");
  expect(control.drained).toEqual([]);
  busy.release();
  expect((await slow).body).toBe("old");
  await until(() => control.drained.length === 1);
  expect(control.drained).toEqual(["old"]);
  expect(busy.served).toEqual(["/held"]);
});

test("a split of 90/9/1 is exact in each 100 requests, over threads and names of the Route, while instances come and go", async () => {
  const made: App[] = [];
  for (const id of ["a", "b", "c", "b2"]) made.push(await startApp(id));
  apps.push(...made);
  const [a, b, c, b2] = made;
  if (a === undefined || b === undefined || c === undefined || b2 === undefined) throw new Error("No apps");
  const table = (second: App[]): Omit<RouteTable, "version"> => {
    const targets = [
      { revision: "default/a", percent: 90 },
      { revision: "default/b", percent: 9 },
      { revision: "default/c", percent: 1 },
    ];
    const revisions: Record<string, RevisionEntry> = {
      "default/a": revisionOf([a]),
      "default/b": revisionOf(second),
      "default/c": revisionOf([c]),
    };
    const entry = { route: "default/app", targets };
    return {
      hosts: {
        [host]: entry,
        "app.default": entry,
        "c.app": { route: "default/app", targets: [{ revision: "default/c", percent: 100 }] },
      },
      revisions,
    };
  };
  await bench.start();
  await control.settle(table([b]));
  const agents = Array.from({ length: 20 }, client);
  let round = 0;
  for (let hundred = 0; hundred < 15; hundred++) {
    const count: Record<string, number> = {};
    // A hundred requests, 20 at a time over as many connections, all done before the next hundred begins.
    await Promise.all(
      agents.map(async (agent) => {
        for (let i = 0; i < 5; i++) {
          const { status, body } = await send(agent);
          expect(status).toBe(200);
          const target = body.slice(0, 1);
          count[target] = (count[target] ?? 0) + 1;
        }
      }),
    );
    expect(count).toEqual({ a: 90, b: 9, c: 1 });
    control.publish(table(round++ % 2 === 0 ? [b, b2] : [b2]));
  }
  for (const agent of agents) agent.destroy();
});
