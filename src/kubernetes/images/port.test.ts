import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { makeCertificate } from "../../../test/support/registry.ts";
import { createClusterImages } from "./port.ts";

const manifest = '{"schemaVersion":2}';
const digest = `sha256:${createHash("sha256").update(manifest).digest("hex")}`;
const images = createClusterImages();
const failure = (work: Promise<unknown>) => work.then(String, (error: Error) => `${error.name}: ${error.message}`);

/** A registry on the loopback that answers as the test says; the `Authorization` of each request is kept. */
async function registry(answer: (request: IncomingMessage, response: ServerResponse, host: string) => void) {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.authorization ?? "-"}`);
    answer(request, response, host);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  onTestFinished(() => void server.close());
  return { host, seen };
}

const auth = (host: string, username = "u") => ({ registry: host, username, password: "p" });
const login = (username: string) => `Basic ${Buffer.from(`${username}:p`).toString("base64")}`;

test.each([
  [`r.example/a@sha256:${"1".repeat(64)}`, "IfNotPresent", `r.example/a@sha256:${"1".repeat(64)}`],
  ["localhost/a", "Always", 'ImageError: image "localhost/a" is only on the machine that built it'],
  ["r.example/a:1", "Never", "ImageError: imagePullPolicy is Never, and what nodes have"],
  ["r.example/A", "Always", 'ImageError: Cannot parse image "r.example/A"'],
] as const)("resolve() of %s with %s asks nobody", async (reference, policy, expected) => {
  expect(await failure(images.resolve(reference, [], policy))).toContain(expected);
});

test("resolve() gives the digest of what the registry has", async () => {
  const { host, seen } = await registry((_, response) => response.end(manifest));
  expect(await images.resolve(`${host}/a/b`, [], "IfNotPresent")).toBe(`${host}/a/b@${digest}`);
  expect(seen).toEqual(["GET /v2/a/b/manifests/latest -"]);
});

test("resolve() gets a token with the pull secret's credentials, the more exact first", async () => {
  const { host, seen } = await registry((request, response, at) => {
    const { pathname } = new URL(request.url ?? "", `http://${at}`);
    if (pathname === "/token") response.end(JSON.stringify({ token: "t0k" }));
    else if (request.headers.authorization === "Bearer t0k") response.end(manifest);
    else response.writeHead(401, { "www-authenticate": `Bearer realm="http://${at}/token",service="s"` }).end();
  });
  const auths = [auth(host), auth(`${host}/a`, "exact")];
  expect(await images.resolve(`${host}/a/b:1`, auths, "Always")).toBe(`${host}/a/b@${digest}`);
  expect(seen).toEqual([
    "GET /v2/a/b/manifests/1 -",
    `GET /token?service=s&scope=repository%3Aa%2Fb%3Apull ${login("exact")}`,
    "GET /v2/a/b/manifests/1 Bearer t0k",
  ]);
});

test("resolve() tries the next credentials where the first are refused, and tells the last refusal", async () => {
  const { host, seen } = await registry((_, response) => {
    const body = { errors: [{ code: "UNAUTHORIZED", message: "authentication required" }] };
    response.writeHead(401, { "www-authenticate": "Basic realm=x" }).end(JSON.stringify(body));
  });
  expect(await failure(images.resolve(`${host}/a:1`, [auth(host, "one"), auth(host, "two")], "Always"))).toBe(
    `ImageError: UNAUTHORIZED: authentication required (asked http://${host}/v2/a/manifests/1 as user "two")`,
  );
  expect(seen.filter((line) => !line.endsWith("-"))).toEqual(
    ["one", "two"].map((name) => `GET /v2/a/manifests/1 ${login(name)}`),
  );
});

test("resolve() sends a password to no realm that isn't encrypted, and to no host that it is redirected to", async () => {
  const elsewhere = await registry((_, response) => response.end(manifest));
  const plain = await registry((_, response) => {
    response.writeHead(401, { "www-authenticate": 'Bearer realm="http://tokens.example/"' }).end();
  });
  expect(await failure(images.resolve(`${plain.host}/a`, [auth(plain.host)], "Always"))).toContain(
    "the registry answered with status 401 (Unauthorized) (asked",
  );
  const moved = await registry((request, response) => {
    if (request.headers.authorization === undefined) {
      response.writeHead(401, { "www-authenticate": "Basic realm=x" }).end();
    } else response.writeHead(307, { location: `http://${elsewhere.host}/m` }).end();
  });
  expect(await images.resolve(`${moved.host}/a`, [auth(moved.host)], "Always")).toBe(`${moved.host}/a@${digest}`);
  expect(elsewhere.seen).toEqual(["GET /m -"]);
});

test.each<[string, (response: ServerResponse) => void, string]>([
  [
    "a manifest that isn't there",
    (response) => response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'),
    "MANIFEST_UNKNOWN: manifest unknown (asked",
  ],
  [
    "an answer without words",
    (response) => response.writeHead(502).end("<html>"),
    "the registry answered with status 502",
  ],
  [
    "other bytes than it says",
    (response) => response.writeHead(200, { "docker-content-digest": "sha256:0" }).end(manifest),
    "its digest is another",
  ],
  ["too much", (response) => response.end(Buffer.alloc(5 << 20)), "its answer has more than 4194304 bytes"],
  ["a loop", (response) => response.writeHead(302, { location: "/again" }).end(), "it redirects more than 3 times"],
  [
    "another protocol",
    (response) => response.writeHead(302, { location: "https://a.example/" }).end(),
    "it redirects to https://a.example",
  ],
  ["a broken connection", (response) => response.destroy(), "the registry can't be reached: socket hang up"],
])("resolve() tells of %s", async (_, answer, expected) => {
  const { host } = await registry((_request, response) => answer(response));
  expect(await failure(images.resolve(`${host}/a:1`, [], "Always"))).toContain(expected);
});

test("resolve() trusts the authorities that the installation names, besides Node's own", async () => {
  const dir = await mkdtemp(join(tmpdir(), "elafros-images-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  // This machine by an address that isn't the loopback's, of which no HTTPS is asked.
  const files = await makeCertificate(dir, "0.0.0.0");
  const [cert, key, ca] = await Promise.all(
    [files.certificate, files.key, files.ca].map((path) => readFile(path, "utf8")),
  );
  const server = createTlsServer({ cert, key }, (_, response) => void response.end(manifest));
  await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
  onTestFinished(() => void server.close());
  const name = `0.0.0.0:${(server.address() as AddressInfo).port}/a`;
  const trusting = createClusterImages({ authorities: () => Promise.resolve(ca) });
  expect(await trusting.resolve(`${name}:1`, [], "Always")).toBe(`${name}@${digest}`);
  expect(await failure(images.resolve(`${name}:1`, [], "Always"))).toContain("the registry can't be reached: ");
});

test("pull() is the nodes' matter", async () => {
  await images.pull("r.example/a@sha256:1", []);
});
