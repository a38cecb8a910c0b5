/** The gateway's HTTP/1.1 on raw connections: bytes cut anywhere, handed on, half-closed, flooding, and answers that are none. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import http, { type RequestListener } from "node:http";
import net, { type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type App, type Bench, createBench, type FakeControl, type RunningGateway } from "../support/gateway.ts";
import { simpleTable, startApp, until } from "../support/gateway.ts";
import { exchange, startRawApp, statuses } from "../support/raw-http.ts";

const host = "app.default.localhost";
let bench: Bench;
let control: FakeControl;
let gateway: RunningGateway;
const apps: App[] = [];

beforeAll(async () => {
  bench = await createBench();
  control = await bench.control();
  gateway = await bench.start({ limits: { hungMs: 1_000, connections: 20_000 } });
});
afterAll(() => bench.close());
afterEach(async () => {
  for (const app of apps.splice(0)) await app.close();
  expect(gateway.process.exitCode).toBe(null);
});

async function serve(listener: RequestListener, more: Parameters<typeof simpleTable>[2] = {}): Promise<App> {
  return use(await startApp(`app-${Math.random()}`, listener), more);
}

async function use(app: App, more: Parameters<typeof simpleTable>[2] = {}): Promise<App> {
  apps.push(app);
  await control.settle(simpleTable(host, [app], more));
  return app;
}

/** An app that notes what it got, by the `X-Case` of the request. */
function noting(seen: Map<string, string[]>): RequestListener {
  return (req, res) => {
    let body = "";
    req.on("data", (piece: Buffer) => (body += piece.toString("latin1")));
    req.on("end", () => {
      const name = String(req.headers["x-case"]);
      const trailers = JSON.stringify(req.trailers);
      seen.set(name, [...(seen.get(name) ?? []), `${req.method} ${req.url} ${body} ${trailers}`]);
      res.end("ok");
    });
  };
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nX-Case: @\r\n`;
const post = `POST /p HTTP/1.1\r\nHost: ${host}\r\nX-Case: @\r\n`;
const last = `${get("/last")}Connection: close\r\n\r\n`;
const streams: Record<string, [bytes: string, statuses: number[], seen: string[]]> = {
  plain: [last, [200], ["GET /last  {}"]],
  length: [`${post}Content-Length: 5\r\n\r\nhello${last}`, [200, 200], ["POST /p hello {}", "GET /last  {}"]],
  chunks: [
    `${post}Transfer-Encoding: chunked\r\n\r\n3;a="b"\r\nabc\r\n1\r\nd\r\n0\r\nX-T: 1\r\n\r\n${last}`,
    [200, 200],
    ['POST /p abcd {"x-t":"1"}', "GET /last  {}"],
  ],
  "empty lines between": [`${get("/a")}\r\n\r\n\r\n${last}`, [200, 200], ["GET /a  {}", "GET /last  {}"]],
  "length and coding": [`${post}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${last}`, [400], []],
  "a bad chunk": [`${post}Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n${last}`, [400], []],
  "a bare LF": [`${get("/a")}X: y\n\r\n${last}`, [400], []],
  "a bad request behind a good one": [`${get("/a")}\r\nGET  / HTTP/1.1\r\n\r\n`, [200, 400], ["GET /a  {}"]],
  "an absolute target": [
    `GET http://${host}/x HTTP/1.1\r\nHost: ${host}\r\nX-Case: @\r\nConnection: close\r\n\r\n`,
    [200],
    ["GET /x  {}"],
  ],
  "a rare method behind a plain request": [
    `${get("/a")}\r\nPROPFIND /b HTTP/1.1\r\nHost: ${host}\r\nX-Case: @\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi`,
    [200, 200],
    ["GET /a  {}", "PROPFIND /b hi {}"],
  ],
  CONNECT: [`CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}\r\n\r\n`, [405], []],
};

