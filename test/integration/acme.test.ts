/** Certificates from a real ACME server, checked at a real gateway: both kinds of challenge, what is kept, and what is asked no more than it must. */
import { randomBytes, X509Certificate } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import tls from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLog } from "../../src/lib/log.ts";
import { openAcmeIssuer } from "../../src/platform/acme/issuer.ts";
import type { Binding } from "../../src/platform/acme/key.ts";
import type { Issuer } from "../../src/platform/certificates/issuer.ts";
import { openFileStore } from "../../src/platform/certificates/file-store.ts";
import { openLeaves } from "../../src/platform/certificates/leaves.ts";
import { createCertificateManager } from "../../src/platform/certificates/manager.ts";
import { type AcmeServer, startAcmeServer } from "../support/acme.ts";
import { type App, type Bench, createBench, type FakeControl, simpleTable, startApp } from "../support/gateway.ts";
import { freePort } from "../support/platform.ts";

const host = "web.ns.apps.test";
const places = { "http-01": "port 80 to --http", "tls-alpn-01": "port 443 to --https" };
let bench: Bench;
let control: FakeControl;
let app: App;
let server: AcmeServer;
const servers: AcmeServer[] = [];

beforeAll(async () => {
  bench = await createBench({ tls: true });
  app = await startApp("one");
  control = await bench.control();
  await bench.start({ redirectPort: bench.tlsPort });
  await control.settle(simpleTable(host, [app]));
  server = await acmeServer({ httpPort: bench.port, tlsPort: bench.tlsPort });
});

afterAll(async () => {
  await Promise.all(servers.map((each) => each.close()));
  await bench.close();
  await app.close();
});

async function acmeServer(
  ports: { httpPort: number; tlsPort: number },
  accounts?: Record<string, string>,
): Promise<AcmeServer> {
  const started = await startAcmeServer(ports, accounts);
  servers.push(started);
  return started;
}

async function issuerOf(
  of: AcmeServer,
  more: { dir?: string; first?: "tls-alpn-01"; binding?: Binding } = {},
): Promise<Issuer> {
  return openAcmeIssuer({
    server: of.url,
    email: "admin@apps.test",
    binding: more.binding,
    ca: await readFile(of.ca, "utf8"),
    account: (await openFileStore(more.dir ?? join(bench.dir, "accounts"))).account(of.url),
    places,
    log: silentLog,
    first: more.first ?? "http-01",
    feed: control.feed,
    clock: systemClock,
  });
}

function namesOf(pair: { cert: string }): string | undefined {
  return new X509Certificate(pair.cert).subjectAltName;
}

test("a manager gets a certificate by HTTP-01, which the gateway then serves, and asks no second time for it", async () => {
  const issuer = await issuerOf(server);
  const leavesOf = async () =>
    openLeaves((await openFileStore(bench.dir)).leaves, { clock: systemClock, log: silentLog });
  const leaves = await leavesOf();
  const options = { feed: control.feed, leaves, issuerFor: () => issuer, clock: systemClock, log: silentLog };
  const manager = createCertificateManager(options);
  const wanted = { id: "hosts", names: [host, `next.${host}`], above: host };
  manager.want("ns/web", [wanted]);
  await expect.poll(() => manager.state("ns/web")[0]).toMatchObject({ status: "ready" });
  const roots = await server.root();
  const peer = await new Promise<X509Certificate | undefined>((resolve, reject) => {
    const socket = tls.connect({ port: bench.tlsPort, servername: `next.${host}`, ca: roots }, () => {
      resolve(socket.getPeerX509Certificate());
      socket.destroy();
    });
    socket.once("error", reject);
  });
  expect(peer?.subjectAltName?.split(", ").toSorted()).toEqual([`DNS:next.${host}`, `DNS:${host}`]);
  expect(server.made("orders")).toBe(1);
  manager.stop();
  const again = createCertificateManager({ ...options, leaves: await leavesOf() });
  again.want("ns/web", [wanted]);
  await expect.poll(() => again.state("ns/web")[0]?.status).toBe("ready");
  again.stop();
  expect(server.made("orders")).toBe(1);
});

