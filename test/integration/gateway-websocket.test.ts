/**
 * WebSockets through the gateway, with `ws` on both ends (RFC 6455, RFC 7692), by clients of HTTP/1.1 and of HTTP/2 (RFC 8441): the gateway joins
 * connections and reads none of it.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from "node:http2";
import net, { type AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { acceptOf } from "../../src/gateway/http/upgrade.ts";
import { type More, useGateway } from "../support/gateway-fixture.ts";
import { simpleTable, until } from "../support/gateway.ts";
import { answerOf, ask, connect, settled } from "../support/http2-client.ts";
import { connectable, connectFields, websocketOn } from "../support/websocket2.ts";

const host = "ws.default.localhost";
const here = useGateway({ host });
let server: Server;
let sockets: WebSocketServer;
let port = 0;
let session: ClientHttp2Session;
const clients: WebSocket[] = [];

beforeAll(async () => {
  server = createServer((_req, res) => void res.end("plain"));
  sockets = new WebSocketServer({
    server,
    perMessageDeflate: { threshold: 0 },
    handleProtocols: (offered) => ([...offered].includes("v2") ? "v2" : false),
    maxPayload: 64 * 1024 * 1024,
  });
  sockets.on("connection", (socket, req) => {
    if (req.url !== "/echo") return;
    socket.on("message", (data, binary) => socket.send(data as Buffer, { binary }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ({ port } = server.address() as AddressInfo);
  await settle();
  session = connect(here.bench.port);
});
afterAll(async () => {
  session.destroy();
  for (const socket of sockets.clients) socket.terminate();
  sockets.close();
  server.close();
});
afterEach(() => {
  for (const client of clients.splice(0)) client.terminate();
});

const settle = (more: More = {}): Promise<void> =>
  here.control.settle(simpleTable(host, [], { instances: [{ id: "ws", host: "127.0.0.1", port }], ...more }));

type Join = (path: string, options?: object, protocols?: string[]) => Promise<[WebSocket, WebSocket]>;

/** A client that is connected, and the app's end of it. */
async function joined(open: () => WebSocket): Promise<[WebSocket, WebSocket]> {
  const app = new Promise<WebSocket>((resolve) => sockets.once("connection", resolve));
  const client = open();
  clients.push(client);
  await new Promise((resolve, reject) => {
    client.once("open", resolve);
    client.once("error", reject);
  });
  return [client, await app];
}

const joinBy1: Join = (path, options = {}, protocols = []) =>
  joined(() => new WebSocket(`ws://127.0.0.1:${here.bench.port}${path}`, protocols, { headers: { host }, ...options }));

/** All on one connection. */
const joinBy2: Join = async (path, options = {}, protocols = []) => {
  await connectable(session);
  return joined(() => websocketOn(session, { host, path, options, protocols }).client);
};

