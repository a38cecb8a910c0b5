import { once } from "node:events";
import { createHash, randomBytes } from "node:crypto";
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import net, { type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { useGateway } from "../support/gateway-fixture.ts";
import { createBench, memoryOf, revisionOf, simpleTable, startApp, until } from "../support/gateway.ts";

const host = "app.default.localhost";
const here = useGateway({ host, start: { limits: { headerCount: 60 } } });
const { serve, later } = here;

interface Got {
  status: number;
  fields: http.IncomingHttpHeaders;
  raw: string[];
  body: string;
  trailers: NodeJS.Dict<string>;
}

function send(options: http.RequestOptions = {}, body?: string | Buffer): Promise<Got> {
  return new Promise((resolve, reject) => {
    const req = http.request({
      host: "127.0.0.1",
      port: here.bench.port,
      agent: false,
      ...options,
      headers: { host, ...(options.headers as object) },
    });
    req.on("error", reject);
    req.on("response", (res) => void read(res).then(resolve, reject));
    req.end(body);
  });
}

async function read(res: IncomingMessage): Promise<Got> {
  const pieces: Buffer[] = [];
  for await (const piece of res) pieces.push(piece as Buffer);
  const body = Buffer.concat(pieces).toString();
  return { status: res.statusCode ?? 0, fields: res.headers, raw: res.rawHeaders, body, trailers: res.trailers };
}

/** Sends bytes as they are; resolves with all that comes back until the gateway ends the connection. */
async function sendRaw(bytes: string, port = here.bench.port): Promise<string> {
  const socket = net.connect(port, "127.0.0.1");
  let got = "";
  socket.on("data", (piece: Buffer) => (got += piece.toString("latin1")));
  socket.on("error", () => {});
  socket.write(bytes, "latin1");
  await once(socket, "close");
  return got;
}

const echo: RequestListener = (req, res) => {
  const pieces: Buffer[] = [];
  req.on("data", (piece: Buffer) => pieces.push(piece));
  req.on("end", () => {
    const seen = { method: req.method, url: req.url, raw: req.rawHeaders, fields: req.headers, trailers: req.trailers };
    res.end(JSON.stringify({ ...seen, body: Buffer.concat(pieces).toString() }));
  });
};

interface Echo {
  method: string;
  url: string;
  raw: string[];
  fields: http.IncomingHttpHeaders;
  trailers: Record<string, string>;
  body: string;
}

const parsed = (got: Got): Echo => JSON.parse(got.body) as Echo;

test("fields about the client are the gateway's, those of one hop and of the platform don't pass", async () => {
  await serve(echo);
  const got = await send({
    path: "/a/b?c=%20d",
    headers: {
      Forwarded: "for=6.6.6.6",
      "X-Forwarded-For": "6.6.6.6",
      X_Forwarded_For: "6.6.6.6",
      "X-Real-IP": "6.6.6.6",
      "X-Forwarded-Proto": "https",
      "X-Forwarded-Host": "evil",
      Connection: "keep-alive, X-Hop",
      "X-Hop": "1",
      "Keep-Alive": "timeout=1",
      "Proxy-Authorization": "secret",
      "Elafros-Reason": "Forged",
      "K-Network": "forged",
      "X-Stays": ["1", "2"],
      "X-Request-Id": "mine-42",
    },
  });
  const seen = parsed(got);
  expect(seen.url).toBe("/a/b?c=%20d");
  expect(seen.fields).toMatchObject({
    host,
    forwarded: `for=127.0.0.1;host="${host}";proto=http`,
    "x-forwarded-for": "127.0.0.1",
    "x-real-ip": "127.0.0.1",
    "x-forwarded-proto": "http",
    "x-forwarded-host": host,
    "x-stays": "1, 2",
    "x-request-id": "mine-42",
  });
  for (const name of ["x-hop", "keep-alive", "proxy-authorization", "elafros-reason", "k-network", "x_forwarded_for"]) {
    expect(seen.fields[name]).toBe(undefined);
  }
  expect(seen.raw.filter((word) => word === "X-Stays")).toHaveLength(2);
  expect(got.fields["x-request-id"]).toBe("mine-42");
});

test("a request id that isn't sane is replaced", async () => {
  await serve(echo);
  const seen = parsed(await send({ headers: { "X-Request-Id": 'a"b c' } }));
  expect(seen.fields["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
});

test("the answer's status, fields and body arrive; fields of its hop don't", async () => {
  await serve((_req, res) => {
    res.writeHead(418, "Short And Stout", [
      ["Set-Cookie", "a=1"],
      ["Set-Cookie", "b=2"],
      ["X-Case", "Kept"],
      ["Connection", "X-Own"],
      ["X-Own", "1"],
      ["Elafros-Reason", "Forged"],
    ] as unknown as http.OutgoingHttpHeader[]);
    res.end("tea");
  });
  const got = await send();
  expect([got.status, got.body]).toEqual([418, "tea"]);
  expect(got.fields["set-cookie"]).toEqual(["a=1", "b=2"]);
  expect(got.raw).toContain("X-Case");
  expect(got.fields["x-own"]).toBe(undefined);
  expect(got.fields["elafros-reason"]).toBe(undefined);
});

test("HEAD, 204 and 304 have no body and leave the connection usable", async () => {
  await serve((req, res) => {
    if (req.method === "HEAD") res.writeHead(200, { "content-length": "5", "x-is": "head" }).end();
    else if (req.url === "/204") res.writeHead(204).end();
    else if (req.url === "/304") res.writeHead(304, { etag: '"x"' }).end();
    else res.end("full");
  });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const head = await send({ agent, method: "HEAD" });
  expect([head.status, head.fields["content-length"], head.body]).toEqual([200, "5", ""]);
  expect((await send({ agent, path: "/204" })).status).toBe(204);
  expect((await send({ agent, path: "/304" })).fields["etag"]).toBe('"x"');
  expect((await send({ agent })).body).toBe("full");
  agent.destroy();
});

test("bodies with a length and in chunks arrive whole both ways, with trailers", async () => {
  await serve(echo);
  expect(parsed(await send({ method: "POST" }, "hello")).body).toBe("hello");
  const none = parsed(await send({ method: "POST" }));
  expect([none.body, none.fields["content-length"]]).toEqual(["", "0"]);
  const got = await new Promise<Got>((resolve, reject) => {
    const req = http.request({
      host: "127.0.0.1",
      port: here.bench.port,
      method: "PUT",
      agent: false,
      headers: { host, Trailer: "X-Sum" },
    });
    req.on("error", reject);
    req.on("response", (res) => void read(res).then(resolve, reject));
    req.write("one ");
    req.write("two");
    req.addTrailers({ "X-Sum": "7", "X-Forwarded-For": "6.6.6.6" });
    req.end();
  });
  expect(parsed(got).body).toBe("one two");
  expect(parsed(got).trailers).toEqual({ "x-sum": "7" });
});

test("trailers of the answer arrive", async () => {
  await serve((_req, res) => {
    res.writeHead(200, { Trailer: "X-Sum" });
    res.write("data");
    res.addTrailers({ "X-Sum": "4" });
    res.end();
  });
  const got = await send();
  expect([got.body, got.trailers["x-sum"]]).toEqual(["data", "4"]);
});

test("absolute targets are matched by their own host and forwarded by path", async () => {
  await serve(echo);
  const got = await sendRaw(
    `GET http://APP.default.localhost:80/x?y=1 HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n`,
  );
  const seen = JSON.parse(got.slice(got.indexOf("{"), got.lastIndexOf("}") + 1)) as Echo;
  expect([seen.url, seen.fields.host]).toEqual(["/x?y=1", "APP.default.localhost:80"]);
});

test("100-continue waits for the app's word", async () => {
  const order: string[] = [];
  const app = await serve(echo);
  app.server.on("checkContinue", (req: IncomingMessage, res: ServerResponse) => {
    if (req.url === "/no") {
      res.writeHead(413).end("no");
      return;
    }
    order.push("asked");
    res.writeContinue();
    echo(req, res);
  });
  const attempt = (path: string): Promise<Got> =>
    new Promise((resolve, reject) => {
      const headers = { host, expect: "100-continue", "content-length": "4" };
      const req = http.request({
        host: "127.0.0.1",
        port: here.bench.port,
        method: "POST",
        path,
        agent: false,
        headers,
      });
      req.on("continue", () => {
        order.push("continued");
        req.end("body");
      });
      req.on("error", reject);
      req.on("response", (res) => void read(res).then(resolve, reject));
      req.flushHeaders();
    });
  expect(parsed(await attempt("/")).body).toBe("body");
  expect(order).toEqual(["asked", "continued"]);
  const refused = await attempt("/no");
  expect([refused.status, refused.body, refused.fields.connection]).toEqual([413, "no", "close"]);
});

test("early hints pass", async () => {
  await serve((_req, res) => {
    res.writeEarlyHints({ link: "</a.css>; rel=preload" });
    res.end("late");
  });
  const got = await sendRaw(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  expect(got).toMatch(/^HTTP\/1.1 103 Early Hints\r\n/);
  expect(got.toLowerCase()).toContain("link: </a.css>; rel=preload");
  expect(got).toContain("late");
});

test("server-sent events arrive one by one, and the app sees the client leave", async () => {
  let left = false;
  await serve((_req, res) => {
    res.writeHead(200, { "content-type": "text/event-stream" });
    let n = 0;
    const timer = setInterval(() => res.write(`data: ${n++}\n\n`), 20);
    res.on("close", () => {
      left = true;
      clearInterval(timer);
    });
  });
  const req = http.request({ host: "127.0.0.1", port: here.bench.port, agent: false, headers: { host } }).end();
  req.on("error", () => {});
  const [res] = (await once(req, "response")) as [IncomingMessage];
  let seen = "";
  res.on("data", (piece: Buffer) => (seen += piece.toString()));
  res.on("error", () => {});
  await until(() => seen.includes("data: 3"));
  req.destroy();
  await until(() => left);
});

test("fields are sent though the body has not begun", async () => {
  let finish = (): void => {};
  await serve((_req, res) => {
    res.writeHead(200);
    res.flushHeaders();
    finish = () => res.end("end");
  });
  const req = http.request({ host: "127.0.0.1", port: here.bench.port, agent: false, headers: { host } }).end();
  const [res] = (await once(req, "response")) as [IncomingMessage];
  finish();
  expect((await read(res)).body).toBe("end");
});

test("large bodies pass in both directions in constant memory", async () => {
  const size = 64 * 1024 * 1024;
  const block = randomBytes(1024 * 1024);
  const before = memoryOf(here.gateway);
  let digest = "";
  await serve(
    (req, res) => {
      const hash = createHash("sha256");
      void (async () => {
        let bytes = 0;
        for await (const piece of req) {
          hash.update(piece as Buffer);
          bytes += (piece as Buffer).length;
        }
        digest = hash.digest("hex");
        res.setHeader("x-bytes", String(bytes));
        for (let sent = 0; sent < size; sent += block.length) if (!res.write(block)) await once(res, "drain");
        res.end();
      })();
    },
    { timeoutMs: 100_000 },
  );
  const hash = createHash("sha256");
  const req = http.request({
    host: "127.0.0.1",
    port: here.bench.port,
    method: "PUT",
    agent: false,
    headers: { host },
  });
  const answer = once(req, "response") as Promise<[IncomingMessage]>;
  for (let sent = 0; sent < size; sent += block.length) {
    hash.update(block);
    if (!req.write(block)) await once(req, "drain");
  }
  req.end();
  const [res] = await answer;
  const sum = hash.digest("hex");
  const back = createHash("sha256");
  for await (const piece of res) back.update(piece as Buffer);
  expect(res.headers["x-bytes"]).toBe(String(size));
  expect(digest).toBe(sum);
  expect(back.digest("hex")).toBe(sum);
  const status = await import("node:fs/promises").then((fs) =>
    fs.readFile(`/proc/${here.gateway.process.pid}/status`, "utf8"),
  );
  const peakKiB = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]);
  // Half of one body; it was 3 MiB.
  expect(peakKiB / 1024 - before).toBeLessThan(32);
});

test("an app that answers before the whole body came gets no more of it, and the client's connection goes on", async () => {
  await serve((req, res) => {
    if (req.method === "POST") res.writeHead(413).end("enough");
    else res.end("next");
  });
  const socket = net.connect(here.bench.port, "127.0.0.1");
  let got = "";
  socket.on("data", (piece: Buffer) => (got += piece.toString()));
  socket.write(`POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 300000\r\n\r\n`);
  socket.write("x".repeat(100_000));
  await until(() => got.includes("enough"));
  socket.write("x".repeat(200_000));
  socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  await until(() => got.includes("next"));
  socket.destroy();
});

test("a response that doesn't begin in time is 504 with a reason; one that has begun is not cut", async () => {
  await serve(
    (req, res) => {
      if (req.url === "/never") return;
      res.write("begun ");
      setTimeout(() => res.end("ended"), 700);
    },
    { timeoutMs: 300 },
  );
  const late = await send({ path: "/never", headers: { accept: "application/json" } });
  expect([late.status, late.fields["elafros-reason"]]).toEqual([504, "ResponseTimeout"]);
  const body = JSON.parse(late.body) as Record<string, unknown>;
  expect(body).toEqual({
    status: 504,
    reason: "ResponseTimeout",
    message: "The service did not begin to answer in time.",
    requestId: late.fields["x-request-id"],
  });
  expect((await send()).body).toBe("begun ended");
});

test("an app that breaks off before it answers is 502, in the middle of a body the client's copy is broken, too", async () => {
  await serve((req, res) => {
    if (req.url === "/middle") res.write("half", () => req.socket.destroy());
    else req.socket.destroy();
  });
  const got = await send();
  expect([got.status, got.fields["elafros-reason"]]).toEqual([502, "InstanceBrokeOff"]);
  await expect(send({ path: "/middle" })).rejects.toThrow(/aborted|hang up|RESET/);
});

test("an answer that is no HTTP is 502", async () => {
  const app = await serve(echo);
  app.server.removeAllListeners("request");
  app.server.on("connection", (socket: Socket) => socket.end("SSH-2.0-OpenSSH_9.9\r\n"));
  expect((await send()).fields["elafros-reason"]).toBe("BadAnswer");
});

test("an idle connection that the app has closed costs no request", async () => {
  const app = await serve((_req, res) => res.end("ok"));
  app.server.keepAliveTimeout = 1;
  app.server.keepAliveTimeoutBuffer = 0;
  for (let i = 0; i < 50; i++) {
    const method = i % 2 === 0 ? "GET" : "POST";
    expect((await send({ method })).status).toBe(200);
    await sleep(i % 5);
  }
});

test("a Revision without instances waits for one; with a problem it is 503 with the reason, never the message", async () => {
  const app = await startApp("later");
  later(() => app.close());
  await here.control.settle(simpleTable(host, []));
  const waiting = send();
  await sleep(100);
  await here.control.settle(simpleTable(host, [app]));
  expect((await waiting).body).toBe("later");
  const problem = { reason: "ContainerMissing", message: "password is 1234" };
  await here.control.settle(simpleTable(host, [], { problem }));
  const got = await send();
  expect([got.status, got.fields["elafros-reason"], got.fields["retry-after"]]).toEqual([
    503,
    "ContainerMissing",
    "10",
  ]);
  expect(got.body).not.toContain("1234");
});

test("a request that waits is dismissed when its Revision turns out broken, and moves with its Route", async () => {
  await here.control.settle(simpleTable(host, []));
  const first = send();
  await sleep(50);
  const app = await startApp("moved");
  later(() => app.close());
  await here.control.settle({
    hosts: { [host]: { route: "default/app", targets: [{ revision: "default/app-00002", percent: 100 }] } },
    revisions: { "default/app-00002": revisionOf([app]) },
  });
  expect((await first).body).toBe("moved");
  await here.control.settle(simpleTable(host, []));
  const second = send();
  await sleep(50);
  await here.control.settle(simpleTable(host, [], { problem: { reason: "ExitCode127", message: "x" } }));
  expect((await second).fields["elafros-reason"]).toBe("ExitCode127");
});

test("hosts without target and with a missing Revision are 503", async () => {
  await here.control.settle({ hosts: { [host]: { route: "default/app", targets: [] } }, revisions: {} });
  expect((await send()).fields["elafros-reason"]).toBe("RouteNotReady");
  await here.control.settle({
    hosts: { [host]: { route: "default/app", targets: [{ revision: "default/gone", percent: 100 }] } },
    revisions: {},
  });
  expect((await send()).fields["elafros-reason"]).toBe("RevisionMissing");
});

test("instances that refuse connections are left out, also before control says so", async () => {
  const dead = await startApp("dead");
  await dead.close();
  const alive = await startApp("alive");
  later(() => alive.close());
  await here.control.settle(simpleTable(host, [dead, alive]));
  for (let i = 0; i < 40; i++) {
    const got = await send({ method: "POST" }, "body");
    expect([got.status, got.body]).toEqual([200, "alive"]);
  }
  // The only instance is away for a moment: requests wait for it, bodies and all.
  await here.control.settle(simpleTable(host, [dead]));
  const waiting = Array.from({ length: 10 }, () => send({ method: "POST" }, "body"));
  await sleep(300);
  const back = await startApp("back", undefined, dead.port);
  later(() => back.close());
  for (const got of await Promise.all(waiting)) expect([got.status, got.body]).toEqual([200, "back"]);
});

test("websockets pass in both directions, and both ends see the close", async () => {
  const app = await serve(echo);
  const server = new WebSocketServer({ server: app.server });
  const codes: number[] = [];
  server.on("connection", (socket, req) => {
    socket.on("message", (data: Buffer) =>
      socket.send(`${req.headers["x-forwarded-for"]?.toString() ?? ""} ${data.toString()}`),
    );
    socket.on("close", (code) => codes.push(code));
  });
  const client = new WebSocket(`ws://127.0.0.1:${here.bench.port}/ws`, { headers: { host } });
  await once(client, "open");
  client.send("hi");
  const [message] = (await once(client, "message")) as [Buffer];
  expect(message.toString()).toBe("127.0.0.1 hi");
  client.send("x".repeat(3_000_000));
  const [large] = (await once(client, "message")) as [Buffer];
  expect(large.length).toBe(3_000_000 + "127.0.0.1 ".length);
  client.close(4001);
  await until(() => codes.length === 1);
  expect(codes).toEqual([4001]);
  server.close();
});

test("an upgrade that the app refuses, or that nobody serves, gets a plain answer", async () => {
  await serve((_req, res) => res.writeHead(426, { "x-why": "no" }).end("plain"));
  const headers = { Connection: "Upgrade", Upgrade: "websocket" };
  const got = await send({ headers });
  expect([got.status, got.body, got.fields["x-why"]]).toEqual([426, "plain", "no"]);
  expect((await send({ headers: { ...headers, host: "nobody" } })).fields["elafros-reason"]).toBe("HostUnknown");
  // HTTP/2 by upgrade is answered in HTTP/1.1.
  expect(
    (await send({ headers: { Connection: "Upgrade, HTTP2-Settings", Upgrade: "h2c", "HTTP2-Settings": "AA" } })).status,
  ).toBe(426);
});

test("clients that stop are ended: with 408 in their header section or body, without more where they don't read on", async () => {
  const impatient = await createBench();
  const app = await startApp("slow", (req, res) => {
    if (req.method === "POST") {
      echo(req, res);
      return;
    }
    const block = Buffer.alloc(1024 * 1024);
    const more = (): void => {
      while (!res.destroyed && res.write(block));
    };
    res.on("drain", more);
    more();
  });
  try {
    const its = await impatient.control();
    await impatient.start({ limits: { stallMs: 1_000, headersMs: 1_000 } });
    await its.settle(simpleTable(host, [app]));
    const head = `POST / HTTP/1.1\r\nHost: ${host}\r\n`;
    expect(await sendRaw(`${head}X-Slow: `, impatient.port)).toMatch(/^HTTP\/1.1 408 /);
    expect(await sendRaw(`${head}Content-Length: 10\r\n\r\nab`, impatient.port)).toMatch(/^HTTP\/1.1 408 /);
    // The rest of a body that nobody wants isn't waited for any longer.
    const unwanted = await sendRaw(`POST / HTTP/1.1\r\nHost: nobody\r\nContent-Length: 10\r\n\r\nab`, impatient.port);
    expect(unwanted).toMatch(/^HTTP\/1.1 404 /);
    const socket = net.connect(impatient.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    socket.pause();
    let left = false;
    app.server.on("request", (_req, res: ServerResponse) => res.on("close", () => (left = true)));
    await until(() => left);
    socket.destroy();
  } finally {
    await impatient.close();
    await app.close();
  }
});

test("what two servers could read differently is refused", async () => {
  const paths: string[] = [];
  await serve((req, res) => {
    paths.push(req.url ?? "");
    echo(req, res);
  });
  const bad = {
    "length and coding": `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    "two lengths": `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    "list of lengths": `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0, 44\r\n\r\n`,
    "signed length": `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: +4\r\n\r\nabcd`,
    "coding before chunked": `POST / HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    "coding that isn't chunked": `POST / HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
    "two codings": `POST / HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    "space before colon": `POST / HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
    "folded field": `GET / HTTP/1.1\r\nHost: ${host}\r\nX-A: b\r\n c\r\n\r\n`,
    "bare line feeds": `GET / HTTP/1.1\nHost: ${host}\n\n`,
    "two hosts": `GET / HTTP/1.1\r\nHost: ${host}\r\nHost: other\r\n\r\n`,
    "no host": `GET / HTTP/1.1\r\n\r\n`,
    "host with user": `GET / HTTP/1.1\r\nHost: a@${host}\r\n\r\n`,
    "host list": `GET / HTTP/1.1\r\nHost: ${host}, other\r\n\r\n`,
    "NUL in a field": `GET / HTTP/1.1\r\nHost: ${host}\r\nX-A: b\0c\r\n\r\n`,
    "bad chunk size": `POST / HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n`,
    "almost the preface of HTTP/2": `PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n`,
    "no HTTP": `\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03`,
  };
  for (const [name, bytes] of Object.entries(bad)) {
    const got = await sendRaw(bytes);
    expect.soft(got, name).toMatch(/^HTTP\/1\.1 400 /);
    expect.soft(got.split("HTTP/1.1 ").length - 1, name).toBeLessThanOrEqual(1);
  }
  expect(paths.filter((path) => path !== "/")).toEqual([]);
  expect((await sendRaw(`CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).startsWith("HTTP/1.1 405 ")).toBe(
    true,
  );
});

test("header sections that are too long or too many are 431", async () => {
  await serve(echo);
  expect(await sendRaw(`GET / HTTP/1.1\r\nHost: ${host}\r\nX-Long: ${"x".repeat(40_000)}\r\n\r\n`)).toMatch(
    /^HTTP\/1.1 431 /,
  );
  const many = Array.from({ length: 70 }, (_, i) => `X-${i}: 1\r\n`).join("");
  expect(await sendRaw(`GET / HTTP/1.1\r\nHost: ${host}\r\n${many}\r\n`)).toMatch(/^HTTP\/1.1 431 /);
});

test("pipelined requests are answered in their order", async () => {
  await serve((req, res) => void setTimeout(() => res.end(`<${req.url}>`), req.url === "/1" ? 50 : 0));
  const one = (n: number): string =>
    `GET /${n} HTTP/1.1\r\nHost: ${host}\r\n${n === 3 ? "Connection: close\r\n" : ""}\r\n`;
  const got = await sendRaw(one(1) + one(2) + one(3));
  expect(got.match(/<\/\d>/g)).toEqual(["</1>", "</2>", "</3>"]);
});

test("HTTP/1.0 clients get a whole answer and a closed connection", async () => {
  await serve((_req, res) => {
    res.write("one ");
    res.end("two");
  });
  const got = await sendRaw(`GET / HTTP/1.0\r\nHost: ${host}\r\n\r\n`);
  expect(got).toMatch(/^HTTP\/1.1 200 /);
  expect(got).not.toMatch(/chunked/i);
  expect(got.endsWith("\r\n\r\none two")).toBe(true);
});
