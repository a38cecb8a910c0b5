/**
 * HTTPS at the gateways of a cluster: a simulated Kubernetes with the real controllers, which have only the rights that are installed, and two real
 * gateways. Certificates from the installation's own CA, from a Secret that is renewed, and from a real ACME server; then another controller leads.
 */
import { randomBytes, X509Certificate } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import tls from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Configuration } from "../../src/api/configuration.ts";
import { Route } from "../../src/api/route.ts";
import { Secret } from "../../src/api/secret.ts";
import type { KeyPair } from "../../src/apiserver/pki.ts";
import { type HttpClient, httpClient } from "../../src/client/http.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { openAuthority } from "../../src/platform/certificates/authority.ts";
import { openFileStore } from "../../src/platform/certificates/file-store.ts";
import type { ClusterControl } from "../../src/platform/cluster/control.ts";
import type { ClusterGateway } from "../../src/platform/cluster/gateway.ts";
import { trust } from "../../src/platform/trust/trust.ts";
import { type AcmeServer, startAcmeServer } from "../support/acme.ts";
import { type Cluster, startCluster } from "../support/cluster/cluster.ts";
import { defineElafros, runControl, runGateway, untilLeads } from "../support/cluster/elafros.ts";
import { eventually, freePort, request } from "../support/platform.ts";

const namespace = "elafros-system";
const domain = "apps.localhost";
const host = `hello.default.${domain}`;
const [secretHost, acmeHost] = ["www.secret.test", "www.acme.test"];
const route = { namespace: "default", name: "hello" };

interface Place {
  gateway: ClusterGateway;
  http: number;
  https: number;
}

let directory: string;
let kubeconfig: string;
let cluster: Cluster;
let client: HttpClient;
let app: Server;
let acme: AcmeServer;
let balancer: { port: number; asked: number[]; close(): Promise<void> };
let linkPort: number;
let control: ClusterControl;
let gateways: Place[];
/** Signs what people bring along. */
let given: (names: readonly string[]) => Promise<KeyPair>;
let first: KeyPair;

const controllers = () =>
  runControl(
    { kubeconfig, domain, https: { acmeServer: acme.url, acmeCa: acme.ca, acmeEmail: "admin@acme.test" } },
    { pod: randomBytes(4).toString("hex"), linkPort },
  );

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "elafros-cluster-https-"));
  kubeconfig = join(directory, "kubeconfig");
  cluster = await startCluster({ podNetwork: "127.244" });
  client = httpClient(cluster.connection);
  const user = `system:serviceaccount:${namespace}:elafros-controller`;
  const groups = ["system:authenticated", "system:serviceaccounts", `system:serviceaccounts:${namespace}`];
  await cluster.kubeconfig(kubeconfig, { user, groups });
  app = await startApp();
  const ports = await Promise.all(Array.from({ length: 5 }, freePort));
  const [http1 = 0, http2 = 0, https1 = 0, https2 = 0] = ports;
  linkPort = ports[4] ?? 0;
  balancer = await startBalancer([http1, http2]);
  acme = await startAcmeServer({ httpPort: balancer.port, tlsPort: https1 });
  const own = await openFileStore(join(directory, "own"));
  const authority = await openAuthority(own.authority, systemClock);
  given = (names) => authority.issue(names);
  await defineElafros(client, { domain, https: true, acmeServer: acme.url, acmeCa: acme.ca });
  control = await controllers();
  await untilLeads(control);
  const start = async (id: string, http: number, https: number): Promise<Place> => {
    const at = { linkPort, directory, id, ports: { http, https }, https: { redirect: true } };
    return { gateway: await runGateway(client, at), http, https };
  };
  gateways = await Promise.all([start("one", http1, https1), start("two", http2, https2)]);
  // Before the Route: else its host would get a certificate of the ACME server until then.
  await putSecret((first = await given([secretHost])));
  await deploy();
});

afterAll(async () => {
  for (const { gateway } of gateways) gateway.drain();
  await Promise.all(gateways.map(({ gateway }) => gateway.ended));
  await control.stop();
  client.close();
  await Promise.all([cluster.stop(), acme.close(), balancer.close()]);
  await new Promise((resolve) => app.close(resolve));
  await rm(directory, { recursive: true });
});

/** Answers for every instance: `/slow` a line at once, and its end when `/end` is asked for. */
async function startApp(): Promise<Server> {
  let ending: (() => void) | undefined;
  const server = createServer((incoming, outgoing) => {
    if (incoming.url === "/slow") {
      outgoing.write("begun\n");
      ending = () => outgoing.end("ended\n");
      return;
    }
    if (incoming.url === "/end") ending?.();
    outgoing.end(`${String(incoming.headers["x-forwarded-proto"])}\n`);
  });
  await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
  return server;
}

