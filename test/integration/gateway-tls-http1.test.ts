/** Plain HTTP/1.1 over TLS: pipelined, split anywhere, handed on, half-closed, of any size, with the pressure of either side. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { join } from "node:path";
import tls from "node:tls";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../src/lib/clock.ts";
import { openAuthority } from "../../src/platform/certificates/authority.ts";
import { openFileStore } from "../../src/platform/certificates/file-store.ts";
import { type App, type Bench, createBench, memoryOf, type RunningGateway } from "../support/gateway.ts";
import { simpleTable, startApp, until } from "../support/gateway.ts";
import { statuses } from "../support/raw-http.ts";

const host = "app.default.localhost";
const big = Buffer.alloc(24 * 1024 * 1024, "0123456789abcdef-");
const digest = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
let bench: Bench;
let gateway: RunningGateway;
let app: App;
let ca = "";
const held: ServerResponse[] = [];
let gone = 0;

beforeAll(async () => {
  bench = await createBench({ tls: true });
  const authority = await openAuthority((await openFileStore(join(bench.dir, "ca"))).authority, systemClock);
  ca = authority.cert;
  app = await startApp("one", (req, res) => {
    const pieces: Buffer[] = [];
    res.on("close", () => void (gone += res.writableFinished ? 0 : 1));
    req.on("data", (piece: Buffer) => pieces.push(piece));
    req.on("end", () => {
      if (req.url === "/hold") held.push(res);
      else if (req.url === "/big") res.end(big);
      else if (req.url === "/chunks") for (const end of [false, true]) res[end ? "end" : "write"](big);
      else res.end(`${req.method} ${digest(Buffer.concat(pieces))} ${JSON.stringify(req.trailers)}.`);
    });
  });
  app.server.on("upgrade", (_req, socket: Socket, head: Buffer) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    socket.write(head);
    socket.pipe(socket);
  });
  const control = await bench.control();
  gateway = await bench.start({ threads: 1, limits: { hungMs: 1_000 } });
  await control.settle(simpleTable(host, [app]));
  const { cert, key } = await authority.issue([host]);
  control.feed.put({ id: "app", names: [host], cert, key });
  await until(() => control.feed.has("app"));
});
beforeEach(() => void held.splice(0));
afterAll(async () => {
  await bench.close();
  await app.close();
});

async function open(): Promise<tls.TLSSocket> {
  const socket = tls.connect({ port: bench.tlsPort, servername: host, ca, ALPNProtocols: ["http/1.1"] });
  await once(socket, "secureConnect");
  socket.on("error", () => {});
  return socket;
}

/** Sends the pieces, each in a record of its own; gives what came until the gateway ended, or `enough` of it. */
async function ask(pieces: readonly (string | Buffer)[], enough?: (got: string) => boolean): Promise<string> {
  const socket = await open();
  const got: Buffer[] = [];
  const done = new Promise<void>((resolve) => {
    socket.on("data", (piece: Buffer) => {
      got.push(piece);
      if (enough?.(Buffer.concat(got).toString("latin1")) === true) resolve();
    });
    socket.once("end", resolve).once("close", () => resolve());
  });
  for (const piece of pieces) {
    socket.write(piece);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await done;
  socket.destroy();
  return Buffer.concat(got).toString("latin1");
}

const get = (path: string, more = "") => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`;
const post = `POST / HTTP/1.1\r\nHost: ${host}\r\n`;
const last = get("/", "Connection: close\r\n");
const hello = digest(Buffer.from("hello"));
const nothing = digest(Buffer.alloc(0));

test.each([
  ["pipelined requests", `${post}Content-Length: 5\r\n\r\nhello${last}`, [200, 200], [hello, nothing]],
  [
    "chunks and trailers",
    `${post}Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nX-T: 1\r\n\r\n${last}`,
    [200, 200],
    [`${hello} {"x-t":"1"}`, nothing],
  ],
  ["a length and a coding", `${post}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, [400], []],
  ["the preface of HTTP/2, which wasn't agreed upon", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400], []],
  ["a rare method behind a plain request", `${get("/")}PROPFIND ${last.slice(4)}`, [200, 200], ["PROPFIND"]],
])("%s: read the same in one record and in many", async (_what, bytes, codes, parts) => {
  for (const pieces of [[bytes], [bytes.slice(0, 20), bytes.slice(20, 60), bytes.slice(60)]]) {
    const got = await ask(pieces);
    expect(statuses(got)).toEqual(codes);
    for (const part of parts) expect(got).toContain(part);
  }
});