describe.each([
  ["HTTP/1.1", joinBy1],
  ["HTTP/2", joinBy2],
])("over %s", (_version, join) => {
  test.each([
    ["as they are", false],
    ["deflated", true],
  ])("messages of all lengths come back %s, text and binary", async (_name, perMessageDeflate) => {
    const [client] = await join("/echo", { perMessageDeflate });
    expect(client.extensions.includes("permessage-deflate")).toBe(perMessageDeflate);
    // The lengths at which the form of a frame's length changes, and beyond one read.
    for (const length of [0, 1, 125, 126, 65_535, 65_536, 1_000_000]) {
      for (const binary of [false, true]) {
        const sent = binary ? randomBytes(length) : Buffer.from("ü".repeat(length));
        const back = new Promise<[Buffer, boolean]>((resolve) =>
          client.once("message", (data, isBinary) => resolve([data as Buffer, isBinary])),
        );
        client.send(binary ? sent : sent.toString());
        const [data, isBinary] = await back;
        expect([data.equals(sent), isBinary]).toEqual([true, binary]);
      }
    }
  });

  test("fragments, and what comes between them, arrive as they were sent", async () => {
    const [client, app] = await join("/quiet");
    const seen: string[] = [];
    app.on("message", (data) => seen.push((data as Buffer).toString()));
    app.on("ping", (data) => seen.push(`ping ${data.toString()}`));
    client.on("pong", (data) => seen.push(`pong ${data.toString()}`));
    client.send("one ", { fin: false });
    client.ping("between");
    await until(() => seen.includes("pong between"));
    client.send("two ", { fin: false });
    client.send("", { fin: false });
    client.send("three", { fin: true });
    await until(() => seen.length === 3);
    expect(seen).toEqual(["ping between", "pong between", "one two three"]);
    // And the other way round, unasked pongs too.
    const got: string[] = [];
    client.on("ping", (data) => got.push(`ping ${data.toString()}`));
    client.on("message", (data) => got.push((data as Buffer).toString()));
    client.on("pong", (data) => got.push(`pong ${data.toString()}`));
    app.ping("p".repeat(125));
    app.pong("alone");
    app.send("a", { fin: false });
    app.send("b");
    await until(() => got.length === 3);
    expect(got).toEqual([`ping ${"p".repeat(125)}`, "pong alone", "ab"]);
  });

  test.each([1000, 1001, 1008, 1011, 3000, 4999])(
    "close code %i and its reason arrive, from either side",
    async (code) => {
      for (const closer of [0, 1]) {
        const ends = await join("/quiet");
        const closed = ends.map(
          (end) => new Promise((resolve) => end.once("close", (got, reason) => resolve([got, reason.toString()]))),
        );
        ends[closer]?.close(code, "because");
        expect(await Promise.all(closed)).toEqual([
          [code, "because"],
          [code, "because"],
        ]);
      }
    },
  );

  test("an end without a close is told to the other side as one", async () => {
    for (const leaver of [0, 1]) {
      const ends = await join("/quiet");
      const other = ends[1 - leaver];
      const closed = new Promise((resolve) => other?.once("close", resolve));
      ends[leaver]?.terminate();
      expect(await closed).toBe(1006);
    }
  });

  test("a subprotocol is agreed on between the ends; the client's address and host are told", async () => {
    const request = new Promise<Record<string, unknown>>((resolve) =>
      sockets.once("connection", (_socket, req) => resolve(req.headers)),
    );
    const [client] = await join("/quiet", { headers: { host, "x-forwarded-for": "6.6.6.6" } }, ["v1", "v2"]);
    expect(client.protocol).toBe("v2");
    expect(await request).toMatchObject({
      host,
      "x-forwarded-for": "127.0.0.1",
      connection: "Upgrade",
      upgrade: "websocket",
    });
    expect((await request)["x-forwarded-proto"]).toBe("http");
  });

  test("a connection outlives the response timeout, counts against the limit, and frees its slot at its end", async () => {
    await settle({ timeoutMs: 300, concurrency: 1 });
    const [client] = await join("/echo");
    await new Promise((resolve) => setTimeout(resolve, 600));
    const back = new Promise((resolve) => client.once("message", resolve));
    client.send("still there");
    expect(String(await back)).toBe("still there");
    await expect(join("/echo")).rejects.toThrow("503");
    client.close();
    const [next] = await join("/echo");
    next.close();
    await settle();
  });

  test("whoever doesn't read holds up who writes, in both directions, until it reads on", async () => {
    const [client, app] = await join("/quiet", { perMessageDeflate: false });
    const piece = randomBytes(256 * 1024);
    const total = 100;
    for (const [from, to] of [
      [client, app],
      [app, client],
    ] as const) {
      let left = 0;
      let came = 0;
      to.on("message", (data) => (came += (data as Buffer).length));
      to.pause();
      for (let i = 0; i < total; i++) from.send(piece, () => (left += 1));
      expect(await settled(() => left)).toBeLessThan(total / 2);
      to.resume();
      await until(() => came === total * piece.length);
    }
  });
});