test("TLS-ALPN-01 works while others are served on the same port, also where the host has a certificate already", async () => {
  const issuer = await issuerOf(server, { first: "tls-alpn-01", dir: join(bench.dir, "accounts-2") });
  const failures: unknown[] = [];
  const running = { now: true };
  let served = 0;
  const others = (async () => {
    while (running.now) {
      await new Promise<void>((resolve) => {
        const socket = tls.connect({ port: bench.tlsPort, servername: host, rejectUnauthorized: false }, () => {
          served += 1;
          socket.destroy();
          resolve();
        });
        socket.once("error", (error) => {
          failures.push(error);
          resolve();
        });
      });
    }
  })();
  const pair = await issuer.issue([host]);
  running.now = false;
  await others;
  expect(namesOf(pair)).toBe(`DNS:${host}`);
  expect(served).toBeGreaterThan(0);
  expect(failures).toEqual([]);
});

test("where the first kind of challenge doesn't lead through, the other is tried; where neither does, the first's trouble is told", async () => {
  const [dead, live] = [await freePort(), bench.tlsPort];
  const half = await acmeServer({ httpPort: dead, tlsPort: live });
  const issuer = await issuerOf(half);
  expect(namesOf(await issuer.issue(["other.apps.test"]))).toBe("DNS:other.apps.test");
  expect(half.made("orders")).toBe(2);
  await issuer.issue(["third.apps.test"]);
  // It has learned which one does.
  expect(half.made("orders")).toBe(3);
  const none = await acmeServer({ httpPort: dead, tlsPort: dead });
  await expect((await issuerOf(none)).issue([host])).rejects.toMatchObject({
    reason: "AcmeChallengeFailed",
    message: expect.stringMatching(/could not check web\.ns\.apps\.test by http-01: .*--http/) as string,
  });
});

test("the account's key is kept for root alone, one account per server", async () => {
  const dir = join(bench.dir, "accounts", "acme");
  const files = await readdir(dir);
  expect(files).toHaveLength(3);
  for (const name of files) expect((await stat(join(dir, name))).mode & 0o777).toBe(0o600);
  const before = server.made("accounts");
  await (await issuerOf(server)).issue(["fourth.apps.test"]);
  expect(server.made("accounts")).toBe(before);
});

test("a server that isn't there, isn't trusted, or is none, is told", async () => {
  const options = {
    email: undefined,
    binding: undefined,
    first: "http-01" as const,
    places,
    feed: control.feed,
    log: silentLog,
  };
  const store = await openFileStore(join(bench.dir, "none"));
  const open = (url: string, ca?: string) =>
    openAcmeIssuer({ ...options, server: url, account: store.account(url), ca, clock: systemClock });
  const ca = await readFile(server.ca, "utf8");
  const gone = await open(`https://localhost:${await freePort()}/dir`);
  await expect(gone.issue([host])).rejects.toMatchObject({ reason: "AcmeUnreachable" });
  await expect((await open(server.url)).issue([host])).rejects.toMatchObject({ reason: "AcmeUnreachable" });
  const wrong = await open(server.url.replace("/dir", "/nonsense"), ca);
  await expect(wrong.issue([host])).rejects.toMatchObject({ reason: "AcmeRefused" });
});

test("an account is tied to one that its owner has with the authority, where that wants it", async () => {
  const key = randomBytes(32);
  const tied = await acmeServer({ httpPort: bench.port, tlsPort: bench.tlsPort }, { mine: key.toString("base64url") });
  const dir = (name: string) => ({ dir: join(bench.dir, name) });
  await expect((await issuerOf(tied, dir("untied"))).issue([host])).rejects.toMatchObject({
    reason: "AcmeRefused",
    message: expect.stringContaining("--acme-eab-kid") as string,
  });
  const wrong = { keyId: "mine", key: randomBytes(32) };
  await expect((await issuerOf(tied, { ...dir("wrong"), binding: wrong })).issue([host])).rejects.toMatchObject({
    reason: "AcmeRefused",
  });
  const bound = await issuerOf(tied, { ...dir("tied"), binding: { keyId: "mine", key } });
  expect(namesOf(await bound.issue([host]))).toBe(`DNS:${host}`);
});
