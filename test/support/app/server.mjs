/**
 * The sample app of the tests and the demo: an HTTP server whose environment decides how it starts and ends, and whose requests
 * decide how it answers. Runs in the image `app` that test/support/images.ts makes.
 *
 * Environment: PORT (8080) · VERSION and TARGET, shown in answers · PROTOCOL=h2c · START_DELAY_MS until it listens · NEVER_LISTEN=1 ·
 * EXIT_AT_START=code, after printing LAST_LINE to stderr · READY_AFTER_MS until /healthz is 200 (503 before) ·
 * OOM_AT_START=1 · TERM=ignore | exit (default: answer what runs, then exit 0) · TERM_DELAY_MS before it does.
 *
 * Paths: `/` "Hello TARGET from VERSION" · /healthz · /info JSON of the request and of selected environment · /echo the body, as it
 * comes · /stream?count=&every= chunks · /sse server-sent events · /file?path= · /dir?path= · /fetch?url= from in here ·
 * /resolve?name= · /write?path=&data= · /concurrency now and most at once · /log?line=&stream=stderr&count= · WebSocket on any path: echo.
 * Queries on any of them: ms= wait first · status= · bytes= a body of so many · cpu= burn so many ms · crash=code, after printing
 * line= · oom=1 take memory until killed · unhealthy=1, healthy=1: what /healthz says from now on.
 */
import { lookup } from "node:dns/promises";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createServer as createServer2 } from "node:http2";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocketServer } from "ws";

const { env } = process;
const startedAt = Date.now();
const version = env.VERSION ?? "0";
let running = 0;
let most = 0;
let served = 0;
let healthy = true;

/** Takes memory, touched so that it counts, until the kernel ends this process. */
async function takeMemory() {
  const taken = [];
  for (;;) {
    taken.push(Buffer.alloc(8 << 20, 1));
    await sleep(2);
  }
}

function burn(ms) {
  const end = Date.now() + ms;
  while (Date.now() < end);
}

async function paths(url, request, response) {
  const query = url.searchParams;
  switch (url.pathname) {
    case "/healthz":
      return healthy && Date.now() - startedAt >= Number(env.READY_AFTER_MS ?? 0)
        ? "ok\n"
        : { status: 503, body: "not yet\n" };
    case "/info": {
      const shown = Object.entries(env).filter(([name]) => !/^(NODE|PATH|HOME)/.test(name));
      const { method, headers, httpVersion } = request;
      const user = { uid: process.getuid?.(), gid: process.getgid?.(), groups: process.getgroups?.() };
      const cwd = process.cwd();
      return json({
        version,
        hostname: hostname(),
        pid: process.pid,
        method,
        url: request.url,
        httpVersion,
        headers,
        served,
        env: Object.fromEntries(shown),
        user,
        cwd,
      });
    }
    case "/echo":
      response.writeHead(200, { "content-type": request.headers["content-type"] ?? "application/octet-stream" });
      for await (const chunk of request) response.write(chunk);
      response.end();
      return undefined;
    case "/stream":
    case "/sse": {
      const sse = url.pathname === "/sse";
      response.writeHead(200, { "content-type": sse ? "text/event-stream" : "text/plain" });
      for (let index = 0; index < Number(query.get("count") ?? 3); index++) {
        if (response.destroyed) return undefined;
        response.write(sse ? `data: ${version} ${index}\n\n` : `${version} ${index}\n`);
        await sleep(Number(query.get("every") ?? 50));
      }
      response.end();
      return undefined;
    }
    case "/file":
      return readFile(query.get("path") ?? "");
    case "/dir":
      return json(await readdir(query.get("path") ?? "/"));
    case "/write":
      await writeFile(query.get("path") ?? "", query.get("data") ?? "");
      return "written\n";
    case "/fetch": {
      const answer = await fetch(query.get("url") ?? "", { signal: AbortSignal.timeout(5_000) });
      return json({ status: answer.status, body: await answer.text() });
    }
    case "/resolve":
      return json(await lookup(query.get("name") ?? "", { all: true }));
    case "/concurrency":
      return json({ now: running, most });
    case "/log": {
      const out = query.get("stream") === "stderr" ? process.stderr : process.stdout;
      for (let index = 0; index < Number(query.get("count") ?? 1); index++)
        out.write(`${query.get("line") ?? "a line"}\n`);
      return "logged\n";
    }
    default:
      return `Hello ${env.TARGET ?? "World"} from ${version}\n`;
  }
}

const json = (value) => ({ type: "application/json", body: `${JSON.stringify(value)}\n` });

async function answer(request, response) {
  const url = new URL(request.url, "http://app");
  const query = url.searchParams;
  running++;
  most = Math.max(most, running);
  try {
    if (query.has("healthy")) healthy = true;
    if (query.has("unhealthy")) healthy = false;
    if (query.has("ms")) await sleep(Number(query.get("ms")));
    if (query.has("cpu")) burn(Number(query.get("cpu")));
    if (query.has("oom")) await takeMemory();
    if (query.has("crash")) {
      process.stderr.write(`${query.get("line") ?? "Crashed on request"}\n`, () =>
        process.exit(Number(query.get("crash"))),
      );
      return;
    }
    const made = query.has("bytes")
      ? Buffer.alloc(Number(query.get("bytes")), "x")
      : await paths(url, request, response);
    if (made === undefined) return;
    const plain = typeof made === "string" || Buffer.isBuffer(made) ? { body: made } : made;
    const status = query.has("status") ? Number(query.get("status")) : (plain.status ?? 200);
    response.writeHead(status, {
      "content-type": plain.type ?? "text/plain",
      "content-length": Buffer.byteLength(plain.body),
      "x-version": version,
    });
    response.end(request.method === "HEAD" ? undefined : plain.body);
  } catch (error) {
    if (!response.headersSent) response.writeHead(500, { "content-type": "text/plain" });
    response.end(`${String(error)}: ${String(error?.cause ?? "")}\n`);
  } finally {
    running--;
    served++;
  }
}

if (env.OOM_AT_START !== undefined) await takeMemory();
if (env.EXIT_AT_START !== undefined) {
  process.stderr.write(`${env.LAST_LINE ?? "Cannot start: told not to"}\n`);
  process.exit(Number(env.EXIT_AT_START));
}
if (env.START_DELAY_MS !== undefined) await sleep(Number(env.START_DELAY_MS));

const listener = (request, response) => void answer(request, response);
const server = env.PROTOCOL === "h2c" ? createServer2(listener) : createServer(listener);
if (env.PROTOCOL !== "h2c") {
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket) => socket.on("message", (data, binary) => socket.send(data, { binary })));
}
const sessions = new Set();
server.on("session", (session) => {
  sessions.add(session);
  session.on("close", () => sessions.delete(session));
});

async function terminate() {
  if (env.TERM === "ignore") return;
  process.stdout.write("Got SIGTERM\n");
  if (env.TERM === "exit") process.exit(0);
  await sleep(Number(env.TERM_DELAY_MS ?? 0));
  server.close(() => process.exit(0));
  server.closeIdleConnections?.();
  for (const session of sessions) session.close();
}
process.on("SIGTERM", () => void terminate());

if (env.NEVER_LISTEN !== undefined) setInterval(() => {}, 1 << 30);
else
  server.listen(Number(env.PORT ?? 8080), () =>
    process.stdout.write(`Listening on ${env.PORT ?? 8080}, version ${version}\n`),
  );