/** As a load balancer: each connection goes to the next of the ports. */
async function startBalancer(ports: readonly number[]): Promise<typeof balancer> {
  const asked = ports.map(() => 0);
  let turn = 0;
  const server = net.createServer((outer) => {
    const nth = turn++ % ports.length;
    asked[nth] = (asked[nth] ?? 0) + 1;
    const inner = net.connect({ port: ports[nth] ?? 0, host: "127.0.0.1" });
    for (const socket of [outer, inner]) socket.on("error", () => socket.destroy());
    outer.pipe(inner).pipe(outer);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { port, asked, close: () => new Promise((resolve) => server.close(() => resolve())) };
}

async function deploy(): Promise<void> {
  const apiVersion = "elafros.dev/v1alpha1";
  const container = {
    image: `registry.example/hello@sha256:${"0".repeat(64)}`,
    ports: [{ containerPort: (app.address() as AddressInfo).port }],
  };
  const spec = { revisionTemplate: { spec: { container } } };
  await client.create(Configuration, { apiVersion, kind: "Configuration", metadata: route, spec });
  const traffic = [{ configurationName: "hello", percent: 100 }];
  const domains = [secretHost, acmeHost];
  const own = [{ secretName: "www", hosts: [secretHost] }];
  const object = { apiVersion, kind: "Route", metadata: route, spec: { rollout: { traffic }, domains, tls: own } };
  await client.create(Route, object);
}

/** As cert-manager does. */
async function putSecret(pair: KeyPair): Promise<void> {
  const data = { "tls.crt": btoa(pair.cert), "tls.key": btoa(pair.key) };
  const metadata = { name: "www", namespace: "default" };
  const object = { apiVersion: "v1", kind: "Secret", metadata, type: "kubernetes.io/tls", data };
  await client.apply(Secret, object, { fieldManager: "cert-manager", force: true });
}

async function condition(type: string): Promise<string | undefined> {
  const { metadata, status } = await client.get(Route, route);
  if (status?.observedGeneration !== metadata.generation) return undefined;
  const found = status?.conditions?.find((one) => one.type === type);
  return found && [found.status, found.reason, found.message].filter(Boolean).join(" ");
}

const reaches = (type: string, words: RegExp) => expect.poll(() => condition(type)).toMatch(words);

/** The authority that people are told to trust, as `elafros trust --print` has it. */
async function printedCa(): Promise<string> {
  const lines: string[] = [];
  const { server } = cluster.connection;
  await trust({ cluster: { client, server }, printCertificate: true, print: (line) => lines.push(line) });
  return `${lines.join("\n")}\n`;
}

const get = (port: number, name: string, ca: string, path = "/") =>
  request(`https://${name}:${port}${path}`, { ca, servername: name, lookup: loopback, agent: false });

/** Every name leads here. */
const loopback: net.LookupFunction = (_, { all }, callback) => {
  if (all === true) callback(null, [{ address: "127.0.0.1", family: 4 }]);
  else callback(null, "127.0.0.1", 4);
};

/** The certificate that a gateway shows. */
function shown(port: number, servername: string): Promise<X509Certificate | undefined> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ port, host: "127.0.0.1", servername, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate());
      socket.destroy();
    });
    socket.once("error", reject);
  });
}

describe("the installation's own CA", () => {
  test("signs what status.url names, and both gateways serve it to who trusts what elafros trust prints", async () => {
    await reaches("Ready", /^True/);
    await expect.poll(async () => (await client.get(Route, route)).status?.url).toBe(`https://${host}`);
    const ca = await printedCa();
    expect(new X509Certificate(ca).subject).toContain(`Elafros local CA ${domain} `);
    for (const { https } of gateways) {
      const answer = await eventually("it is served", async () => get(https, host, ca));
      expect([answer.status, answer.text]).toEqual([200, "https\n"]);
    }
  });

  test("plain requests are sent to HTTPS, at the port where clients find it", async () => {
    for (const { http } of gateways) {
      const headers = { host, connection: "close" };
      const { status, headers: got } = await request(`http://127.0.0.1:${http}/a?b`, { headers });
      expect([status, got.location]).toEqual([308, `https://${host}/a?b`]);
    }
  });

  test("keys are in Secrets and where a gateway has its memory, and nowhere else that it writes", async () => {
    for (const id of ["one", "two"]) {
      const files = await readdir(join(directory, id), { recursive: true, withFileTypes: true });
      const keys: string[] = [];
      for (const file of files.filter((each) => each.isFile())) {
        const path = join(file.parentPath, file.name);
        if ((await readFile(path, "utf8")).includes("PRIVATE KEY")) keys.push(path);
      }
      expect(keys).toEqual([join(directory, id, "keys", "certificates.json")]);
    }
  });
});

