/** WebSockets through the gateway, with `ws` on both ends (RFC 6455, RFC 7692): the gateway joins connections and reads none of it. */
import { randomBytes } from "node:crypto";
import { createServer, type Server } from "node:http";
import net, { type AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import {
  type Bench,
  createBench,
  type FakeControl,
  type RunningGateway,
  simpleTable,
  until,
} from "../support/gateway.ts";
import { settled } from "../support/http2-client.ts";

const host = "ws.default.localhost";
let bench: Bench;
let control: FakeControl;
let gateway: RunningGateway;
let server: Server;
let sockets: WebSocketServer;
let port = 0;
const clients: WebSocket[] = [];

beforeAll(async () => {
  bench = await createBench();
  control = await bench.control();
  gateway = await bench.start();
  server = createServer();
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
});
afterAll(async () => {
  for (const socket of sockets.clients) socket.terminate();
  sockets.close();
  server.close();
  await bench.close();
});
afterEach(() => {
  for (const client of clients.splice(0)) client.terminate();
  expect(gateway.process.exitCode).toBe(null);
});

const settle = (more: Parameters<typeof simpleTable>[2] = {}): Promise<void> =>
  control.settle(simpleTable(host, [], { instances: [{ id: "ws", host: "127.0.0.1", port }], ...more }));

/** A client that is connected, and the app's end of it. */
async function join(path: string, options = {}, protocols: string[] = []): Promise<[WebSocket, WebSocket]> {
  const app = new Promise<WebSocket>((resolve) => sockets.once("connection", resolve));
  const client = new WebSocket(`ws://127.0.0.1:${bench.port}${path}`, protocols, { headers: { host }, ...options });
  clients.push(client);
  await new Promise((resolve, reject) => {
    client.once("open", resolve);
    client.once("error", reject);
  });
  return [client, await app];
}

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
  expect(await request).toMatchObject({ host, "x-forwarded-for": "127.0.0.1", connection: "Upgrade" });
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

test("what a client sends right behind its request reaches the app after the upgrade", async () => {
  const app = new Promise<WebSocket>((resolve) => sockets.once("connection", resolve));
  const socket = net.connect(bench.port, "127.0.0.1");
  const fields = `Host: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n`;
  // A masked text frame "hi" with a mask of zeros.
  const frame = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]);
  const head = `GET /quiet HTTP/1.1\r\n${fields}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;
  socket.write(Buffer.concat([Buffer.from(head), frame]));
  const message = await new Promise((resolve) => void app.then((end) => end.once("message", resolve)));
  expect(String(message)).toBe("hi");
  socket.destroy();
});
