/** Attacks by HTTP/2: each ends its own connection, costs little memory and few requests of the app, and others are served meanwhile. */
import type { ClientHttp2Session } from "node:http2";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { useGateway } from "../support/gateway-fixture.ts";
import { type App, simpleTable, startApp } from "../support/gateway.ts";
import { memoryOf, until } from "../support/gateway.ts";
import { ask, connect } from "../support/http2-client.ts";
import {
  block,
  code,
  flag,
  frame,
  frameClient,
  type FramePeer,
  requestFields,
  type,
  word,
} from "../support/http2-frames.ts";

const host = "app.default.localhost";
const here = useGateway({ host, start: { threads: 1, limits: { connections: 400 } } });
let app: App;
let other: ClientHttp2Session;
/** Requests that the app has seen, and those of them that it still has. */
let seen = 0;
let running = 0;

beforeAll(async () => {
  app = await startApp("app", (req, res) => {
    seen += 1;
    running += 1;
    res.once("close", () => (running -= 1));
    req.resume();
    if (req.url !== "/held") res.end("ok");
  });
  // Longer than anything here is waited for: who has left isn't waited for at all.
  await here.control.settle(simpleTable(host, [app], { timeoutMs: 120_000 }));
  other = connect(here.bench.port);
  await others();
});
afterAll(async () => {
  other.destroy();
  await app.close();
});
beforeEach(() => {
  seen = 0;
});

/** Someone else is served, on a connection of their own. */
async function others(): Promise<void> {
  expect(await ask(other, { ":authority": host, ":path": "/" })).toMatchObject({ status: 200, body: "ok" });
}

const request = (stream: number, path = "/", more: [string, string][] = []): Buffer =>
  frame(type.headers, flag.endHeaders | flag.endStream, stream, block(requestFields(host, path, more)));

/** Sends pieces for as long as the connection lives, at most `most` times, while others are served; expects that it ends. */
async function attack(peer: FramePeer, most: number, piece: (i: number) => Buffer[]): Promise<void> {
  for (let i = 0; i < most && !peer.closed; i++) {
    peer.send(...piece(i));
    if (peer.socket.writableNeedDrain) {
      await new Promise<void>((resolve) => {
        peer.socket.once("drain", resolve);
        peer.socket.once("close", () => resolve());
      });
    }
    if (i % 20 === 0) await others();
  }
  await until(() => peer.closed);
  await others();
}

const lastCode = (peer: FramePeer): number | undefined => peer.of(type.goaway).at(-1)?.payload.readUInt32BE(4);

test("rapid reset: a connection that opens streams only to reset them is ended, whether or not the app saw them", async () => {
  const before = memoryOf(here.gateway);
  for (const apart of [false, true]) {
    seen = 0;
    const peer = await frameClient(here.bench.port);
    let stream = -1;
    await attack(peer, 200, () => {
      const frames: Buffer[] = [];
      for (let n = 0; n < 50; n++) {
        stream += 2;
        frames.push(request(stream, "/held"), frame(type.reset, 0, stream, word(code.cancel)));
      }
      // In one piece, the reset comes with the request; else some time after it.
      if (!apart) return frames;
      const opening = frames.filter((_, i) => i % 2 === 0);
      peer.send(...opening);
      return frames.filter((_, i) => i % 2 === 1);
    });
    // By our own count, or by nghttp2's, whichever is first.
    expect([code.calm, code.internal]).toContain(lastCode(peer));
    expect(seen).toBeLessThan(600);
  }
  await until(() => running === 0);
  expect(memoryOf(here.gateway) - before).toBeLessThan(64);
});

test("CONTINUATION flood: a header section without end is cut off early", async () => {
  const before = memoryOf(here.gateway);
  const peer = await frameClient(here.bench.port);
  peer.send(frame(type.headers, flag.endStream, 1, block(requestFields(host))));
  const filler = block([["x-filler", "x".repeat(8_000)]]);
  await attack(peer, 20_000, () => [frame(type.continuation, 0, 1, filler)]);
  expect(memoryOf(here.gateway) - before).toBeLessThan(32);
  const empty = await frameClient(here.bench.port);
  empty.send(frame(type.headers, flag.endStream, 1, block(requestFields(host))));
  await attack(empty, 100_000, () => [frame(type.continuation, 0, 1)]);
});