test("what a client sends right behind its request reaches the app after the upgrade", async () => {
  const app = new Promise<WebSocket>((resolve) => sockets.once("connection", resolve));
  const socket = net.connect(here.bench.port, "127.0.0.1");
  const fields = `Host: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n`;
  // A masked text frame "hi" with a mask of zeros.
  const frame = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]);
  const head = `GET /quiet HTTP/1.1\r\n${fields}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;
  socket.write(Buffer.concat([Buffer.from(head), frame]));
  const message = await new Promise((resolve) => void app.then((end) => end.once("message", resolve)));
  expect(String(message)).toBe("hi");
  socket.destroy();
});

/** An app of HTTP/1.1 on bare sockets, which answers each handshake as `answer` says, with the key that it got. */
async function serveRaw(answer: (key: string, socket: net.Socket) => void, more: object = {}): Promise<() => void> {
  const open = new Set<net.Socket>();
  const raw = net.createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.on("error", () => {});
    socket.once("data", (bytes: Buffer) =>
      answer(/^sec-websocket-key: (.*)\r$/im.exec(bytes.toString())?.[1] ?? "", socket),
    );
  });
  await new Promise<void>((resolve) => raw.listen(0, "127.0.0.1", resolve));
  const { port: at } = raw.address() as AddressInfo;
  await settle({ instances: [{ id: `raw-${at}`, host: "127.0.0.1", port: at }], ...more });
  return () => {
    raw.close();
    for (const socket of open) socket.destroy();
  };
}

const switching = (key: string, more = ""): string =>
  `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${acceptOf(key)}\r\n${more}\r\n`;

describe("an extended CONNECT", () => {
  test("is answered with 200 and what the ends agreed on, without what is of HTTP/1.1", async () => {
    await connectable(session);
    const seen = new Promise<IncomingMessage>((resolve) => sockets.once("connection", (_socket, req) => resolve(req)));
    const offered = { "sec-websocket-protocol": "v1, v2", "sec-websocket-extensions": "permessage-deflate" };
    const stream = session.request(connectFields(host, "/quiet?a=b", { ...offered, origin: "https://x.test" }));
    const [fields] = (await once(stream, "response")) as [IncomingHttpHeaders];
    expect(fields).toMatchObject({
      ":status": 200,
      "sec-websocket-protocol": "v2",
      "sec-websocket-extensions": "permessage-deflate",
    });
    for (const name of ["sec-websocket-accept", "upgrade", "connection"]) expect(fields[name]).toBeUndefined();
    const { method, url, headers } = await seen;
    expect([method, url, headers.origin]).toEqual(["GET", "/quiet?a=b", "https://x.test"]);
    expect(headers["x-request-id"]).toBe(fields["x-request-id"]);
    expect(headers["transfer-encoding"]).toBeUndefined();
    stream.close();
  });

  test("that the app declines has the app's answer, whole, and its stream is over", async () => {
    const close = await serveRaw((_key, socket) => {
      socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\nX-Why: no\r\n\r\nno!");
    });
    const stream = session.request(connectFields(host, "/"), { endStream: false });
    stream.write("early");
    expect(await answerOf(stream)).toMatchObject({ status: 403, body: "no!", code: 0, fields: { "x-why": "no" } });
    close();
    await settle();
  });

  test.each([
    ["a 200 that would pass for an agreement", () => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"],
    ["a proof for another key", () => switching("other")],
    ["another protocol", (key: string) => switching(key).replace("Upgrade: websocket", "Upgrade: other")],
  ])("that the app answers with %s is 502, and its slot is free again", async (_name, text) => {
    const close = await serveRaw((key, socket) => void socket.write(text(key)), { concurrency: 1 });
    for (let i = 0; i < 2; i++) {
      expect(await answerOf(session.request(connectFields(host, "/"), { endStream: false }))).toMatchObject({
        status: 502,
        fields: { "elafros-reason": "BadHandshake" },
        code: 0,
      });
    }
    close();
    await settle();
  });

  test("that can't be served is answered: unknown hosts and protocols, an end before the beginning, plain CONNECT", async () => {
    await settle();
    const reason = async (fields: OutgoingHttpHeaders, endStream = false): Promise<string> => {
      const answer = await answerOf(session.request(fields, { endStream }));
      return `${answer.status} ${String(answer.fields["elafros-reason"])} ${answer.code}`;
    };
    expect(await reason(connectFields("none.localhost", "/"))).toBe("404 HostUnknown 0");
    expect(await reason(connectFields(host, "/", { ":protocol": "connect-udp" }))).toBe("501 ProtocolUnknown 0");
    expect(await reason(connectFields(host, "/"), true)).toBe("400 BadRequest 0");
    expect(await reason({ ":method": "CONNECT", ":authority": `${host}:80` })).toBe("405 MethodNotAllowed 0");
    // With another method it is no request at all.
    const other = connect(here.bench.port);
    await connectable(other);
    const malformed = other.request({ ...connectFields(host, "/"), ":method": "GET" });
    expect(await answerOf(malformed)).toMatchObject({ status: 0, code: constants.NGHTTP2_PROTOCOL_ERROR });
    other.destroy();
  });

  test("ends as its other side does: an end is an end, and a reset a reset", async () => {
    const ends: string[] = [];
    const apps: net.Socket[] = [];
    const close = await serveRaw((key, socket) => {
      apps.push(socket);
      socket.write(switching(key));
      socket.on("end", () => ends.push("end"));
      socket.on("close", () => ends.push("close"));
    });
    const open = async (): Promise<[ClientHttp2Stream, net.Socket]> => {
      const stream = session.request(connectFields(host, "/"), { endStream: false });
      stream.on("error", () => {});
      stream.resume();
      await once(stream, "response");
      const app = apps.at(-1);
      if (app === undefined) throw new Error("The app has no connection");
      return [stream, app];
    };
    // The app ends.
    const [first, firstApp] = await open();
    firstApp.end("bye");
    await once(first, "end");
    first.end();
    await until(() => ends.length === 2);
    expect([ends, first.rstCode]).toEqual([["end", "close"], 0]);
    // The client ends, and still hears the app.
    const [second, secondApp] = await open();
    second.end();
    await until(() => ends.length === 3);
    const last = new Promise((resolve) => second.once("data", (bytes: Buffer) => resolve(bytes.toString())));
    const closed = once(second, "close");
    secondApp.end("bye");
    expect(await last).toBe("bye");
    await closed;
    expect(second.rstCode).toBe(0);
    // The app breaks off.
    const [third, thirdApp] = await open();
    thirdApp.resetAndDestroy();
    await once(third, "close");
    expect(third.rstCode).toBe(constants.NGHTTP2_CANCEL);
    // The client does.
    ends.length = 0;
    const [fourth, fourthApp] = await open();
    fourth.close(constants.NGHTTP2_CANCEL);
    await until(() => ends.includes("end"));
    fourthApp.end();
    await until(() => ends.includes("close"));
    close();
    await settle();
  });

  test("whose client leaves before the app has answered gives its slot back", async () => {
    const waiting: [string, net.Socket][] = [];
    here.control.outcomes.length = 0;
    const close = await serveRaw((key, socket) => void waiting.push([key, socket]), { concurrency: 1 });
    const first = session.request(connectFields(host, "/"), { endStream: false });
    first.on("error", () => {});
    await until(() => waiting.length === 1);
    first.close(constants.NGHTTP2_CANCEL);
    await until(() => counted(499) === 1);
    const second = session.request(connectFields(host, "/"), { endStream: false });
    // The app agrees too late: its connection is closed.
    const [key = "", app] = waiting[0] ?? [];
    app?.write(switching(key));
    await until(() => waiting.length === 2);
    const [secondKey = "", secondApp] = waiting[1] ?? [];
    secondApp?.write(switching(secondKey));
    const [fields] = (await once(second, "response")) as [IncomingHttpHeaders];
    expect(fields[":status"]).toBe(200);
    second.close();
    close();
    await settle();
  });

  test("waits its time for the app and no longer, and is counted as what it was answered", async () => {
    const close = await serveRaw(() => {}, { timeoutMs: 200 });
    here.control.outcomes.length = 0;
    expect(await answerOf(session.request(connectFields(host, "/"), { endStream: false }))).toMatchObject({
      status: 504,
      fields: { "elafros-reason": "ResponseTimeout" },
      code: 0,
    });
    await settle();
    await until(() => counted(504) === 1);
    here.control.outcomes.length = 0;
    const [client] = await joinBy2("/quiet");
    await until(() => counted(200) === 1);
    client.terminate();
    close();
  });

  test("shares its connection with a hundred others and with requests, each at its own pace", async () => {
    const joins = await Promise.all(Array.from({ length: 100 }, () => websocketsOf("/echo")));
    // One that doesn't read, with more on the way to it than any window has.
    const [deaf] = joins;
    deaf?.pause();
    for (let i = 0; i < 30; i++) deaf?.send(randomBytes(256 * 1024));
    const backs = joins.slice(1).map(async (client, i) => {
      const back = once(client, "message");
      client.send(`to ${i}`);
      return String((await back)[0]);
    });
    expect(await Promise.all(backs)).toEqual(Array.from({ length: 99 }, (_, i) => `to ${i}`));
    expect((await ask(session, { ":authority": host, ":path": "/" })).body).toBe("plain");
    let came = 0;
    deaf?.on("message", (data: Buffer) => (came += data.length));
    deaf?.resume();
    await until(() => came === 30 * 256 * 1024);
  });

  test("that is old ends while its gateway is replaced, and its connection with it", async () => {
    await here.replace({ limits: { maxConnectionAgeMs: 100 } });
    session.destroy();
    session = connect(here.bench.port);
    const [client, app] = await joinBy2("/echo");
    const closed = Promise.all([client, app].map((end) => once(end, "close")));
    await here.replace();
    expect((await closed).map(([code]) => code as number)).toEqual([1006, 1006]);
    session = connect(here.bench.port);
  });
});

/** How many requests ended so since `here.control.outcomes` was emptied. */
function counted(code: number): number {
  return here.control.outcomes.reduce((sum, { codes }) => sum + (codes[code] ?? 0), 0);
}

/** A WebSocket on the shared connection, once it is open. */
async function websocketsOf(path: string): Promise<WebSocket> {
  const { client } = websocketOn(session, { host, path });
  clients.push(client);
  await once(client, "open");
  return client;
}
