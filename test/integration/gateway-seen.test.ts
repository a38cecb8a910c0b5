/** The access log and traces of a real gateway: every way that a request can take, before a real collector. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { type Collector, startCollector } from "../support/collector.ts";
import { type App, type Bench, createBench, type FakeControl, type RunningGateway } from "../support/gateway.ts";
import { simpleTable, startApp, until } from "../support/gateway.ts";

const host = "app.default.localhost";
const route = "default/app";
const revision = "default/app-00001";
const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const spanId = "00f067aa0ba902b7";
let bench: Bench;
let control: FakeControl;
let collector: Collector;
let gateway: RunningGateway;
let app: App;
let path: string;
const got: http.IncomingHttpHeaders[] = [];

beforeAll(async () => {
  bench = await createBench();
  control = await bench.control();
  collector = await startCollector();
  path = join(bench.dir, "access.log");
  const accessLog = { path, sampling: 1 };
  gateway = await bench.start({ accessLog, tracing: { endpoint: collector.endpoint, sampling: 0 } });
  app = await startApp("one", (req, res) => {
    got.push(req.headers);
    req.resume();
    req.on("end", () => {
      res.statusCode = req.url?.startsWith("/fails") === true ? 500 : 200;
      res.end("hello");
    });
  });
  const sockets = new WebSocketServer({ server: app.server });
  sockets.on("connection", (socket, req) => {
    got.push(req.headers);
    socket.close();
  });
  await control.settle(simpleTable(host, [app]));
});
afterAll(async () => {
  await bench.close();
  await collector.close();
  await app.close();
});

interface Line extends Record<string, unknown> {
  path: string;
  requestId: string;
}

/** The line of the access log with that request id. */
async function lineOf(requestId: string): Promise<Line> {
  let found: Line | undefined;
  const look = async (): Promise<void> => {
    const text = await readFile(path, "utf8");
    const lines = text
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Line);
    found = lines.find((line) => line.requestId === requestId);
  };
  await expect.poll(async () => (await look(), found !== undefined)).toBe(true);
  return found ?? { path: "", requestId: "" };
}

interface Asked {
  id: string;
  status: number;
  /** What the app got. */
  headers: http.IncomingHttpHeaders;
}

let ids = 0;

async function ask(target: string, headers: Record<string, string> = {}, method = "GET"): Promise<Asked> {
  const id = `id-${++ids}`;
  got.splice(0);
  const status = await new Promise<number>((resolve, reject) => {
    const request = http.request(
      { port: bench.port, path: target, method, headers: { host, "x-request-id": id, ...headers }, agent: false },
      (answer) => {
        answer.resume();
        answer.on("end", () => resolve(answer.statusCode ?? 0));
      },
    );
    request.on("error", reject);
    request.end();
  });
  return { id, status, headers: got[0] ?? {} };
}

// PROPFIND is not plain: Node's server serves it.
test.each(["GET", "PROPFIND"])(
  "a line says what became of a %s, and holds no query and no credentials",
  async (method) => {
    const secrets = { authorization: "Bearer s3cret", cookie: "s3cret=1", "user-agent": 'a "browser"' };
    const { id } = await ask("/a/b?token=s3cret", secrets, method);
    const line = await lineOf(id);
    expect(line).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      client: "127.0.0.1",
      method,
      scheme: "http",
      host,
      path: "/a/b",
      protocol: "HTTP/1.1",
      status: 200,
      bytes: 5,
      durationMs: expect.any(Number),
      queuedMs: 0,
      route,
      revision,
      instance: "one",
      requestId: id,
      traceId: "",
      userAgent: 'a "browser"',
    });
    expect(await readFile(path, "utf8")).not.toContain("s3cret");
  },
);

