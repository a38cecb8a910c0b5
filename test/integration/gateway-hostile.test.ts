/** What no client and no app may do to a gateway, however it behaves. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import net, { type AddressInfo, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { useGateway } from "../support/gateway-fixture.ts";
import { simpleTable, startApp } from "../support/gateway.ts";

const host = "app.default.localhost";
const here = useGateway({ host, each: true });

/** Numbers that look random and are the same each time. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return (state >>> 8) % below;
  };
}

const method = `POST /a HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n`;
const upgrade = `GET /a HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\nabc`;
const expects = `PUT http://${host}/b HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nbody`;

/** A text with some bytes changed, cut out or put in. */
function bend(text: string, next: (below: number) => number): string {
  let bent = text;
  for (let n = 1 + next(4); n > 0; n--) {
    const at = next(bent.length);
    const piece = ["\r\n", "\0", ":", " ", "\n", "chunked", "-1", "\xff", "Content-Length: 3\r\n", ""][next(10)] ?? "";
    bent = bent.slice(0, at) + piece + bent.slice(at + next(3));
  }
  return bent;
}

async function get(agent: http.Agent | false = false, path = "/"): Promise<number> {
  const req = http.get({ host: "127.0.0.1", port: here.bench.port, agent, path, headers: { host } });
  const [res] = (await once(req, "response")) as [http.IncomingMessage];
  res.resume();
  await once(res, "close");
  return res.statusCode ?? 0;
}

test("bent requests, cut off anywhere, leave the gateway and its slots as they were", async () => {
  let now = 0;
  let most = 0;
  const app = await startApp("one", (req, res) => {
    req.resume();
    if (req.url !== "/probe") {
      res.end("ok");
      return;
    }
    most = Math.max(most, ++now);
    setTimeout(() => {
      now -= 1;
      res.end("probed");
    }, 100);
  });
  here.later(() => app.close());
  await here.control.settle(simpleTable(host, [app], { concurrency: 3, timeoutMs: 20_000 }));
  const next = random(1);
  for (let round = 0; round < 20; round++) {
    const sockets = Array.from({ length: 20 }, () => {
      const bytes = bend([method, upgrade, expects][next(3)] ?? "", next);
      const socket = net.connect(here.bench.port, "127.0.0.1");
      socket.on("error", () => {});
      socket.resume();
      socket.write(bytes.slice(0, 1 + next(2 * bytes.length)), "latin1");
      return socket;
    });
    // Half of them end, half break off.
    await new Promise((resolve) => setTimeout(resolve, 10));
    for (const [i, socket] of sockets.entries()) {
      if (i % 2 === 0) socket.end();
      else socket.resetAndDestroy();
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
    for (const socket of sockets) socket.destroy();
  }
  // All three slots are there, whatever became of those requests.
  const probe = async (): Promise<number> => {
    most = 0;
    const all = await Promise.all(Array.from({ length: 12 }, () => get(false, "/probe")));
    expect(all).toEqual(all.map(() => 200));
    return most;
  };
  await expect.poll(probe).toBe(3);
});

const answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\nConnection: keep-alive\r\n\r\nhello";
const chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5\r\nhello\r\n0\r\nX: 1\r\n\r\n";
const early =
  "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n";

test("bent answers of an app leave the gateway as it was", async () => {
  const next = random(2);
  const server = net.createServer((socket: Socket) => {
    socket.on("error", () => {});
    socket.on("data", () => {
      socket.write(bend([answer, chunks, early][next(3)] ?? "", next), "latin1");
      const end = next(4);
      if (end < 2) socket.end();
      else if (end === 2) socket.resetAndDestroy();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const app = await startApp("good");
  here.later(() => app.close());
  const bad = { ...app, instance: { id: "bad", host: "127.0.0.1", port } };
  await here.control.settle(simpleTable(host, [bad], { timeoutMs: 500 }));
  const seen = new Set<number>();
  for (let round = 0; round < 8; round++) {
    const all = Array.from({ length: 20 }, () => {
      const req = http.get({
        host: "127.0.0.1",
        port: here.bench.port,
        agent: false,
        headers: { host },
        timeout: 1_000,
      });
      req.on("timeout", () => req.destroy());
      return new Promise<void>((resolve) => {
        req.on("response", (res) => {
          seen.add(res.statusCode ?? 0);
          res.on("error", () => {});
          res.resume();
        });
        req.on("error", () => {});
        req.on("close", resolve);
      });
    });
    await Promise.all(all);
  }
  expect([seen.has(200), seen.has(502)]).toEqual([true, true]);
  await here.control.settle(simpleTable(host, [app]));
  expect(await get()).toBe(200);
  server.close();
});

async function startProcess(): Promise<{ child: ChildProcess; port: number }> {
  const code = `const s = require("node:http").createServer((q, r) => { q.resume(); setTimeout(() => r.end("ok"), 5); });
    s.listen(0, "127.0.0.1", () => console.log(s.address().port));`;
  const child = spawn(process.execPath, ["-e", code], { stdio: ["ignore", "pipe", "inherit"] });
  if (child.stdout === null) throw new Error("No output");
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  return { child, port: Number(line) };
}

test("an instance that is killed while control is away costs each client at most the request it had there", async () => {
  const [doomed, stays] = [await startProcess(), await startProcess()];
  const template = await startApp("template");
  here.later(() => template.close());
  const made = [doomed, stays].map(({ port }, i) => ({
    ...template,
    instance: { id: `i${i}`, host: "127.0.0.1", port },
  }));
  await here.control.settle(simpleTable(host, made, { timeoutMs: 20_000 }));
  await here.control.close();
  let killed = false;
  const clients = Array.from({ length: 20 }, async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const lost: number[] = [];
    // As many again after the kill as before.
    for (let before = 0, after = 0; after < 30; killed ? after++ : before++) {
      const status = await get(agent);
      if (status !== 200) lost.push(status);
    }
    agent.destroy();
    return lost;
  });
  setTimeout(() => {
    doomed.child.kill("SIGKILL");
    killed = true;
  }, 500);
  const lost = await Promise.all(clients);
  expect(lost.filter((statuses) => statuses.length > 1)).toEqual([]);
  expect(lost.flat().filter((status) => status !== 502)).toEqual([]);
  stays.child.kill("SIGKILL");
});
