import { createServer, type Server } from "node:http";
import { createServer as createHttp2, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, createServer as createTcp } from "node:net";
import { afterEach, expect, test } from "vitest";
import type { ProbeSpec } from "../workloads.ts";
import { probeOnce } from "./probe.ts";

const servers: { close(): unknown }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listen(server: Server | ReturnType<typeof createTcp> | ReturnType<typeof createHttp2>): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

const target = { host: "127.0.0.1", exec: async () => ({ code: 0, output: "" }) };
const ask = (action: ProbeSpec["action"], timeoutMs = 2_000) => probeOnce(action, target, timeoutMs);
const http = (port: number, more = {}) => ({
  type: "http" as const,
  path: "/",
  port,
  scheme: "http" as const,
  headers: [],
  ...more,
});

test("probeOnce() by TCP tells a listener from none", async () => {
  const port = await listen(createTcp());
  expect(await ask({ type: "tcp", port })).toEqual({ ok: true });
  for (const server of servers.splice(0)) server.close();
  expect(await ask({ type: "tcp", port })).toMatchObject({ ok: false, refused: true });
});

test.each([
  [200, true],
  [302, true],
  [399, true],
  [404, false],
  [500, false],
])("probeOnce() by HTTP takes %i as %s", async (status, ok) => {
  const port = await listen(createServer((_, response) => response.writeHead(status, { location: "/" }).end()));
  const result = await ask(http(port));
  expect(result.ok).toBe(ok);
  if (!result.ok)
    expect(result).toMatchObject({ message: `HTTP probe failed with statuscode: ${status}`, refused: false });
});

test.each([
  [204, true],
  [503, false],
])("probeOnce() by HTTP/2 takes %i as %s", async (status, ok) => {
  const seen: unknown[] = [];
  const server = createHttp2((request, response) => {
    seen.push(request.headers[":authority"], request.url, request.headers["x-a"]);
    response.writeHead(status).end();
  });
  const port = await listen(server);
  const headers = [
    { name: "Host", value: "my.host" },
    { name: "X-A", value: "1" },
  ];
  const result = await ask(http(port, { http2: true, path: "/ok", headers }));
  expect(result).toMatchObject(ok ? { ok } : { ok, message: `HTTP probe failed with statuscode: ${status}` });
  expect(seen).toEqual(["my.host", "/ok", "1"]);
});

test("probeOnce() by HTTP/2 says when nothing listens, and when it isn't HTTP/2 that answers", async () => {
  const port = await listen(createServer((_, response) => response.end()));
  expect(await ask(http(port, { http2: true }))).toMatchObject({ ok: false, refused: false });
  for (const server of servers.splice(0)) server.close();
  expect(await ask(http(port, { http2: true }))).toMatchObject({ ok: false, refused: true });
});

test("probeOnce() by HTTP goes nowhere but to the instance: not to a redirect's place, not to the spec's host", async () => {
  let elsewhere = 0;
  const other = await listen(createServer((_, response) => response.end(String(++elsewhere))));
  const seen: (string | undefined)[] = [];
  const port = await listen(
    createServer((request, response) => {
      seen.push(request.headers.host, request.headers["x-a"] as string, request.headers["user-agent"]);
      response.writeHead(301, { location: `http://127.0.0.1:${other}/` }).end();
    }),
  );
  const headers = [
    { name: "X-A", value: "1" },
    { name: "User-Agent", value: "mine" },
  ];
  expect(await ask(http(port, { host: `127.0.0.1:${other}`, headers }))).toEqual({ ok: true });
  expect(seen).toEqual([`127.0.0.1:${other}`, "1", "mine"]);
  expect(elsewhere).toBe(0);
});

test("probeOnce() by HTTP ends after its time, and says what is wrong with a header", async () => {
  const port = await listen(createServer(() => {}));
  expect(await ask(http(port), 30)).toMatchObject({
    ok: false,
    message: `Get "http://127.0.0.1:${port}/": no answer in 30 ms`,
  });
  const bad = await ask(http(port, { headers: [{ name: "bad name", value: "x" }] }));
  expect(bad).toMatchObject({ ok: false, message: expect.stringContaining("bad name") });
  (servers[0] as Server).closeAllConnections();
});

test("probeOnce() by command takes the exit code, and the output into the message", async () => {
  const run = (code: number) =>
    probeOnce({ type: "exec", command: ["x"] }, { ...target, exec: async () => ({ code, output: "words" }) }, 10);
  expect(await run(0)).toEqual({ ok: true });
  expect(await run(3)).toMatchObject({ ok: false, message: "Command ended with exit code 3: words" });
});

test.each([
  { name: "serving", reply: [8, 1], status: "0", ok: true },
  { name: "not serving", reply: [8, 2], status: "0", ok: false },
  { name: "an unknown service", reply: [], status: "5", ok: false },
])("probeOnce() by gRPC understands $name", async ({ reply, status, ok }) => {
  const asked: Buffer[] = [];
  const server = createHttp2();
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    expect(headers[":path"]).toBe("/grpc.health.v1.Health/Check");
    stream.on("data", (chunk: Buffer) => asked.push(chunk));
    stream.on("end", () => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": status }));
      stream.end(Buffer.from([0, 0, 0, 0, reply.length, ...reply]));
    });
  });
  const port = await listen(server);
  expect((await ask({ type: "grpc", port, service: "s" })).ok).toBe(ok);
  expect(Buffer.concat(asked)).toEqual(Buffer.from([0, 0, 0, 0, 3, 10, 1, 115]));
});

test("probeOnce() by gRPC tells that nothing listens", async () => {
  const port = await listen(createTcp());
  for (const server of servers.splice(0)) server.close();
  expect(await ask({ type: "grpc", port, service: "" })).toMatchObject({ ok: false, refused: true });
});