test.each(Object.entries(streams))(
  "%s: read the same wherever the bytes are cut",
  async (_name, [text, codes, wanted]) => {
    const seen = new Map<string, string[]>();
    await serve(noting(seen));
    const at = async (cut: number): Promise<void> => {
      // A name of the same length each.
      const bytes = text.replaceAll("@", String(cut).padStart(4, "0"));
      const got = await exchange(bench.port, cut === 0 ? [bytes] : [bytes.slice(0, cut), bytes.slice(cut)]);
      expect([cut, statuses(got)]).toEqual([cut, codes]);
      expect([cut, seen.get(String(cut).padStart(4, "0")) ?? []]).toEqual([cut, wanted]);
    };
    const length = text.replaceAll("@", "0000").length;
    for (let from = 0; from < length; from += 50) {
      await Promise.all(Array.from({ length: Math.min(50, length - from) }, (_, i) => at(from + i)));
    }
    // And byte by byte.
    const bytes = text.replaceAll("@", "byte");
    const got = await exchange(bench.port, Array.from(bytes).slice(0, 400));
    expect(statuses(got)).toEqual(codes);
  },
);

test("an upgrade behind plain requests is handed on with every byte that came after it", async () => {
  const app = await serve((_req, res) => res.end("plain"));
  app.server.on("upgrade", (_req, socket: Socket, head: Buffer) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    socket.write(head);
    socket.pipe(socket);
  });
  const early = Array.from({ length: 30_000 }, (_, i) => `${i},`).join("");
  const upgrade = `GET /up HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n`;
  const bytes = `${get("/a")}\r\n${get("/b")}\r\n${upgrade}${early}`;
  const got = await exchange(bench.port, [bytes, "the end"], { enough: (text) => text.endsWith("the end") });
  expect(statuses(got)).toEqual([200, 200, 101]);
  expect(got.slice(got.indexOf("\r\n\r\n", got.indexOf(" 101 ")) + 4)).toBe(`${early}the end`);
});

test("clients that have sent all and closed their side get their answer", async () => {
  await serve((req, res) => {
    let bytes = 0;
    req.on("data", (piece: Buffer) => (bytes += piece.length));
    req.on("end", () => setTimeout(() => res.end(`got ${bytes}`), 300));
  });
  for (const [text, wanted] of [
    [`${get("/")}\r\n`, "got 0"],
    [`${post}Content-Length: 5\r\n\r\nhello`, "got 5"],
    [`${post}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`, "got 5"],
    // By Node's server.
    [`PROPFIND /p HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 5\r\n\r\nhello`, "got 5"],
    [`GET /p HTTP/1.0\r\nHost: ${host}\r\n\r\n`, "got 0"],
  ] as const) {
    const got = await exchange(bench.port, [text], { end: true });
    expect([text, statuses(got).filter((status) => status !== 102), got.includes(wanted)]).toEqual([text, [200], true]);
  }
});

