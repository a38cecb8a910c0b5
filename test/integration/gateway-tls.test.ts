/** HTTPS at a real gateway: suites, names, sessions, certificates that change, gateways that replace each other, redirections. */
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { stat } from "node:fs/promises";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import { join } from "node:path";
import tls from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { systemClock } from "../../src/lib/clock.ts";
import { type Authority, openAuthority } from "../../src/platform/certificates/authority.ts";
import { openFileStore } from "../../src/platform/certificates/file-store.ts";
import {
  type App,
  type Bench,
  createBench,
  type FakeControl,
  type RunningGateway,
  simpleTable,
  startApp,
  until,
} from "../support/gateway.ts";
import { run } from "../support/platform.ts";

const host = "web.default.localhost";
const bareHost = "bare.default.localhost";
let bench: Bench;
let control: FakeControl;
let gateway: RunningGateway;
let app: App;
let authority: Authority;
let slowRequests = 0;

async function certify(id: string, names: string[]): Promise<string> {
  const { cert, key } = await authority.issue(names);
  control.feed.put({ id, names, cert, key });
  await until(() => control.feed.has(id));
  return new X509Certificate(cert).serialNumber;
}

beforeAll(async () => {
  bench = await createBench({ tls: true });
  authority = await openAuthority((await openFileStore(join(bench.dir, "ca"))).authority, systemClock);
  app = await startApp("one", (req, res) => {
    req.resume();
    if (req.url === "/slow") slowRequests += 1;
    res.setHeader("app-saw", `${String(req.headers["x-forwarded-proto"])} ${req.headers.forwarded ?? ""}`);
    setTimeout(() => res.end("ok"), req.url === "/slow" ? 300 : 0);
  });
  control = await bench.control();
  const { hosts, revisions } = simpleTable(host, [app]);
  const [entry] = Object.values(hosts);
  if (entry === undefined) throw new Error("The table has no host");
  gateway = await bench.start();
  await control.settle({ hosts: { ...hosts, [bareHost]: entry, "*.example.com": entry }, revisions });
  await certify("web", [host, `*.${host}`]);
});

afterAll(async () => {
  await bench.close();
  await app.close();
});

interface Connected {
  socket: tls.TLSSocket;
  /** Resolves with the next session that the server gives. */
  session: Promise<Buffer>;
}

function connect(options: tls.ConnectionOptions = {}): Promise<Connected> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ port: bench.tlsPort, servername: host, ca: authority.cert, ...options });
    const session = new Promise<Buffer>((done) => socket.once("session", done));
    socket.once("error", reject);
    socket.once("secureConnect", () => resolve({ socket, session }));
  });
}

/** One request on a connection of its own; rejects with whatever goes wrong. */
function get(path = "/", options: https.RequestOptions = {}): Promise<http.IncomingMessage & { peer: string }> {
  return new Promise((resolve, reject) => {
    const request = https.get(
      { port: bench.tlsPort, path, ca: authority.cert, servername: host, headers: { host }, agent: false, ...options },
      (answer) => {
        const peer = (answer.socket as tls.TLSSocket).getPeerX509Certificate()?.serialNumber ?? "";
        answer.resume();
        answer.once("end", () => resolve(Object.assign(answer, { peer })));
        answer.once("error", reject);
      },
    );
    request.once("error", reject);
  });
}

function getPlain(
  path: string,
  name: string,
  more: Record<string, string> = {},
): Promise<{ status: number; headers: http.IncomingHttpHeaders; text: string }> {
  return new Promise((resolve, reject) => {
    http
      .get({ port: bench.port, path, headers: { host: name, ...more }, agent: false }, (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (part: string) => (text += part));
        answer.once("end", () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text }));
      })
      .once("error", reject);
  });
}

test.each([
  ["1.3", ["-tls1_3"], "TLS_AES_128_GCM_SHA256"],
  ["1.2", ["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"], "ECDHE-ECDSA-CHACHA20-POLY1305"],
])("TLS %s is served, with the suite that the client prefers", async (_, flags, suite) => {
  const order = flags[0] === "-tls1_3" ? ["-ciphersuites", `${suite}:TLS_AES_256_GCM_SHA384`] : [];
  const said = await openssl([...flags, ...order, "-alpn", "http/1.1"]);
  expect(said.stdout).toContain(`Cipher is ${suite}`);
  expect(said.stdout).toContain("ALPN protocol: http/1.1");
  expect(said.stdout).toContain("Verify return code: 0 (ok)");
});

