/** Clients that speak HTTP/2 with prior knowledge, before apps of HTTP/1.1. */
import { once } from "node:events";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import net, { type AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { useGateway } from "../support/gateway-fixture.ts";
import { memoryOf, revisionOf, simpleTable, startApp, until } from "../support/gateway.ts";
import { answerOf, ask, connect, settled } from "../support/http2-client.ts";
import { block, code, flag, frame, frameClient, FramePeer, preface, requestFields } from "../support/http2-frames.ts";
import { settings, type, word } from "../support/http2-frames.ts";
import { startRawApp } from "../support/raw-http.ts";

const host = "app.default.localhost";
const here = useGateway({
  host,
  start: { limits: { headerCount: 60, idleMs: 4_000, headersMs: 2_000, stallMs: 2_000 } },
});
const { serve, later } = here;

const get = { ":authority": host, ":path": "/" };
const post = { ...get, ":method": "POST" };

/** Says what came: method, target, fields, body and trailers. */
const echo: RequestListener = (req, res) => {
  let body = "";
  req.on("data", (piece: Buffer) => (body += piece.toString()));
  req.on("end", () => {
    const { method, url, headers, trailers } = req;
    res.end(JSON.stringify({ method, url, headers, body, trailers }));
  });
};

test("a request arrives whole, and its client is told of as over HTTP/1.1", async () => {
  await serve(echo);
  const session = connect(here.bench.port);
  const fields = { ...post, ":path": "/a?b=c", cookie: ["a=1", "b=2"], "x-forwarded-for": "6.6.6.6", "x-own": "1" };
  const answer = await ask(session, fields, { body: "hello", trailers: { "x-end": "yes", authorization: "evil" } });
  expect(answer.status).toBe(200);
  const seen = JSON.parse(answer.body) as Record<string, Record<string, string>>;
  expect(seen).toMatchObject({ method: "POST", url: "/a?b=c", body: "hello" });
  expect(seen["trailers"]).toEqual({ "x-end": "yes" });
  expect(seen["headers"]).toMatchObject({
    host,
    cookie: "a=1; b=2",
    "x-own": "1",
    "transfer-encoding": "chunked",
    "x-forwarded-for": "127.0.0.1",
    "x-forwarded-host": host,
    "x-forwarded-proto": "http",
  });
  expect(seen["headers"]?.["x-request-id"]).toBe(answer.fields["x-request-id"]);
  // A length that is there stays, and no body is none.
  const sized = await ask(session, { ...post, "content-length": "2" }, { body: "ab" });
  expect((JSON.parse(sized.body) as typeof seen)["headers"]).toMatchObject({ "content-length": "2" });
  const bare = JSON.parse((await ask(session, get)).body) as typeof seen;
  expect(bare["headers"]?.["transfer-encoding"]).toBeUndefined();
  session.close();
});

test("a request that the app may have seen is only sent again if it can be repeated, and what is no answer is 502", async () => {
  const seen: string[] = [];
  const app = await startRawApp("raw", (socket, piece, count) => {
    const [method = "", path = ""] = piece.split(" ");
    seen.push(`${method} ${path} ${count}`);
    if (path === "/none") socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok");
    else if (path === "/part") socket.end("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok");
    // The second request on a connection finds it closing.
    else if (count === 0) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    else socket.destroy();
  });
  later(() => app.close());
  await here.control.settle(simpleTable(host, [app]));
  const session = connect(here.bench.port);
  const outcomes: Record<string, Set<unknown>> = { GET: new Set(), POST: new Set() };
  // Either of the gateway's two threads may have the connection.
  for (let i = 0; i < 8; i++)
    for (const method of ["GET", "POST"])
      outcomes[method]?.add((await ask(session, { ...get, ":method": method })).status);
  expect([...(outcomes["GET"] ?? [])]).toEqual([200]);
  // On a new connection 200, on one that was used before 502, but never twice.
  expect([...(outcomes["POST"] ?? [])].filter((status) => status !== 200)).toEqual([502]);
  expect(seen.filter((one) => one.startsWith("POST")).length).toBe(8);
  expect((await ask(session, { ...get, ":path": "/none" })).status).toBe(502);
  // Reset, not ended: what came isn't the whole.
  expect((await ask(session, { ...get, ":path": "/part" })).code).not.toBe(0);
  session.close();
});

test("answers arrive whole: interim ones, fields that stand twice, trailers, and those without a body", async () => {
  await serve((req, res) => {
    if (req.url === "/empty" || req.url === "/same") {
      res.writeHead(req.url === "/empty" ? 204 : 304, { etag: '"1"' }).end();
      return;
    }
    res.writeEarlyHints({ link: "</a.css>; rel=preload" });
    res.writeHead(200, { "set-cookie": ["a=1", "b=2"], connection: "x-gone", "x-gone": "1" });
    res.write("body");
    res.addTrailers({ "x-sum": "4" });
    res.end();
  });
  const session = connect(here.bench.port);
  const stream = session.request(get);
  const hints: unknown[] = [];
  stream.on("headers", (fields) => hints.push([fields[":status"], fields["link"]]));
  const answer = await answerOf(stream);
  expect(hints).toEqual([[103, "</a.css>; rel=preload"]]);
  expect(answer).toMatchObject({ status: 200, body: "body", trailers: { "x-sum": "4" }, code: 0 });
  expect(answer.fields["set-cookie"]).toEqual(["a=1", "b=2"]);
  expect(answer.fields["x-gone"]).toBeUndefined();
  expect(await ask(session, { ...get, ":method": "HEAD" })).toMatchObject({ status: 200, body: "" });
  expect(await ask(session, { ...get, ":path": "/empty" })).toMatchObject({ status: 204, body: "" });
  expect(await ask(session, { ...get, ":path": "/same" })).toMatchObject({ status: 304, body: "" });
  session.close();
});

test("an app that sends interim answers without end, to a client that takes none, doesn't fill the gateway's memory", async () => {
  const hint = `HTTP/1.1 103 Early Hints\r\nLink: <${"x".repeat(4_000)}>\r\n\r\n`.repeat(256);
  let sent = 0;
  const app = await startRawApp("raw", (socket) => {
    const more = (): void => {
      // 96 MiB, then the answer.
      for (; sent < 96;) {
        sent += 1;
        if (!socket.write(hint)) return;
      }
      socket.removeListener("drain", more).end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    };
    socket.on("drain", more);
    more();
  });
  later(() => app.close());
  await here.control.settle(simpleTable(host, [app]));
  const before = memoryOf(here.gateway);
  const peer = await frameClient(here.bench.port);
  peer.socket.pause();
  peer.send(frame(type.headers, flag.endHeaders | flag.endStream, 1, block(requestFields(host))));
  await until(() => sent === 96);
  await settled(() => sent);
  expect(memoryOf(here.gateway) - before).toBeLessThan(64);
  peer.socket.resume();
  await until(() => peer.ended(1));
  expect(Buffer.concat(peer.of(type.data, 1).map(({ payload }) => payload)).toString()).toBe("ok");
  // Some pass.
  expect(peer.of(type.headers, 1).length).toBeGreaterThan(2);
  peer.socket.destroy();
});

test("what HTTP/2 has no place for in an app's answer is left out, or the answer refused", async () => {
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (bytes: Buffer) => {
      const odd = "HTTP2-Settings: x\r\n";
      const interim = `HTTP/1.1 103 Early Hints\r\n${odd}\r\nHTTP/1.1 199 What\r\n\r\n`;
      const end = bytes.includes("/odd") ? odd : bytes.includes("/trailer") ? "Transfer-Encoding: chunked\r\n" : "";
      const body = end.startsWith("T") ? `0\r\n${odd}\r\n` : "";
      socket.write(`${interim}HTTP/1.1 200 OK\r\n${end === "" ? "Content-Length: 0\r\n" : end}\r\n${body}`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await here.control.settle(simpleTable(host, [], { instances: [{ id: "odd", host: "127.0.0.1", port }] }));
  const session = connect(here.bench.port);
  expect(await ask(session, get)).toMatchObject({ status: 200, code: 0 });
  expect(await ask(session, { ...get, ":path": "/odd" })).toMatchObject({ status: 502 });
  expect(await ask(session, { ...get, ":path": "/trailer" })).toMatchObject({ status: 200, code: code.internal });
  session.close();
  server.close();
});

test("100 Continue comes when the app says so", async () => {
  const app = await serve(echo);
  app.server.on("checkContinue", (req, res) => {
    res.writeContinue();
    echo(req, res);
  });
  const session = connect(here.bench.port);
  const stream = session.request({ ...post, expect: "100-continue" });
  stream.on("continue", () => stream.end("now"));
  const answer = await answerOf(stream);
  expect(JSON.parse(answer.body)).toMatchObject({ body: "now" });
  session.close();
});

test("what isn't served is answered: unknown hosts, two hosts, CONNECT, too many or too long fields", async () => {
  await serve(echo);
  const session = connect(here.bench.port);
  const reason = async (fields: object): Promise<string> => {
    const answer = await ask(session, { ...get, ...fields });
    return `${answer.status} ${String(answer.fields["elafros-reason"])}`;
  };
  expect(await reason({ ":authority": "none.localhost" })).toBe("404 HostUnknown");
  expect(await reason({ host: "other.localhost" })).toBe("400 BadHost");
  expect(await reason({ host })).toBe("200 undefined");
  expect(await reason({ ":authority": "two,hosts" })).toBe("400 BadHost");
  const many = Object.fromEntries(Array.from({ length: 70 }, (_, i) => [`x-${i}`, "1"]));
  expect(await reason(many)).toBe("431 FieldsTooLarge");
  expect(await reason({ "x-long": "x".repeat(40_000) })).toBe("431 FieldsTooLarge");
  const tunnel = session.request({ ":method": "CONNECT", ":authority": "other.localhost:443" });
  expect(await answerOf(tunnel)).toMatchObject({ status: 405 });
  expect((await ask(session, get)).status).toBe(200);
  session.close();
});

test("the preface may come in any pieces, and what comes with it isn't lost", async () => {
  await serve(echo);
  const request = frame(type.headers, flag.endHeaders | flag.endStream, 1, block(requestFields(host, "/first")));
  const bytes = Buffer.concat([preface, settings(), request]);
  for (let cut = 1; cut <= preface.length + 12; cut++) {
    const peer = new FramePeer(net.connect(here.bench.port, "127.0.0.1"));
    peer.socket.setNoDelay(true);
    peer.send(bytes.subarray(0, cut));
    await new Promise((resolve) => setTimeout(resolve, 2));
    peer.send(bytes.subarray(cut));
    await until(() => peer.ended(1));
    expect(Buffer.concat(peer.of(type.data, 1).map(({ payload }) => payload)).toString()).toContain('"/first"');
    peer.socket.destroy();
  }
});

test("limits hold for streams as for connections: one at a time, in order, and 504 or 503 that names which", async () => {
  let running = 0;
  let most = 0;
  const app = await serve(
    (req, res) => {
      most = Math.max(most, ++running);
      const done = (): void => {
        running -= 1;
        res.end(req.url);
      };
      if (req.url === "/slow") setTimeout(done, 1_500);
      else setTimeout(done, 5);
    },
    { concurrency: 1, timeoutMs: 20_000 },
  );
  const session = connect(here.bench.port);
  const all = await Promise.all(Array.from({ length: 50 }, (_, i) => ask(session, { ...get, ":path": `/${i}` })));
  expect(all.map(({ body }) => body)).toEqual(Array.from({ length: 50 }, (_, i) => `/${i}`));
  expect(most).toBe(1);
  await here.control.settle(simpleTable(host, [app], { concurrency: 1, timeoutMs: 700 }));
  const grpc = { "content-type": "application/grpc+proto", te: "trailers" };
  const [slow, waits] = await Promise.all([
    ask(session, { ...post, ":path": "/slow", ...grpc }, { body: "x" }),
    ask(session, { ...get, ":path": "/slow" }),
  ]);
  expect(slow).toMatchObject({ status: 200, fields: { "grpc-status": "4", "elafros-reason": "ResponseTimeout" } });
  expect(waits).toMatchObject({ status: 503, fields: { "elafros-reason": "Overloaded", "retry-after": "1" } });
  await until(() => running === 0);
  session.close();
});

test("the split is exact over streams, and what became of them is counted", async () => {
  const one = await serve((_req, res) => void res.end("one"));
  const two = await startApp("two", (_req, res) => void res.end("two"));
  later(() => two.close());
  here.control.outcomes.length = 0;
  await here.control.settle({
    hosts: {
      [host]: {
        route: "default/split",
        targets: [
          { revision: "default/one", percent: 93 },
          { revision: "default/two", percent: 7 },
        ],
      },
    },
    revisions: { "default/one": revisionOf([one]), "default/two": revisionOf([two]) },
  });
  const sessions = [connect(here.bench.port), connect(here.bench.port)];
  const asked = Array.from({ length: 200 }, (_, i) => sessions[i % 2]).map((session) =>
    session === undefined ? Promise.reject(new Error("no session")) : ask(session, get),
  );
  const bodies = (await Promise.all(asked)).map(({ body }) => body);
  expect(bodies.filter((body) => body === "two").length).toBe(14);
  const counted = (): number =>
    here.control.outcomes
      .filter(({ route }) => route === "default/split")
      .reduce((sum, { codes }) => sum + (codes[200] ?? 0), 0);
  await until(() => counted() === 200);
  for (const session of sessions) session.close();
});

test("events flow one by one, and aren't cut by the response timeout", async () => {
  const sent: (() => void)[] = [];
  await serve(
    (_req, res) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.flushHeaders();
      sent.push(() => res.write("data: x\n\n"));
      sent.push(() => res.end());
    },
    { timeoutMs: 300 },
  );
  const session = connect(here.bench.port);
  const stream = session.request(get);
  let got = "";
  stream.on("data", (piece: Buffer) => (got += piece.toString()));
  await until(() => sent.length === 2);
  await new Promise((resolve) => setTimeout(resolve, 600));
  for (let i = 1; i <= 3; i++) {
    sent[0]?.();
    await until(() => got.length === i * "data: x\n\n".length);
  }
  sent[1]?.();
  await until(() => stream.closed);
  expect(stream.rstCode).toBe(0);
  session.close();
});

const size = 64 * 1024 * 1024;
const piece = Buffer.alloc(256 * 1024, "x");

test("a download waits for its client, and an upload for its app, while others on the connection go on", async () => {
  let written = 0;
  let uploaded = 0;
  const held: IncomingMessage[] = [];
  await serve((req, res) => {
    if (req.url === "/up") {
      held.push(req);
      req.on("end", () => res.end(String(uploaded)));
    } else if (req.url === "/down") {
      const more = (): void => {
        while (written < size) {
          written += piece.length;
          if (!res.write(piece)) return void res.once("drain", more);
        }
        res.end();
      };
      more();
    } else res.end("quick");
  });
  const before = memoryOf(here.gateway);
  const session = connect(here.bench.port);
  const down = session.request({ ...get, ":path": "/down" });
  const headed = new Promise((resolve) => down.once("response", resolve));
  down.pause();
  const up = session.request({ ...post, ":path": "/up" });
  let offered = 0;
  const offer = (): void => {
    while (offered < size) {
      offered += piece.length;
      if (!up.write(piece)) return void up.once("drain", offer);
    }
    up.end();
  };
  offer();
  const uploadAnswer = answerOf(up);
  await headed;
  await until(() => held.length === 1);
  expect(await settled(() => written)).toBeLessThan(size / 3);
  expect(await settled(() => offered)).toBeLessThan(size / 3);
  expect(await ask(session, get)).toMatchObject({ body: "quick" });
  let got = 0;
  down.on("data", (bytes: Buffer) => (got += bytes.length));
  down.resume();
  held[0]?.on("data", (bytes: Buffer) => (uploaded += bytes.length));
  await until(() => got === size);
  expect((await uploadAnswer).body).toBe(String(size));
  // Of 128 MiB that passed. V8 lets 64 MiB of buffers come together before it looks for those that nobody has any more.
  expect(memoryOf(here.gateway) - before).toBeLessThan(80);
  session.close();
});

test("as many answers as fit on a connection may stand still: they hold little, and others on it are served", async () => {
  const stuck = 127;
  const each = 1024 * 1024;
  await serve((req, res) => {
    // The first piece isn't as much as is held, so that the next comes on top of it.
    if (req.url === "/stuck") res.write("x".repeat(15_000), () => res.end(Buffer.alloc(each)));
    else res.end();
  });
  const before = memoryOf(here.gateway);
  // Nothing of a body may be sent, on any stream.
  const session = connect(here.bench.port, { settings: { initialWindowSize: 0 } });
  const heads = Array.from({ length: stuck }, () => {
    const stream = session.request({ ...get, ":path": "/stuck" });
    stream.on("error", () => {});
    return once(stream, "response");
  });
  await Promise.all(heads);
  for (let i = 0; i < 20; i++) {
    expect(await ask(session, { ...get, ":method": "HEAD" })).toMatchObject({ status: 200, code: 0 });
  }
  // Of 127 MiB that wait.
  expect(memoryOf(here.gateway) - before).toBeLessThan(64);
  session.destroy();
});

test("what an app breaks off can't be taken for whole; nor what a client does", async () => {
  const seen: string[] = [];
  let halves = 0;
  await serve((req, res) => {
    if (req.url === "/up") {
      req.once("data", () => (halves += 1));
      req.resume();
      req.on("end", () => seen.push("whole"));
      req.on("close", () => seen.push(req.complete ? "complete" : "broken"));
      return;
    }
    res.write("part");
    setTimeout(() => res.destroy(), 50);
  });
  const peer = await frameClient(here.bench.port);
  peer.send(frame(type.headers, flag.endHeaders | flag.endStream, 1, block(requestFields(host))));
  const reset = await peer.wait(type.reset, 1);
  expect(reset.payload.readUInt32BE()).toBe(code.internal);
  expect(peer.ended(1)).toBe(false);
  for (const [stream, how] of [
    [3, code.cancel],
    [5, code.none],
  ] as const) {
    seen.length = 0;
    peer.send(frame(type.headers, flag.endHeaders, stream, block(requestFields(host, "/up", [[":method", "POST"]]))));
    const before = halves;
    peer.send(frame(type.data, 0, stream, Buffer.from("half")));
    await until(() => halves > before);
    peer.send(frame(type.reset, 0, stream, word(how)));
    await until(() => seen.length > 0);
    expect(seen).toEqual(["broken"]);
  }
  peer.socket.destroy();
});

test("a limited app that lacks a part of a body whose client has gone is told, also where all of it had come to the gateway", async () => {
  let upload: net.Socket | undefined;
  let told = false;
  const app = await startRawApp("raw", (socket, said) => {
    if (said.startsWith("POST")) {
      upload = socket.once("end", () => (told = true));
      socket.pause();
    } else if (socket !== upload) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  later(() => app.close());
  await here.control.settle(simpleTable(host, [app], { concurrency: 1 }));
  const before = here.control.hung.length;
  const peer = await frameClient(here.bench.port);
  peer.send(frame(type.headers, flag.endHeaders, 1, block(requestFields(host, "/", [[":method", "POST"]]))));
  const bytes = Buffer.alloc(16_384, "x");
  let sent = 0;
  // Both windows, that of the stream and that of the connection, begin with as much (RFC 9113 §6.9.2).
  const window = (stream: number): number =>
    peer.of(type.windowUpdate, stream).reduce((sum, { payload }) => sum + payload.readUInt32BE(), 65_535);
  await settled(() => {
    for (; Math.min(window(0), window(1)) - sent >= bytes.length; sent += bytes.length)
      peer.send(frame(type.data, 0, 1, bytes));
    return sent;
  });
  peer.send(frame(type.data, flag.endStream, 1), frame(type.ping, 0, 0, Buffer.alloc(8)));
  await until(() => peer.of(type.ping).length === 1);
  peer.send(frame(type.reset, 0, 1, word(code.cancel)));
  upload?.resume();
  await until(() => told);
  expect(here.control.hung.length).toBe(before);
  const session = connect(here.bench.port);
  expect(await ask(session, get)).toMatchObject({ status: 200, body: "ok" });
  session.close();
  peer.socket.destroy();
});

test("an answer before the body's end stops the upload, and only that", async () => {
  await serve((req, res) => {
    if (req.url !== "/no") return echo(req, res);
    res.writeHead(413);
    res.end("too large");
  });
  const session = connect(here.bench.port);
  const stream = session.request({ ...post, ":path": "/no" });
  stream.write(piece);
  expect(await answerOf(stream)).toMatchObject({ status: 413, body: "too large", code: 0 });
  expect((await ask(session, get)).status).toBe(200);
  session.close();
});

test("a client that takes nothing of its answer is reset after a while, and holds up nobody", async () => {
  await serve((_req, res) => void res.end("x".repeat(1_000)));
  // SETTINGS_INITIAL_WINDOW_SIZE 0: nothing may be sent.
  const peer = await frameClient(here.bench.port, { 4: 0 });
  peer.send(frame(type.headers, flag.endHeaders | flag.endStream, 1, block(requestFields(host))));
  await peer.wait(type.headers, 1);
  const other = connect(here.bench.port);
  expect((await ask(other, get)).status).toBe(200);
  other.close();
  const reset = await peer.wait(type.reset, 1);
  expect(reset.payload.readUInt32BE()).toBe(code.cancel);
  peer.socket.destroy();
});

test("idle connections are ended with GOAWAY, those whose preface stays half with 408 or closed", async () => {
  const idle = await frameClient(here.bench.port);
  const silent = new FramePeer(net.connect(here.bench.port, "127.0.0.1"));
  silent.send(preface);
  const half = net.connect(here.bench.port, "127.0.0.1");
  let got = "";
  half.on("data", (bytes: Buffer) => (got += bytes.toString()));
  half.write(preface.subarray(0, 10));
  const goaway = await idle.wait(type.goaway);
  expect(goaway.payload.readUInt32BE(4)).toBe(code.none);
  await until(() => idle.closed && silent.closed);
  await until(() => got.startsWith("HTTP/1.1 408 "));
  half.destroy();
});

test("a gateway that ends says up to where it has served, and finishes that", async () => {
  const held: ServerResponse[] = [];
  await serve((_req, res) => void held.push(res));
  const peer = await frameClient(here.bench.port);
  const idle = await frameClient(here.bench.port);
  peer.send(frame(type.headers, flag.endHeaders | flag.endStream, 1, block(requestFields(host, "/held"))));
  await until(() => held.length === 1);
  here.gateway.process.kill("SIGTERM");
  const goaway = await peer.wait(type.goaway);
  expect([goaway.payload.readUInt32BE(0), goaway.payload.readUInt32BE(4)]).toEqual([1, code.none]);
  await until(() => idle.closed);
  held[0]?.end("done");
  await until(() => peer.ended(1));
  expect(await here.gateway.exited).toBe(0);
  here.gateway = await here.bench.start();
});