test("an upgrade behind a plain request is handed on with every byte that came after it", async () => {
  const early = Array.from({ length: 20_000 }, (_, i) => `${i},`).join("");
  const upgrade = get("/up", "Connection: Upgrade\r\nUpgrade: echo\r\n");
  const got = await ask([`${get("/")}${upgrade}${early}`, "the end"], (text) => text.endsWith("the end"));
  expect(statuses(got)).toEqual([200, 101]);
  expect(got.slice(got.indexOf("\r\n\r\n", got.indexOf(" 101 ")) + 4)).toBe(`${early}the end`);
});

test("bodies of 24 MiB pass whole, both ways", async () => {
  const sent = await ask([`${post}Content-Length: ${big.length}\r\nConnection: close\r\n\r\n`, big]);
  expect(sent).toContain(digest(big));
  const got = await ask([get("/big", "Connection: close\r\n")]);
  expect(digest(Buffer.from(got.slice(got.indexOf("\r\n\r\n") + 4), "latin1"))).toBe(digest(big));
});

test("a client that doesn't read holds up its app, and no memory", async () => {
  const before = memoryOf(gateway);
  const sockets = await Promise.all(Array.from({ length: 4 }, open));
  for (const socket of sockets) socket.pause().write(get("/chunks"));
  await until(() => sockets.every(({ bytesRead }) => bytesRead > 100));
  // Kept of each: what the connections and their buffers hold, far from 48 MiB.
  expect(memoryOf(gateway) - before).toBeLessThan(60);
  let bytes = 0;
  const [first, ...others] = sockets;
  first?.on("data", (piece: Buffer) => (bytes += piece.length)).resume();
  await until(() => bytes > 2 * big.length);
  const goneBefore = gone;
  for (const socket of [...others, ...(first === undefined ? [] : [first])]) socket.destroy();
  // Its app is told that nobody reads on.
  await until(() => gone >= goneBefore + others.length);
});

test("a client that has sent all and says so gets its answer; one whose answer doesn't come is taken for gone", async () => {
  // Node's types don't know that option of sockets here.
  const options: tls.ConnectionOptions & { allowHalfOpen: boolean } = {
    port: bench.tlsPort,
    servername: host,
    ca,
    allowHalfOpen: true,
  };
  for (const request of [get("/hold"), get("/hold").replace("GET", "PROPFIND")]) {
    held.splice(0);
    const socket = tls.connect(options);
    let got = "";
    socket.on("data", (piece: Buffer) => (got += piece.toString("latin1"))).on("error", () => {});
    socket.end(request);
    await until(() => held.length === 1);
    held[0]?.end("late");
    await until(() => got.includes("late"));
    socket.destroy();
  }
  const other = await open();
  const goneBefore = gone;
  other.end(get("/hold"));
  await until(() => gone > goneBefore);
});

test("an answer that breaks off ends without the alert by which a client knows that it is whole", async () => {
  const trust = join(bench.dir, "ca/ca.crt");
  // Until the connection ends, to a client of HTTP/1.0: only TLS tells it.
  const to = ["-connect", `127.0.0.1:${bench.tlsPort}`, "-servername", host, "-CAfile", trust];
  const client = spawn("openssl", ["s_client", "-quiet", "-ign_eof", ...to]);
  let [got, said] = ["", ""];
  client.stdout.on("data", (piece: Buffer) => (got += piece.toString("latin1")));
  client.stderr.on("data", (piece: Buffer) => (said += piece.toString("latin1")));
  client.stdin.write(`GET /hold HTTP/1.0\r\nHost: ${host}\r\n\r\n`);
  await until(() => held.length === 1);
  held[0]?.write("half");
  await until(() => got.endsWith("half"));
  held[0]?.destroy();
  await once(client, "close");
  expect(said).toContain("unexpected eof");
});