test.each([
  ["TLS 1.1", ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]],
  ["a suite without forward secrecy", ["-tls1_2", "-cipher", "AES128-GCM-SHA256"]],
  ["a suite with CBC", ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"]],
  ["a client that asks for no name", ["-noservername"]],
  ["a name without a certificate", ["-servername", bareHost]],
])("%s is refused in the handshake", async (_, flags) => {
  const said = await openssl(flags);
  expect(said.code).not.toBe(0);
  expect(`${said.stdout}${said.stderr}`).toMatch(/alert|unsupported protocol|no protocols available/);
});

test("a client can't ask for another handshake on its connection", async () => {
  const { socket } = await connect({ maxVersion: "TLSv1.2" });
  const failure = new Promise<Error | null>((resolve) => {
    socket.once("error", resolve);
    socket.renegotiate({ rejectUnauthorized: true }, resolve);
  });
  expect(await failure).toMatchObject({ message: expect.stringMatching(/no.renegotiation|closed/i) as string });
  socket.destroy();
});

async function openssl(flags: string[]) {
  const names = flags.some((flag) => flag.endsWith("servername")) ? [] : ["-servername", host];
  const trust = join(bench.dir, "ca/ca.crt");
  return run("openssl", ["s_client", "-connect", `127.0.0.1:${bench.tlsPort}`, "-CAfile", trust, ...names, ...flags]);
}

test("requests reach the app, which is told that they came over HTTPS", async () => {
  const answer = await get();
  expect(answer.statusCode).toBe(200);
  expect(answer.headers["app-saw"]).toMatch(/^https for=127.0.0.1;host="web.default.localhost";proto=https$/);
});

test("the cookie by which a client stays with its Revision is for HTTPS alone where it was set over that", async () => {
  const { hosts, revisions } = simpleTable(host, [app]);
  const [entry] = Object.values(hosts);
  if (entry === undefined) throw new Error("The table has no host");
  const affinity = { key: { cookie: "id", maxAgeSeconds: 60 }, slots: Array.from({ length: 100 }, () => 0) };
  await control.settle({ hosts: { [host]: { ...entry, affinity } }, revisions });
  expect((await get()).headers["set-cookie"]).toEqual([expect.stringMatching(/; SameSite=Lax; Secure$/)]);
  // What a client says of its connection doesn't count.
  const plain = await getPlain("/", host, { "x-forwarded-proto": "https" });
  expect(plain.headers["set-cookie"]).toEqual([expect.stringMatching(/; SameSite=Lax$/)]);
  await control.settle({ hosts: { ...hosts, [bareHost]: entry, "*.example.com": entry }, revisions });
});

test("HTTP/2 is served to who asks for it, on one connection for many requests", async () => {
  const session = http2.connect(`https://${host}:${bench.tlsPort}`, {
    ca: authority.cert,
    servername: host,
    lookup: (_name, _options, done) => done(null, [{ address: "127.0.0.1", family: 4 }]),
  });
  const ask = (): Promise<http2.IncomingHttpHeaders> =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ":path": "/", ":authority": host });
      stream.once("response", (headers) => {
        stream.resume();
        stream.once("end", () => resolve(headers));
      });
      stream.once("error", reject);
    });
  const answers = await Promise.all(Array.from({ length: 20 }, ask));
  expect(session.alpnProtocol).toBe("h2");
  expect(new Set(answers.map((headers) => headers[":status"]))).toEqual(new Set([200]));
  expect(answers[0]?.["app-saw"]).toMatch(/^https .*proto=https$/);
  session.close();
});

test("a WebSocket by HTTP/1.1 passes over TLS", async () => {
  const sockets = new WebSocketServer({ server: app.server });
  sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(data as Buffer)));
  // `servername` is an option of Node's TLS, and not among those that the types of `ws` have.
  const options: WebSocket.ClientOptions & tls.ConnectionOptions = {
    servername: host,
    ca: authority.cert,
    headers: { host },
  };
  const client = new WebSocket(`wss://127.0.0.1:${bench.tlsPort}/`, options);
  await once(client, "open");
  const back = once(client, "message");
  client.send(Buffer.alloc(500_000, 1));
  expect((await back)[0]).toEqual(Buffer.alloc(500_000, 1));
  const closed = once(client, "close");
  client.close(4000, "done");
  expect(await closed).toEqual([4000, Buffer.from("done")]);
  sockets.close();
});

test("hosts below a wildcard are routed and certified, those further down aren't", async () => {
  await certify("wild", ["*.example.com"]);
  const answer = await get("/", { servername: "a.example.com", headers: { host: "a.example.com" } });
  expect(answer.statusCode).toBe(200);
  const deeper = { servername: "b.a.example.com", headers: { host: "b.a.example.com" } };
  await expect(get("/", deeper)).rejects.toThrow(/handshake failure/i);
  expect((await getPlain("/", "b.a.example.com")).status).toBe(404);
});

