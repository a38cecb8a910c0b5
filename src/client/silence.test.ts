/** Servers that stand still: their connections live, nothing comes. */
import { execFile } from "node:child_process";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { promisify } from "node:util";
import { expect, describe, it, onTestFinished } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import { httpClient, isUnreachable } from "./http.ts";

const run = promisify(execFile);
const version = { method: "GET", path: "/version" } as const;

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A server that answers as told, how many connections and requests it has had, and how often its client began to wait. */
async function setUp(handler: Handler) {
  const seen = { connections: 0, requests: 0, waits: 0 };
  let handle = handler;
  const server = createServer((request, response) => {
    seen.requests += 1;
    handle(request, response);
  });
  server.keepAliveTimeout = 0;
  server.on("connection", () => (seen.connections += 1));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const time = manualClock();
  const after: typeof time.after = (ms, callback) => {
    seen.waits += 1;
    return time.after(ms, callback);
  };
  const clock = Object.assign(Object.create(time) as typeof time, { after });
  const connection = {
    server: `http://127.0.0.1:${port}`,
    insecure: false,
    namespace: "default",
    context: "",
    source: "",
  };
  const client = httpClient(connection, { clock });
  onTestFinished(() => {
    client.close();
    server.closeAllConnections();
    server.close();
  });
  return { client, clock, seen, port, now: (next: Handler) => (handle = next) };
}

const answers: Handler = (_, response) => response.writeHead(200, { "content-type": "application/json" }).end("{}");
const stands: Handler = () => {};

/** What became of a request, in a word. */
function outcome(asked: Promise<unknown>) {
  const state = { is: "waits", error: undefined as unknown };
  asked.then(
    () => (state.is = "answered"),
    (error: unknown) => Object.assign(state, { is: "failed", error }),
  );
  return state;
}

describe("a server that stands still", () => {
  it("httpClient() gives a request up after a minute without an answer, and idle connections with it", async () => {
    const { client, clock, seen, now } = await setUp(answers);
    // Two connections, of which one is idle when the other's request waits.
    await Promise.all([client.request(version), client.request(version)]);
    expect(seen.connections).toBe(2);
    now(stands);
    const asked = outcome(client.request(version));
    await expect.poll(() => seen.requests).toBe(3);
    await clock.advance(59_000);
    expect(asked.is).toBe("waits");
    await clock.advance(1_000);
    await expect.poll(() => asked.is).toBe("failed");
    expect(isUnreachable(asked.error)).toBe(true);
    expect(String(asked.error)).toContain("no answer (ETIMEDOUT)");
    now(answers);
    expect((await client.request(version)).status).toBe(200);
    expect(seen.connections).toBe(3);
    expect(clock.pending).toBe(0);
  });

  it("httpClient() gives an answer up that stands still for a minute, and not one that goes on", async () => {
    let response: ServerResponse | undefined;
    const { client, clock, seen } = await setUp((_, answer) => {
      response = answer.writeHead(200, { "content-type": "application/json" });
      answer.write("[");
    });
    const asked = outcome(client.request(version));
    // For the head, for the body, and anew with each piece.
    await expect.poll(() => seen.waits).toBe(3);
    for (const waits of [4, 5, 6]) {
      await clock.advance(40_000);
      response?.write("1,");
      await expect.poll(() => seen.waits).toBe(waits);
    }
    expect(asked.is).toBe("waits");
    await clock.advance(60_000);
    await expect.poll(() => asked.is).toBe("failed");
    expect(String(asked.error)).toContain("no answer (ETIMEDOUT)");
    expect(clock.pending).toBe(0);
  });

  it("httpClient() has the kernel ask after a connection on which nothing comes", async () => {
    const { client, seen, port } = await setUp(stands);
    outcome(client.request(version));
    await expect.poll(() => seen.requests).toBe(1);
    const sockets = async () => (await run("ss", ["-tnoH", "dst", `127.0.0.1:${port}`])).stdout;
    await expect.poll(sockets).toMatch(/timer:\(keepalive,(?:1?\d|20)sec,0\)/);
  });
});
