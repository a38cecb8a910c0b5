/** Apps that speak HTTP/2 without TLS (port name h2c), behind clients of both versions. */
import { once } from "node:events";
import http from "node:http";
import http2, { type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import net, { type AddressInfo, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { type More, useGateway } from "../support/gateway-fixture.ts";
import { simpleTable, startApp, until } from "../support/gateway.ts";
import { type Answer, answerOf, ask, connect, settled } from "../support/http2-client.ts";
import { block, code, flag, frame, FramePeer, preface, settings, type, word } from "../support/http2-frames.ts";

import { connectable, connectFields, websocketOn } from "../support/websocket2.ts";

const host = "app.default.localhost";
const get = { ":authority": host, ":path": "/" };
const post = { ...get, ":method": "POST" };
const here = useGateway({ host, start: { threads: 1, limits: { hungMs: 1_000 } } });
const { later } = here;

type Fields = http2.IncomingHttpHeaders;
type Handler = (stream: ServerHttp2Stream, fields: Fields) => void;
let instances = 0;

async function publish(server: net.Server | Http2Server, more: More = {}): Promise<void> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const instance = { id: `h2c-${++instances}`, host: "127.0.0.1", port };
  await here.control.settle(simpleTable(host, [], { protocol: "h2c", ...more, instances: [instance] }));
}

/** An app on Node's HTTP/2. */
async function serve(handler: Handler, more: More = {}, options: http2.ServerOptions = {}) {
  const server = http2.createServer(options);
  const sessions = new Set<ServerHttp2Session>();
  let connections = 0;
  server.on("session", (session) => {
    connections += 1;
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });
  server.on("stream", (stream, fields) => {
    stream.on("error", () => {});
    handler(stream as ServerHttp2Stream, fields);
  });
  await publish(server, more);
  later(() => {
    server.close();
    for (const session of sessions) session.destroy();
  });
  return { sessions, connections: () => connections };
}

/** An app on frames; `begin` is called for each connection, after settings were exchanged. */
async function serveFrames(begin: (peer: FramePeer, connection: number) => void): Promise<void> {
  const sockets: Socket[] = [];
  const server = net.createServer((socket) => {
    sockets.push(socket);
    const peer = new FramePeer(socket, preface.length);
    peer.send(settings());
    begin(peer, sockets.length);
  });
  await publish(server);
  later(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
}

/** Calls for each request that has come whole. */
function onRequests(peer: FramePeer, act: (stream: number) => void): void {
  let seen = 0;
  peer.socket.on("data", () => {
    for (; seen < peer.frames.length; seen++) {
      const one = peer.frames[seen];
      if (one === undefined) return;
      if (one.type === type.settings && (one.flags & flag.ack) === 0) peer.send(frame(type.settings, flag.ack, 0));
      if ((one.type === type.headers || one.type === type.data) && (one.flags & flag.endStream) !== 0) act(one.stream);
    }
  });
}

const okHead = (stream: number): Buffer => frame(type.headers, flag.endHeaders, stream, block([[":status", "200"]]));
const okBody = (stream: number, text: string): Buffer => frame(type.data, flag.endStream, stream, Buffer.from(text));

const echo: Handler = (stream, fields) => {
  let body = "";
  let trailers: Fields = {};
  stream.on("data", (piece: Buffer) => (body += piece.toString()));
  stream.on("trailers", (got: Fields) => (trailers = got));
  stream.on("end", () => {
    if (stream.destroyed) return;
    stream.respond({ ":status": 200, "x-app": "h2c" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": String(body.length) }));
    stream.end(JSON.stringify({ fields, body, trailers }));
  });
};

interface Got {
  status: number;
  fields: http.IncomingHttpHeaders;
  body: string;
  trailers: NodeJS.Dict<string>;
}

/** Asks over HTTP/1.1. */
function ask1(options: http.RequestOptions = {}, send = (req: http.ClientRequest) => void req.end()): Promise<Got> {
  return new Promise((resolve, reject) => {
    const at = { host: "127.0.0.1", port: here.bench.port, agent: false as const };
    const req = http.request({ ...at, ...options, headers: { host, ...(options.headers as object) } });
    req.on("error", reject);
    req.on("response", (res) => {
      let body = "";
      res.on("data", (piece: Buffer) => (body += piece.toString()));
      res.on("error", reject);
      res.on("end", () => resolve({ status: res.statusCode ?? 0, fields: res.headers, body, trailers: res.trailers }));
    });
    send(req);
  });
}

test("requests and answers pass whole from clients of both versions, trailers both ways", async () => {
  await serve(echo);
  const session = connect(here.bench.port);
  const h2 = await ask(session, { ...post, te: "trailers" }, { body: "hello", trailers: { "x-end": "1" } });
  expect(h2).toMatchObject({ status: 200, fields: { "x-app": "h2c" }, trailers: { "x-sum": "5" } });
  const h1 = await ask1({ method: "POST", headers: { te: "trailers", trailer: "x-end" } }, (req) => {
    req.write("hello");
    req.addTrailers({ "x-end": "1" });
    req.end();
  });
  expect(h1).toMatchObject({ status: 200, fields: { "x-app": "h2c" }, trailers: { "x-sum": "5" } });
  for (const { body } of [h2, h1]) {
    expect(JSON.parse(body)).toMatchObject({
      fields: {
        ":method": "POST",
        ":authority": host,
        te: "trailers",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
      },
      body: "hello",
      trailers: { "x-end": "1" },
    });
  }
  expect((await ask1({ method: "HEAD" })).status).toBe(200);
  // On one connection that was of the raw front at first.
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  for (let i = 0; i < 3; i++) expect((await ask1({ agent })).status).toBe(200);
  agent.destroy();
  session.close();
});

test("what HTTP/2 has no place for in a request of HTTP/1.1 is refused", async () => {
  await serve(echo);
  expect((await ask1({ headers: { "http2-settings": "x" } })).status).toBe(400);
  const raw = net.connect(here.bench.port, "127.0.0.1");
  let got = "";
  raw.on("data", (bytes: Buffer) => (got += bytes.toString()));
  raw.write(`POST / HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHTTP2-Settings: x\r\n\r\n`);
  await until(() => got.startsWith("HTTP/1.1 502 "));
  raw.destroy();
  expect((await ask1()).status).toBe(200);
});

test("an HTTP/1.1 client waits for 100 Continue, and gets interim answers", async () => {
  await serve((stream, fields) => {
    stream.additionalHeaders({ ":status": 103, link: "</a>; rel=preload" });
    if (fields["expect"] === "100-continue") stream.additionalHeaders({ ":status": 100 });
    echo(stream, fields);
  });
  const interim: number[] = [];
  const got = await ask1({ method: "POST", headers: { expect: "100-continue" } }, (req) => {
    req.on("information", ({ statusCode }) => interim.push(statusCode));
    req.on("continue", () => req.end("late"));
    req.flushHeaders();
  });
  expect(JSON.parse(got.body)).toMatchObject({ body: "late" });
  expect(interim).toEqual([103, 100]);
});

test("many requests share connections, no more at once than the app takes on one", async () => {
  const open = new Map<http2.Http2Session | undefined, number>();
  let most = 0;
  const app = await serve(
    (stream) => {
      const { session } = stream;
      const count = (open.get(session) ?? 0) + 1;
      open.set(session, count);
      most = Math.max(most, count);
      setTimeout(() => {
        open.set(session, (open.get(session) ?? 0) - 1);
        stream.respond({ ":status": 200 });
        stream.end("ok");
      }, 20);
    },
    {},
    { settings: { maxConcurrentStreams: 10 } },
  );
  const session = connect(here.bench.port);
  const answers = await Promise.all(Array.from({ length: 60 }, () => ask(session, get)));
  expect(answers.filter(({ status, body }) => status === 200 && body === "ok").length).toBe(60);
  expect(most).toBeLessThanOrEqual(10);
  const before = app.connections();
  expect(before).toBeGreaterThan(1);
  for (let i = 0; i < 20; i++) expect((await ask(session, get)).status).toBe(200);
  expect(app.connections()).toBe(before);
  session.close();
});

test("containerConcurrency holds over streams, also after a client has left in the middle", async () => {
  let running = 0;
  let most = 0;
  const ended: string[] = [];
  await serve(
    (stream, fields) => {
      most = Math.max(most, ++running);
      stream.once("close", () => {
        ended.push(`${String(fields[":path"])} ${stream.rstCode ?? 0}`);
        running -= 1;
      });
      stream.resume();
      if (fields[":path"] === "/begun") {
        stream.respond({ ":status": 200 });
        stream.write("x");
        return;
      }
      setTimeout(() => {
        if (stream.destroyed) return;
        stream.respond({ ":status": 200 });
        stream.end("ok");
      }, 5);
    },
    { concurrency: 1 },
  );
  const session = connect(here.bench.port);
  const answers = await Promise.all(Array.from({ length: 30 }, () => ask(session, get)));
  expect(answers.every(({ body }) => body === "ok")).toBe(true);
  ended.length = 0;
  const begun = session.request({ ...get, ":path": "/begun" });
  await new Promise((resolve) => begun.once("data", resolve));
  const next = ask(session, { ...get, ":path": "/next" });
  begun.on("error", () => {});
  begun.close(code.cancel);
  expect((await next).body).toBe("ok");
  await until(() => ended.length === 2);
  expect(ended).toEqual([`/begun ${code.cancel}`, "/next 0"]);
  expect(most).toBe(1);
  session.close();
});

test("an app that closes its connections in turn costs no request, whatever its method", async () => {
  const app = await serve((stream, fields) => echo(stream, fields));
  const session = connect(here.bench.port);
  const failed: Answer[] = [];
  let left = 300;
  const work = async (): Promise<void> => {
    while (left-- > 0) {
      const answer = await ask(session, post, { body: "small" });
      if (answer.status !== 200 || answer.code !== 0) failed.push(answer);
      if (left % 20 === 0) for (const one of app.sessions) one.close();
    }
  };
  await Promise.all(Array.from({ length: 8 }, work));
  expect(failed).toEqual([]);
  expect(app.connections()).toBeGreaterThan(5);
  session.close();
});

test("what the app refused, or didn't look at before it went away, is sent again with its body", async () => {
  const bodies: string[] = [];
  await serveFrames((peer, connection) => {
    onRequests(peer, (stream) => {
      if (connection === 1) return peer.send(frame(type.reset, 0, stream, word(code.refused)));
      // Streams up to 0 were looked at: none.
      if (connection === 2) return peer.send(frame(type.goaway, 0, 0, Buffer.concat([word(0), word(code.internal)])));
      bodies.push(Buffer.concat(peer.of(type.data, stream).map(({ payload }) => payload)).toString());
      peer.send(okHead(stream), okBody(stream, "third"));
    });
  });
  const session = connect(here.bench.port);
  expect(await ask(session, post, { body: "again" })).toMatchObject({ status: 200, body: "third" });
  expect(bodies).toEqual(["again"]);
  session.close();
});

test("a connection that died: what may be repeated is, what may not is 502", async () => {
  let deaths = 0;
  await serveFrames((peer, connection) => {
    onRequests(peer, (stream) => {
      const first = peer.of(type.headers)[0]?.stream === stream;
      // Each connection serves one request and dies with the next.
      if (first || connection > 2) return peer.send(okHead(stream), okBody(stream, `from ${connection}`));
      deaths += 1;
      peer.socket.destroy();
    });
  });
  const session = connect(here.bench.port);
  expect((await ask(session, get)).body).toBe("from 1");
  expect((await ask(session, get)).body).toBe("from 2");
  expect(await ask(session, post, { body: "x" })).toMatchObject({
    status: 502,
    fields: { "elafros-reason": "InstanceBrokeOff" },
  });
  expect(deaths).toBe(2);
  session.close();
});

test.each([
  ["an internal error", code.internal],
  ["no error", code.none],
])("an answer that the app resets with %s isn't whole for anybody", async (_name, how) => {
  await serveFrames((peer) => {
    onRequests(peer, (stream) => {
      peer.send(okHead(stream), frame(type.data, 0, stream, Buffer.from("part")));
      setTimeout(() => peer.send(frame(type.reset, 0, stream, word(how))), 50);
    });
  });
  const session = connect(here.bench.port);
  expect(await ask(session, get)).toMatchObject({ status: 200, body: "part", code: code.internal });
  await expect(ask1()).rejects.toThrow("aborted");
  session.close();
});

test("the app is told at once of a client that left, and never takes its half request for whole", async () => {
  const seen: string[] = [];
  let came = 0;
  await serve((stream, fields) => {
    const name = String(fields[":path"]);
    came += 1;
    stream.resume();
    stream.on("end", () => {
      if (!stream.aborted) seen.push(`${name} whole`);
    });
    stream.on("close", () => seen.push(`${name} closed ${stream.rstCode ?? 0}`));
  });
  const session = connect(here.bench.port);
  const waiting = session.request({ ...get, ":path": "/waits" });
  waiting.on("error", () => {});
  const raw = net.connect(here.bench.port, "127.0.0.1");
  raw.write(`POST /half HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`);
  await until(() => came === 2);
  raw.destroy();
  await until(() => seen.length === 2);
  expect(seen).toEqual(["/waits whole", `/half closed ${code.cancel}`]);
  waiting.close(code.cancel);
  await until(() => seen.length === 3);
  expect(seen[2]).toBe(`/waits closed ${code.cancel}`);
  session.close();
});

test("504 when the app doesn't begin; a limited instance that stays at it is reported", async () => {
  const closed: number[] = [];
  await serve(
    (stream) => {
      stream.resume();
      stream.on("close", () => closed.push(stream.rstCode ?? 0));
    },
    { timeoutMs: 300, concurrency: 1 },
  );
  here.control.hung.length = 0;
  expect(await ask1()).toMatchObject({ status: 504, fields: { "elafros-reason": "ResponseTimeout" } });
  await until(() => here.control.hung.length === 1);
  await until(() => closed.length === 1);
});

test("what can't be: an upgrade, and an app that speaks something else", async () => {
  await serve(echo);
  const socket = new WebSocket(`ws://127.0.0.1:${here.bench.port}/`, { headers: { host } });
  const refusal = await new Promise<http.IncomingMessage>((resolve) => {
    socket.on("unexpected-response", (_req, res) => resolve(res));
    socket.on("error", () => {});
  });
  expect([refusal.statusCode, refusal.headers["elafros-reason"]]).toEqual([501, "UpgradeUnsupported"]);
  const peer = connect(here.bench.port);
  await connectable(peer);
  expect(await answerOf(peer.request(connectFields(host, "/"), { endStream: false }))).toMatchObject({
    status: 501,
    fields: { "elafros-reason": "UpgradeUnsupported" },
  });
  peer.close();
  socket.terminate();
  const wrong = await startApp("http1");
  later(() => wrong.close());
  await here.control.settle(simpleTable(host, [wrong], { protocol: "h2c" }));
  const session = connect(here.bench.port);
  expect(await ask(session, post, { body: "x" })).toMatchObject({
    status: 502,
    fields: { "elafros-reason": "ProtocolMismatch" },
  });
  session.close();
});

/** What a client gets of an upgrade, whatever its version. */
type Open = (path: string, protocols?: string[]) => Promise<WebSocket>;

async function opened(client: WebSocket): Promise<WebSocket> {
  later(() => client.terminate());
  await once(client, "open");
  return client;
}

const openBy1: Open = (path, protocols = []) =>
  opened(new WebSocket(`ws://127.0.0.1:${here.bench.port}${path}`, protocols, { headers: { host } }));

const openBy2: Open = async (path, protocols = []) => {
  const session = connect(here.bench.port);
  later(() => session.destroy());
  await connectable(session);
  return opened(websocketOn(session, { host, path, protocols }).client);
};

/** An app that takes WebSockets on streams (RFC 8441), and sends back what it gets. */
async function serveWebSockets(more: More = {}) {
  const seen: Fields[] = [];
  const sockets: WebSocket[] = [];
  const handler: Handler = (stream, fields) => {
    seen.push(fields);
    if (fields[":path"] === "/no") {
      stream.respond({ ":status": 403 });
      stream.end("no!");
      return;
    }
    const protocol = fields["sec-websocket-protocol"] === undefined ? {} : { "sec-websocket-protocol": "v2" };
    stream.respond({ ":status": 200, ...protocol });
    const socket = serverSide(stream);
    sockets.push(socket);
    socket.on("message", (data, binary) => {
      if (fields[":path"] === "/breaks") stream.close(code.cancel);
      else socket.send(data as Buffer, { binary });
    });
  };
  await serve(handler, more, { settings: { enableConnectProtocol: true } });
  return { seen, sockets };
}

/** As `ws` makes it of a socket that its server has upgraded. */
function serverSide(stream: ServerHttp2Stream): WebSocket {
  const socket = new WebSocket(null as never, undefined, {});
  (socket as unknown as { setSocket(stream: Duplex, head: Buffer, options: object): void }).setSocket(
    stream,
    Buffer.alloc(0),
    { maxPayload: 64 * 1024 * 1024 },
  );
  return socket;
}

test.each([
  ["HTTP/1.1", openBy1],
  ["HTTP/2", openBy2],
])("a WebSocket by %s reaches an app that takes it on a stream", async (_version, open) => {
  const { seen, sockets } = await serveWebSockets({ concurrency: 1 });
  const client = await open("/echo?a=b", ["v1", "v2"]);
  expect(client.protocol).toBe("v2");
  expect(seen[0]).toMatchObject({
    ":method": "CONNECT",
    ":protocol": "websocket",
    ":path": "/echo?a=b",
    ":authority": host,
    "sec-websocket-version": "13",
    "x-forwarded-for": "127.0.0.1",
  });
  for (const name of ["sec-websocket-key", "upgrade", "connection"]) expect(seen[0]?.[name]).toBeUndefined();
  for (const length of [0, 126, 65_536, 1_000_000]) {
    const back = once(client, "message");
    client.send(Buffer.alloc(length, 7));
    const [data] = (await back) as [Buffer];
    expect(data.equals(Buffer.alloc(length, 7))).toBe(true);
  }
  // The only slot is taken, and free again after the end, from either side; one that breaks is one that breaks.
  const closed = once(client, "close");
  client.close(4001, "enough");
  expect(await closed).toEqual([4001, Buffer.from("enough")]);
  const next = await open("/echo");
  const told = once(next, "close");
  sockets.at(-1)?.close(4002, "done");
  expect(await told).toEqual([4002, Buffer.from("done")]);
  const broken = await open("/breaks");
  const cut = once(broken, "close");
  broken.send("break");
  expect((await cut)[0]).toBe(1006);
  await expect(open("/no")).rejects.toThrow("403");
  const last = await open("/echo");
  // The client breaks off: the app hears of it.
  const heard = once(sockets.at(-1) ?? last, "close");
  last.terminate();
  expect((await heard)[0]).toBe(1006);
  await open("/echo");
});

test("bodies wait for whoever is slow, in both directions, and a connection carries on meanwhile", async () => {
  const size = 24 * 1024 * 1024;
  const piece = Buffer.alloc(128 * 1024);
  let written = 0;
  let uploaded = 0;
  const held: ServerHttp2Stream[] = [];
  await serve((stream, fields) => {
    if (fields[":path"] === "/down") {
      stream.respond({ ":status": 200 });
      const more = (): void => {
        while (written < size) {
          written += piece.length;
          if (!stream.write(piece)) return void stream.once("drain", more);
        }
        stream.end();
      };
      more();
    } else if (fields[":path"] === "/up") {
      held.push(stream);
      stream.on("end", () => {
        stream.respond({ ":status": 200 });
        stream.end(String(uploaded));
      });
    } else echo(stream, fields);
  });
  const session = connect(here.bench.port);
  const down = session.request({ ...get, ":path": "/down" });
  await new Promise((resolve) => down.once("response", resolve));
  let offered = 0;
  let reply = "";
  const upload = http.request({
    host: "127.0.0.1",
    port: here.bench.port,
    path: "/up",
    method: "POST",
    headers: { host },
  });
  upload.on("response", (res) => res.on("data", (bytes: Buffer) => (reply += bytes.toString())));
  const offer = (): void => {
    while (offered < size) {
      offered += piece.length;
      if (!upload.write(piece)) return void upload.once("drain", offer);
    }
    upload.end();
  };
  offer();
  await until(() => held.length === 1);
  expect(await settled(() => written)).toBeLessThan(size / 2);
  expect(await settled(() => offered)).toBeLessThan(size / 2);
  expect((await ask(session, get)).status).toBe(200);
  let got = 0;
  down.on("data", (bytes: Buffer) => (got += bytes.length));
  held[0]?.on("data", (bytes: Buffer) => (uploaded += bytes.length));
  await until(() => got === size && reply === String(size));
  session.close();
});

test("connections follow a Route from HTTP/1.1 to h2c and back", async () => {
  const plain = await startApp("plain");
  later(() => plain.close());
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const session = connect(here.bench.port);
  for (let round = 0; round < 2; round++) {
    await here.control.settle(simpleTable(host, [plain]));
    expect((await ask1({ agent })).body).toBe("plain");
    expect((await ask(session, get)).body).toBe("plain");
    await serve(echo);
    expect((await ask1({ agent })).fields["x-app"]).toBe("h2c");
    expect((await ask(session, get)).fields["x-app"]).toBe("h2c");
  }
  agent.destroy();
  session.close();
});