test.each(["GET", "PROPFIND"])(
  "a client that closed its side waits for its instance as others do, and one that has left doesn't (%s)",
  async (method) => {
    await control.settle(simpleTable(host, []));
    const left = (): number => control.outcomes.reduce((sum, { codes }) => sum + (codes[499] ?? 0), 0);
    const text = `${method} /p HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
    const seen: string[] = [];
    const stays = exchange(bench.port, [text], { end: true });
    const leaves = net.connect(bench.port, "127.0.0.1");
    await once(leaves, "connect");
    const before = left();
    leaves.write(text.replace("/p", "/left"), () => leaves.destroy());
    await until(() => left() > before);
    await serve((req, res) => {
      seen.push(req.url ?? "");
      res.end("here");
    });
    const got = await stays;
    expect([statuses(got).filter((status) => status !== 102), got.includes("here"), seen]).toEqual([
      [200],
      true,
      ["/p"],
    ]);
  },
);

test("a client that closed its side and whose answer doesn't come is taken for gone", async () => {
  let left = false;
  await serve((_req, res) => res.on("close", () => (left = true)));
  const got = await exchange(bench.port, [`${get("/")}\r\n`], { end: true });
  expect(statuses(got).filter((status) => status !== 102)).toEqual([]);
  await until(() => left);
});

test("what comes while a request is under way is kept up to a bound, and then not read", async () => {
  const held: http.ServerResponse[] = [];
  await serve((_req, res) => void held.push(res));
  const socket = net.connect(bench.port, "127.0.0.1");
  socket.on("error", () => {});
  let got = "";
  socket.on("data", (piece: Buffer) => (got += piece.toString("latin1")));
  const request = Buffer.from(`${get("/")}\r\n`);
  const total = 40 * 1024 * 1024;
  for (let sent = 0; sent < total; sent += request.length * 1_000) {
    socket.write(Buffer.concat(Array.from({ length: 1_000 }, () => request)));
  }
  await until(() => held.length === 1);
  await new Promise((resolve) => setTimeout(resolve, 500));
  // The kernel's buffers take a few of them.
  expect(socket.writableLength).toBeGreaterThan(total / 2);
  expect(held.length).toBe(1);
  held[0]?.end("first");
  await until(() => held.length === 2);
  expect(got).toContain("first");
  socket.destroy();
});

test("answers that are not valid HTTP are 502, and their connections are never used again", async () => {
  const bad: Record<string, string> = {
    "no HTTP": "SSH-2.0-OpenSSH_9.9\r\n",
    "bare line feeds": "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "two lengths": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "length and coding": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "another coding": "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxx",
    "a control byte": "HTTP/1.1 200 OK\r\nX-A: b\0c\r\n\r\n",
    "a protocol nobody asked for": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
    "a section that is too long": `HTTP/1.1 200 OK\r\nX-A: ${"b".repeat(40_000)}\r\n\r\n`,
  };
  let answer = "";
  const connections = new Set<Socket>();
  await use(
    await startRawApp("raw", (socket) => {
      connections.add(socket);
      socket.write(answer, "latin1");
    }),
  );
  for (const [name, text] of Object.entries(bad)) {
    answer = text;
    connections.clear();
    const got = await exchange(bench.port, [`${get("/")}Connection: close\r\n\r\n`]);
    expect.soft([name, statuses(got), /elafros-reason: (\w+)/.exec(got)?.[1]]).toEqual([name, [502], "BadAnswer"]);
    await until(() => [...connections].every((socket) => socket.destroyed || socket.readableEnded));
  }
});

test("what an app sends beyond its answer is no answer to the next request", async () => {
  let connections = 0;
  await use(
    await startRawApp("raw", (socket, piece, count) => {
      if (count === 0 && piece.includes("/beyond")) connections += 1;
      const extra = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue${extra}`);
    }),
  );
  const got = await exchange(bench.port, [`${get("/beyond")}\r\n`, last.replace("/last", "/beyond")]);
  expect([statuses(got), got.includes("forged"), connections]).toEqual([[200, 200], false, 2]);
});

test("a body in malformed chunks breaks the client's copy off, and so does a length that isn't kept", async () => {
  let answer = "";
  await use(
    await startRawApp("raw", (socket) => {
      socket.end(answer);
    }),
  );
  for (const body of [
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
  ]) {
    answer = body;
    const req = http.get({ host: "127.0.0.1", port: bench.port, agent: false, headers: { host } });
    const failed = new Promise<string>((resolve) => {
      req.on("error", (error) => resolve(error.message));
      req.on("response", (res) => {
        res.resume();
        res.on("error", (error) => resolve(error.message));
        res.on("end", () => resolve("whole"));
      });
    });
    expect(await failed).toMatch(/aborted|RESET|hang up/);
  }
});