test("a line stands for what never got to an app, too", async () => {
  const unknown = await ask("/x", { host: "nobody.localhost" });
  expect(await lineOf(unknown.id)).toMatchObject({
    status: 404,
    route: "",
    revision: "",
    instance: "",
    host: "nobody.localhost",
  });
  const socket = net.connect({ port: bench.port });
  socket.end("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
  let answer = "";
  socket.setEncoding("utf8").on("data", (part: string) => (answer += part));
  await until(() => socket.closed);
  const id = /X-Request-Id: (\S+)/i.exec(answer)?.[1] ?? "";
  const body = answer.slice(answer.indexOf("\r\n\r\n") + 4);
  expect(await lineOf(id)).toMatchObject({
    status: 400,
    method: "",
    path: "",
    bytes: body.length,
    client: "127.0.0.1",
  });
});

test("a line has what waited, and who left", async () => {
  await control.settle(simpleTable(host, []));
  const request = http.request({ port: bench.port, headers: { host, "x-request-id": "left" }, agent: false });
  request.on("error", () => {});
  request.end();
  await until(() => control.demands.length > 0);
  request.destroy();
  expect(await lineOf("left")).toMatchObject({ status: 499, instance: "", revision });
  const waiting = ask("/waits");
  await until(() => control.demands.length > 1);
  await control.settle(simpleTable(host, [app]));
  const line = await lineOf((await waiting).id);
  expect(line).toMatchObject({ status: 200, instance: "one" });
  expect(line["queuedMs"]).toBeGreaterThanOrEqual(0);
});

test.each(["GET", "PROPFIND"])("a trace that is recorded goes on in a span of the gateway's: %s", async (method) => {
  const state = "vendor=1,other=2";
  const given = { traceparent: `00-${traceId}-${spanId}-01`, tracestate: state };
  const { id, headers } = await ask("/fails?x=1", given, method);
  const [, trace, own] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-01$/.exec(String(headers["traceparent"])) ?? [];
  expect(trace).toBe(traceId);
  expect(own).not.toBe(spanId);
  expect(headers["tracestate"]).toBe(state);
  await until(() => collector.spans.some((span) => span.spanId === own));
  const span = collector.spans.find((one) => one.spanId === own);
  expect(span).toMatchObject({
    traceId,
    parentSpanId: spanId,
    name: `${method} ${route}`,
    kind: 2,
    status: { code: 2 },
  });
  expect(span?.service).toBe("elafros-gateway");
  expect(span?.attributes).toMatchObject({
    "http.request.method": method,
    "http.response.status_code": 500,
    "http.response.body.size": 5,
    "url.path": "/fails",
    "server.address": host,
    "elafros.request_id": id,
    "elafros.route": route,
    "elafros.revision": revision,
    "elafros.instance": "one",
  });
  expect(BigInt(span?.endTimeUnixNano ?? 0) >= BigInt(span?.startTimeUnixNano ?? 1)).toBe(true);
  expect((await lineOf(id))["traceId"]).toBe(traceId);
});

test.each(["GET", "PROPFIND"])(
  "what isn't recorded passes as it is, and what is none doesn't pass: %s",
  async (method) => {
    const given = { traceparent: `00-${traceId}-${spanId}-00`, tracestate: "a=1" };
    const passed = await ask("/", given, method);
    expect(passed.headers).toMatchObject(given);
    expect((await lineOf(passed.id))["traceId"]).toBe(traceId);
    const none = await ask("/", { traceparent: "00-nonsense", tracestate: "a=1" }, method);
    expect(none.headers).not.toHaveProperty("traceparent");
    expect(none.headers).not.toHaveProperty("tracestate");
  },
);

test("a stream of HTTP/2 is traced and logged", async () => {
  got.splice(0);
  const session = http2.connect(`http://127.0.0.1:${bench.port}`);
  const stream = session.request({
    ":path": "/h2?token=s3cret",
    ":authority": host,
    "x-request-id": "h2",
    traceparent: `00-${traceId}-${spanId}-01`,
  });
  stream.resume();
  await once(stream, "close");
  session.close();
  expect(await lineOf("h2")).toMatchObject({
    status: 200,
    path: "/h2",
    protocol: "HTTP/2.0",
    bytes: 5,
    instance: "one",
    traceId,
  });
  const own = String(got[0]?.["traceparent"]).split("-")[2];
  await until(() => collector.spans.some((span) => span.spanId === own && span.parentSpanId === spanId));
});

test("an upgraded connection is traced and logged", async () => {
  got.splice(0);
  const headers = { host, traceparent: `00-${traceId}-${spanId}-01`, "x-request-id": "upgraded" };
  const socket = new WebSocket(`ws://127.0.0.1:${bench.port}/`, { headers });
  await until(() => socket.readyState === WebSocket.CLOSED);
  expect(await lineOf("upgraded")).toMatchObject({ status: 101, instance: "one", traceId });
  const own = String(got[0]?.["traceparent"]).split("-")[2];
  await until(() => collector.spans.some((span) => span.spanId === own));
});

test("a collector that is away costs spans, which are counted, and no request", async () => {
  const before = collector.spans.length;
  collector.status = 503;
  const given = { traceparent: `00-${traceId}-${spanId}-01` };
  const statuses = await Promise.all(Array.from({ length: 20 }, () => ask("/", given)));
  expect(statuses.map(({ status }) => status)).toEqual(statuses.map(() => 200));
  await until(() => control.seen.some(({ spansDropped }) => spansDropped > 0));
  expect(collector.spans.length).toBe(before);
  collector.status = 200;
  // It tries again by itself, with what came meanwhile.
  await ask("/", given);
  await until(() => collector.spans.length > before);
});

test("sampling is a share of the requests, and the log is whole when the gateway ends", async () => {
  const log = join(bench.dir, "sampled.log");
  const next = await bench.start({
    accessLog: { path: log, sampling: 0.5 },
    tracing: { endpoint: collector.endpoint, sampling: 0.5 },
  });
  gateway.process.kill("SIGTERM");
  await gateway.exited;
  const before = collector.spans.length;
  const count = 400;
  for (let i = 0; i < count; i++) await ask("/");
  next.process.kill("SIGTERM");
  await next.exited;
  const lines = (await readFile(log, "utf8")).split("\n").length - 1;
  const spans = collector.spans.slice(before);
  // Ten standard deviations of a fair coin.
  for (const share of [lines / count, spans.length / count]) expect(Math.abs(share - 0.5)).toBeLessThan(0.25);
  for (const span of spans) expect(span).not.toHaveProperty("parentSpanId");
  expect(new Set(spans.map((span) => span.traceId)).size).toBe(spans.length);
});