test("a header section that is larger than announced resets its stream, and no more than that", async () => {
  const peer = await frameClient(here.bench.port);
  const large: [string, string][] = Array.from({ length: 5 }, (_, i) => [`x-${i}`, "x".repeat(15_000)]);
  const bytes = block(requestFields(host, "/", large));
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 16_000) {
    const last = at + 16_000 >= bytes.length ? flag.endHeaders : 0;
    const kind = at === 0 ? type.headers : type.continuation;
    pieces.push(frame(kind, last | (at === 0 ? flag.endStream : 0), 1, bytes.subarray(at, at + 16_000)));
  }
  peer.send(...pieces);
  expect((await peer.wait(type.reset, 1)).payload.readUInt32BE()).toBe(code.calm);
  peer.send(request(3));
  await until(() => peer.ended(3));
  expect(seen).toBe(1);
  peer.socket.destroy();
});

test.each([
  ["pings", type.ping, Buffer.alloc(8)],
  ["settings", type.settings, Buffer.alloc(0)],
])("a flood of %s ends its connection, read or not", async (_name, kind, payload) => {
  const before = memoryOf(here.gateway);
  const many = Array.from({ length: 200 }, () => frame(kind, 0, 0, payload));
  const reading = await frameClient(here.bench.port);
  await attack(reading, 2_000, () => many);
  const deaf = await frameClient(here.bench.port);
  deaf.socket.pause();
  // It never sees that it was cut off, but what it sends is refused.
  const refused = new Promise((resolve) => deaf.socket.once("close", resolve));
  for (let i = 0; i < 2_000 && !deaf.socket.destroyed; i++) {
    deaf.send(...many);
    if (i % 10 === 0) await others();
    if (deaf.socket.writableLength > 4 * 1024 * 1024) break;
  }
  deaf.socket.resume();
  await refused;
  expect(memoryOf(here.gateway) - before).toBeLessThan(32);
});

test("a client that pings without end is told to calm down, though it waits for each answer", async () => {
  const peer = await frameClient(here.bench.port);
  for (let sent = 100; !peer.closed; sent += 100) {
    peer.send(...Array.from({ length: 100 }, () => frame(type.ping, 0, 0, Buffer.alloc(8))));
    await until(() => peer.closed || peer.of(type.ping).length === sent);
  }
  expect(lastCode(peer)).toBe(code.calm);
  await others();
});

test("a client that opens more streams than it was told loses its connection", async () => {
  const peer = await frameClient(here.bench.port);
  for (let i = 0; i < 140; i++) peer.send(request(1 + 2 * i, "/held"));
  await until(() => peer.closed);
  expect(seen).toBeLessThanOrEqual(128);
  await until(() => running === 0);
  await others();
});

test("streams beyond those that a thread serves at once are refused", async () => {
  const peers: FramePeer[] = [];
  const resets = (): number => peers.reduce((sum, peer) => sum + peer.of(type.reset).length, 0);
  for (let n = 0; n < 4; n++) {
    const peer = await frameClient(here.bench.port);
    peers.push(peer);
    for (let i = 0; i < 128; i++) peer.send(request(1 + 2 * i, "/held"));
    await until(() => running + resets() === 128 * peers.length);
  }
  expect([running, resets()]).toEqual([400, 112]);
  for (const peer of peers) for (const { payload } of peer.of(type.reset)) expect(payload.readUInt32BE()).toBe(7);
  for (const peer of peers) peer.socket.destroy();
  await until(() => running === 0);
  await others();
});

test("what breaks the protocol ends the connection: a window beyond its end, data on no stream, frames too long", async () => {
  const over = await frameClient(here.bench.port);
  over.send(frame(type.windowUpdate, 0, 0, word(2 ** 31 - 1)));
  await until(() => over.closed);
  const idle = await frameClient(here.bench.port);
  idle.send(frame(type.data, 0, 7, Buffer.from("x")));
  await until(() => idle.closed);
  const long = await frameClient(here.bench.port);
  long.send(frame(type.data, 0, 1, Buffer.alloc(20_000)));
  await until(() => long.closed);
  await others();
});

test("empty DATA frames without end end their connection", async () => {
  const peer = await frameClient(here.bench.port);
  peer.send(frame(type.headers, flag.endHeaders, 1, block(requestFields(host, "/held", [[":method", "POST"]]))));
  const many = Array.from({ length: 100 }, () => frame(type.data, 0, 1));
  await attack(peer, 1_000, () => many);
});