test("a request that the app may have seen is only sent again if it can be repeated", async () => {
  const seen: string[] = [];
  await use(
    await startRawApp("raw", (socket, piece, count) => {
      seen.push(`${piece.split(" ")[0] ?? ""} ${count}`);
      // The second request on a connection finds it closing.
      if (count === 0) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      else socket.destroy();
    }),
  );
  const ask = async (method: string): Promise<number[]> =>
    statuses(await exchange(bench.port, [`${method} / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`]));
  const outcomes: Record<string, Set<number>> = { GET: new Set(), POST: new Set() };
  // Either of the gateway's two threads may get one; after a few, both have a connection that they use again.
  for (let i = 0; i < 20; i++) for (const method of ["GET", "POST"]) outcomes[method]?.add((await ask(method))[0] ?? 0);
  expect([...(outcomes["GET"] ?? [])]).toEqual([200]);
  // On a new connection 200, on one that was used before 502, but never twice.
  expect([...(outcomes["POST"] ?? [])].filter((status) => status !== 200)).toEqual([502]);
  expect(seen.filter((one) => one.startsWith("POST")).length).toBe(20);
});

test("10,000 idle connections cost little, and others are served as before", async () => {
  await serve((_req, res) => res.end("ok"));
  const memory = async (): Promise<number> => {
    const status = await readFile(`/proc/${gateway.process.pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
  };
  expect(statuses(await exchange(bench.port, [last]))).toEqual([200]);
  const before = await memory();
  const sockets: Socket[] = [];
  try {
    for (let i = 0; i < 10_000; i += 500) {
      const some = Array.from({ length: 500 }, () => net.connect(bench.port, "127.0.0.1"));
      sockets.push(...some);
      await Promise.all(some.map((socket) => once(socket, "connect")));
      // Each has been served once.
      const answered = some.map((socket) => once(socket, "data"));
      for (const socket of some) socket.write(`${get("/")}\r\n`);
      await Promise.all(answered);
    }
    // 4 KiB each, once what was read and written has been collected.
    await expect.poll(async () => (await memory()) - before).toBeLessThan(40);
    expect(statuses(await exchange(bench.port, [last]))).toEqual([200]);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
});

test("what became of requests is told, by route, revision and status, of plain requests and of others", async () => {
  const app = await serve((req, res) => {
    if (req.url === "/never") return;
    res.writeHead(req.url === "/500" ? 500 : 200).end("ok");
  });
  app.server.on("upgrade", (_req, socket: Socket) => {
    socket.end("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
  });
  // What earlier tests did has been told with the next report but one, which is asked for from here on.
  const reports = control.loads.length;
  await until(() => control.loads.length > reports + 1);
  control.outcomes.splice(0);
  const close = "Connection: close\r\n\r\n";
  await exchange(bench.port, [`${get("/a")}\r\n${get("/500")}${close}`]);
  await exchange(bench.port, [`PROPFIND / HTTP/1.1\r\nHost: ${host}\r\n${close}`]);
  await exchange(bench.port, [`GET / HTTP/1.1\r\nHost: nobody\r\n${close}`]);
  await exchange(bench.port, [`${get("/ws")}Connection: Upgrade\r\nUpgrade: x\r\n\r\n`]);
  await exchange(bench.port, [`${get("/never")}\r\n`], { patienceMs: 100 });
  const codes = (route: string): Record<string, number> => {
    const sums: Record<string, number> = {};
    for (const outcome of control.outcomes.filter((one) => one.route === route)) {
      expect(outcome.revision).toBe(route === "" ? "" : "default/app-00001");
      expect(outcome.steps.reduce((sum, count) => sum + count, 0)).toBe(
        Object.values(outcome.codes).reduce((sum, count) => sum + count, 0),
      );
      for (const [code, count] of Object.entries(outcome.codes)) sums[code] = (sums[code] ?? 0) + count;
    }
    return sums;
  };
  await expect.poll(() => [codes("default/app"), codes("")]).toEqual([{ 101: 1, 200: 2, 499: 1, 500: 1 }, { 404: 1 }]);
});