test.each(["TLSv1.2", "TLSv1.3"] as const)(
  "%s sessions are taken up again by any thread and any gateway",
  async (version) => {
    const first = await connect({ maxVersion: version });
    const session = await first.session;
    first.socket.destroy();
    const reused = async (): Promise<boolean> => {
      const { socket } = await connect({ maxVersion: version, session });
      const answer = socket.isSessionReused();
      socket.destroy();
      return answer;
    };
    // The kernel gives connections to either thread.
    for (let i = 0; i < 12; i++) expect(await reused()).toBe(true);
    const next = await bench.start();
    gateway.process.kill("SIGTERM");
    await gateway.exited;
    gateway = next;
    for (let i = 0; i < 6; i++) expect(await reused()).toBe(true);
  },
);

test("certificates and gateways change under load without one failed request", async () => {
  const failures: unknown[] = [];
  const serials = new Set<string>();
  let served = 0;
  const stop = { now: false };
  const agent = new https.Agent({ keepAlive: true, maxSockets: 4 });
  const load = async (options: https.RequestOptions): Promise<void> => {
    while (!stop.now) {
      try {
        const answer = await get("/", options);
        if (answer.statusCode !== 200) failures.push(answer.statusCode);
        if (answer.peer !== "") serials.add(answer.peer);
        served += 1;
      } catch (error) {
        // A kept connection may be closed just when a request is sent on it: what every client repeats.
        if (options.agent === agent && (error as NodeJS.ErrnoException).code === "ECONNRESET") continue;
        failures.push(error);
      }
    }
  };
  const loads = [load({}), load({}), load({}), load({ agent })];
  const made: string[] = [];
  for (let i = 0; i < 4; i++) {
    made.push(await certify("web", [host, `*.${host}`]));
    const newest = made.at(-1) ?? "";
    await until(() => serials.has(newest));
    const next = await bench.start();
    gateway.process.kill("SIGTERM");
    gateway = next;
  }
  const before = served;
  await until(() => served > before + 50);
  stop.now = true;
  await Promise.all(loads);
  agent.destroy();
  expect(failures).toEqual([]);
  expect([...serials]).toEqual(expect.arrayContaining(made));
});

test("a request under way is answered while the gateway drains", async () => {
  const before = slowRequests;
  const slow = get("/slow");
  await until(() => slowRequests > before);
  const next = await bench.start();
  gateway.process.kill("SIGTERM");
  expect((await slow).statusCode).toBe(200);
  expect(await gateway.exited).toBe(0);
  gateway = next;
});

test("without control a new gateway serves with the certificates that the last one kept, in a file of its own", async () => {
  const newest = await certify("web", [host, `*.${host}`]);
  const file = join(bench.dir, "certificates.json");
  await expect.poll(async () => (await stat(file)).mode & 0o777).toBe(0o600);
  await control.close();
  const next = await bench.start();
  gateway.process.kill("SIGTERM");
  await gateway.exited;
  gateway = next;
  expect((await get()).peer).toBe(newest);
});

test("plain requests for hosts with a certificate are sent to HTTPS, but for an ACME server's; others are served", async () => {
  control = await bench.control();
  await certify("web", [host]);
  const { hosts, revisions } = simpleTable(host, [app]);
  const [entry] = Object.values(hosts);
  if (entry === undefined) throw new Error("The table has no host");
  await control.settle({ hosts: { ...hosts, [bareHost]: entry }, revisions });
  const next = await bench.start({ redirectPort: bench.tlsPort });
  gateway.process.kill("SIGTERM");
  await gateway.exited;
  gateway = next;
  const sent = await getPlain("/a?b=c", `${host}:${bench.port}`);
  expect([sent.status, sent.headers.location]).toEqual([308, `https://${host}:${bench.tlsPort}/a?b=c`]);
  expect(sent.headers["elafros-reason"]).toBe("HttpsOnly");
  expect((await getPlain("/", bareHost)).text).toBe("ok");

  const version = control.feed.setChallenges([{ type: "http-01", host: bareHost, token: "t0", answer: "t0.print" }]);
  await until(() => control.feed.confirmed(version));
  const seen = await getPlain("/.well-known/acme-challenge/t0", bareHost);
  expect([seen.status, seen.text]).toEqual([200, "t0.print"]);
  expect((await getPlain("/.well-known/acme-challenge/t1", bareHost)).headers["app-saw"]).toContain("http ");
});