test("an ACME server's certificate is ordered once, and either gateway answers its questions", async () => {
  await eventually("it is served", async () => {
    const issuer = (await shown(gateways[0]?.https ?? 0, acmeHost))?.issuer;
    return issuer?.includes("Pebble");
  });
  const roots = await acme.root();
  for (const { https } of gateways) {
    await expect.poll(async () => (await get(https, acmeHost, roots)).status).toBe(200);
  }
  expect(balancer.asked.every((times) => times > 0)).toBe(true);
  expect([acme.made("orders"), acme.made("accounts")]).toEqual([1, 1]);
});

test("a Secret's certificate is renewed without a connection or an answer that ends for it", async () => {
  const second = await given([secretHost]);
  const is = (pair: KeyPair) => async () => {
    const seen = await Promise.all(gateways.map(({ https }) => shown(https, secretHost)));
    return seen.every((one) => one?.fingerprint256 === new X509Certificate(pair.cert).fingerprint256);
  };
  await eventually("both show the first", is(first));
  const kept = await Promise.all(gateways.map(({ https }) => openConnection(https)));
  const begun = await openConnection(gateways[0]?.https ?? 0);
  begun.socket.write(`GET /slow HTTP/1.1\r\nhost: ${secretHost}\r\n\r\n`);
  await begun.until("begun\n");
  await putSecret(second);
  await eventually("both show the second", is(second));
  for (const connection of kept) {
    connection.socket.write(`GET / HTTP/1.1\r\nhost: ${secretHost}\r\n\r\n`);
    await connection.until("https\n");
  }
  kept[0]?.socket.write(`GET /end HTTP/1.1\r\nhost: ${secretHost}\r\n\r\n`);
  await begun.until("ended\n");
  for (const { socket } of [...kept, begun]) socket.destroy();
  await reaches("CertificateReady", /^True/);
});

interface OpenConnection {
  socket: tls.TLSSocket;
  /** Resolves once the text has come; rejects where the connection ends before. */
  until(text: string): Promise<void>;
}

async function openConnection(port: number): Promise<OpenConnection> {
  const socket = tls.connect({ port, host: "127.0.0.1", servername: secretHost, rejectUnauthorized: false });
  let read = "";
  let ended = false;
  socket.on("data", (part: Buffer) => (read += part.toString()));
  socket.on("close", () => (ended = true));
  await new Promise<void>((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("error", reject);
  });
  const until = (text: string) =>
    eventually(`"${text.trim()}" is read`, async () => {
      if (ended && !read.includes(text)) throw new Error(`The connection ended after: ${read}`);
      return Promise.resolve(read.includes(text));
    }).then(() => {});
  return { socket, until };
}

test("nobody gets a certificate for what is under the platform's own domain", async () => {
  const reserved = `victim.other.${domain}`;
  await client.patch(Route, route, { type: "merge", body: { spec: { domains: [secretHost, acmeHost, reserved] } } });
  await reaches("DomainsClaimed", new RegExp(`^False DomainConflict Domain "${reserved}" is under the platform's own`));
  expect((await client.get(Route, route)).status?.domains).toEqual([secretHost, acmeHost]);
  await expect(shown(gateways[0]?.https ?? 0, reserved)).rejects.toThrow(/handshake failure/);
});

test("the next controller to lead has all certificates, and orders none of them again", async () => {
  await reaches("CertificateReady", /^True/);
  const hosts = [host, secretHost, acmeHost];
  const prints = async () =>
    (await Promise.all(gateways.flatMap(({ https }) => hosts.map((name) => shown(https, name))))).map(
      (one) => one?.fingerprint256,
    );
  const [before, ca, orders] = [await prints(), await printedCa(), acme.made("orders")];
  const next = await controllers();
  const old = control;
  control = next;
  await old.stop();
  await untilLeads(next);
  // What it has to say reaches the gateways, so all it has said before has, too.
  await client.patch(Route, route, {
    type: "merge",
    body: { spec: { domains: [secretHost, acmeHost, "b.localhost"] } },
  });
  await eventually("the new name is served", async () => shown(gateways[1]?.https ?? 0, "b.localhost"));
  expect([await prints(), await printedCa(), acme.made("orders")]).toEqual([before, ca, orders]);
});
