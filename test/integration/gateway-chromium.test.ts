/**
 * Chromium as a client: pages over HTTPS that trust the installation's own authority as `elafros trust` makes browsers do, and over plain HTTP.
 * The scripts below run in the page.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test as always } from "vitest";
import { WebSocketServer } from "ws";
import { systemClock } from "../../src/lib/clock.ts";
import { openAuthority } from "../../src/platform/certificates/authority.ts";
import { openFileStore } from "../../src/platform/certificates/file-store.ts";
import { addToDatabase, databasesOf } from "../../src/platform/trust/browsers.ts";
import { hasChromium, type Page, startChromium } from "../support/chromium.ts";
import { type App, type Bench, createBench, revisionOf, startApp, until } from "../support/gateway.ts";

const here = hasChromium();
const test = always.skipIf(!here);
const host = "web.default.localhost";
let bench: Bench;
let page: Page;
let home: string;
const apps: App[] = [];
const sockets: WebSocketServer[] = [];

/** Bytes of an upload that have come, by its name. */
const uploaded = new Map<string, number>();
const downloads = new Map<string, ServerResponse>();
let visits = 0;

/** What the page asks for; each Revision says its own name. */
const serve =
  (name: string): RequestListener =>
  (req, res) => {
    const { pathname, searchParams } = new URL(req.url ?? "/", "http://app");
    const key = searchParams.get("key") ?? "";
    switch (pathname) {
      case "/upload":
        receive(req, res, key);
        break;
      case "/uploaded":
        res.end(String(uploaded.get(key) ?? 0));
        break;
      case "/download":
        downloads.set(key, res);
        res.write("first");
        break;
      case "/go-on":
        downloads.get(key)?.end("second");
        res.end();
        break;
      case "/events":
        sendEvents(res, Number(req.headers["last-event-id"] ?? 0));
        break;
      case "/revision":
        res.end(name);
        break;
      default:
        visits += 1;
        res.setHeader("content-type", "text/html");
        res.end("<!doctype html><title>page</title>");
    }
  };

function receive(req: IncomingMessage, res: ServerResponse, key: string): void {
  const hash = createHash("sha256");
  req.on("data", (piece: Buffer) => {
    hash.update(piece);
    uploaded.set(key, (uploaded.get(key) ?? 0) + piece.length);
  });
  req.on("end", () => res.end(hash.digest("hex")));
}

/** Two events and an end: the client comes again by itself, and says where it was. */
function sendEvents(res: ServerResponse, last: number): void {
  res.writeHead(200, { "content-type": "text/event-stream" });
  res.write(`retry: 10\nid: ${last + 1}\ndata: one\n\n`);
  res.end(`id: ${last + 2}\nevent: named\ndata: two\ndata: lines\n\n`);
}

beforeAll(async () => {
  if (!here) return;
  home = await mkdtemp(join(tmpdir(), "elafros-chromium-"));
  bench = await createBench({ tls: true });
  const authority = await openAuthority((await openFileStore(join(bench.dir, "ca"))).authority, systemClock);
  const database = join(home, ".pki/nssdb");
  await mkdir(database, { recursive: true });
  await promisify(execFile)("certutil", ["-N", "--empty-password", "-d", `sql:${database}`]);
  expect(await databasesOf({ home })).toEqual([database]);
  await addToDatabase({ home }, database, { name: "elafros-test", certificate: join(bench.dir, "ca/ca.crt") });
  for (const name of ["one", "two"]) {
    const app = await startApp(name, serve(name));
    apps.push(app);
    const server = new WebSocketServer({ server: app.server, perMessageDeflate: { threshold: 0 } });
    sockets.push(server);
    server.on("connection", (socket) => {
      socket.on("message", (data, binary) => socket.send(data as Buffer, { binary }));
    });
  }
  const control = await bench.control();
  await bench.start({ accessLog: { path: join(bench.dir, "access.log"), sampling: 1 } });
  const targets = [
    { revision: "default/one", percent: 50 },
    { revision: "default/two", percent: 50 },
  ];
  const slots = Array.from({ length: 100 }, (_, slot) => (slot < 50 ? 0 : 1));
  const affinity = { key: { cookie: "client", maxAgeSeconds: 600 }, slots };
  await control.settle({
    hosts: { [host]: { route: "default/app", targets, affinity } },
    revisions: {
      "default/one": revisionOf(apps.slice(0, 1)),
      "default/two": revisionOf(apps.slice(1)),
    },
  });
  const { cert, key } = await authority.issue([host]);
  control.feed.put({ id: "web", names: [host], cert, key });
  await until(() => control.feed.has("web"));
  page = await startChromium(home);
  await page.open(`https://${host}:${bench.tlsPort}/`);
});
afterAll(async () => {
  if (!here) return;
  await page.close();
  for (const server of sockets) server.close();
  await bench.close();
  for (const app of apps) await app.close();
  await rm(home, { recursive: true, force: true });
});

interface Line {
  method: string;
  path: string;
  protocol: string;
  scheme: string;
  status: number;
}

async function linesOf(path: string): Promise<Line[]> {
  const text = await readFile(join(bench.dir, "access.log"), "utf8");
  const lines = text.split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Line).filter((line) => line.path === path);
}

test("a page is loaded over HTTP/2, since its certificate is trusted", async () => {
  expect(visits).toBeGreaterThan(0);
  expect(await page.run("document.title")).toBe("page");
  expect(await page.run("performance.getEntriesByType('navigation')[0].nextHopProtocol")).toBe("h2");
  expect(await page.run("isSecureContext")).toBe(true);
});

test("uploads and answers stream, piece by piece", async () => {
  // Each side waits in the middle for the other to have seen the beginning.
  const got = await page.run(`(async () => {
    const piece = new Uint8Array(300_000).fill(7);
    const seen = async () => Number(await (await fetch("/uploaded?key=a")).text());
    let pieces = 0;
    const body = new ReadableStream({
      async pull(controller) {
        if (pieces > 0) while (await seen() < pieces * piece.length) await new Promise((done) => setTimeout(done, 5));
        if (pieces++ === 3) return controller.close();
        controller.enqueue(piece.slice());
      },
    });
    const hash = await (await fetch("/upload?key=a", { method: "POST", body, duplex: "half" })).text();
    const reader = (await fetch("/download?key=a")).body.pipeThrough(new TextDecoderStream()).getReader();
    const first = (await reader.read()).value;
    await fetch("/go-on?key=a");
    let rest = "";
    for (let next = await reader.read(); !next.done; next = await reader.read()) rest += next.value;
    return { hash, first, rest };
  })()`);
  const hash = createHash("sha256").update(Buffer.alloc(900_000, 7)).digest("hex");
  expect(got).toEqual({ hash, first: "first", rest: "second" });
});

test("an EventSource gets events as they come, and takes up again where it was", async () => {
  const got = await page.run(`new Promise((resolve, reject) => {
    const events = new EventSource("/events");
    const seen = [];
    const note = ({ type, data, lastEventId }) => {
      seen.push([type, data, lastEventId]);
      if (seen.length < 4) return;
      events.close();
      resolve(seen);
    };
    events.onmessage = note;
    events.addEventListener("named", note);
  })`);
  expect(got).toEqual([
    ["message", "one", "1"],
    ["named", "two\nlines", "2"],
    ["message", "one", "3"],
    ["named", "two\nlines", "4"],
  ]);
});

test("a hundred requests at once share one connection", async () => {
  const got = (await page.run(`(async () => {
    performance.clearResourceTimings();
    const texts = await Promise.all(Array.from({ length: 100 }, async (_, i) => (await fetch("/revision?" + i)).text()));
    const entries = performance.getEntriesByType("resource").filter(({ name }) => name.includes("/revision?"));
    const others = entries.filter((one) => one.nextHopProtocol !== "h2" || one.connectStart !== one.connectEnd);
    return { texts, count: entries.length, others: others.length };
  })()`)) as { texts: string[]; count: number; others: number };
  expect([got.count, got.others]).toEqual([100, 0]);
  expect(got.texts.every((text) => text === "one" || text === "two")).toBe(true);
});

test("a client stays with its Revision by a cookie that its scripts don't see", async () => {
  const got = await page.run(`(async () => {
    const texts = new Set();
    for (let i = 0; i < 20; i++) texts.add(await (await fetch("/revision")).text());
    return { texts: texts.size, cookie: document.cookie };
  })()`);
  expect(got).toEqual({ texts: 1, cookie: "" });
});

/** Opens a WebSocket, sends text and bytes of many lengths, and closes; gives what came of it. */
const talk = (url: string): string => `new Promise((resolve, reject) => {
  const socket = new WebSocket(${JSON.stringify(url)});
  socket.binaryType = "arraybuffer";
  const lengths = [0, 1, 125, 126, 65_535, 65_536, 1_000_000];
  const seen = [];
  const next = () => {
    const length = lengths[seen.length >> 1];
    if (length === undefined) return socket.close(4001, "enough");
    socket.send(seen.length % 2 === 0 ? "x".repeat(length) : new Uint8Array(length).fill(9));
  };
  socket.onopen = next;
  socket.onmessage = ({ data }) => {
    const whole = typeof data === "string" ? /^x*$/.test(data) : new Uint8Array(data).every((byte) => byte === 9);
    seen.push(whole ? data.length ?? data.byteLength : -1);
    next();
  };
  socket.onclose = ({ code, reason, wasClean }) =>
    resolve({ seen, code, reason, wasClean, extensions: socket.extensions });
})`;

test.each([
  ["wss", { protocol: "HTTP/2.0", scheme: "https", method: "CONNECT", status: 200 }],
  ["ws", { protocol: "HTTP/1.1", scheme: "http", method: "GET", status: 101 }],
])("a WebSocket of a page (%s) goes as %o", async (scheme, line) => {
  const secure = scheme === "wss";
  const authority = `${host}:${secure ? bench.tlsPort : bench.port}`;
  if (!secure) await page.open(`http://${authority}/`);
  const got = await page.run(talk(`${scheme}://${authority}/${scheme}`));
  const lengths = [0, 1, 125, 126, 65_535, 65_536, 1_000_000].flatMap((length) => [length, length]);
  expect(got).toEqual({
    seen: lengths,
    code: 4001,
    reason: "enough",
    wasClean: true,
    extensions: "permessage-deflate",
  });
  await expect.poll(async () => linesOf(`/${scheme}`)).toEqual([expect.objectContaining(line)]);
});
