import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { plainAnswer } from "./images-loopback.ts";
import { parseReference } from "../registry/reference.ts";

const type = "application/vnd.oci.image.manifest.v1+json";
const body = '{"schemaVersion":2,"layers":[{"digest":"sha256:1","size":5}]}';
const digest = `sha256:${createHash("sha256").update(body).digest("hex")}`;
const bob = { username: "bob", password: "päss:word" };

type Handle = (incoming: IncomingMessage, outgoing: ServerResponse) => void;
let server: Server;
let host: string;
let handle: Handle;
let asked: string[];

beforeAll(async () => {
  server = createServer((incoming, outgoing) => {
    asked.push(`${incoming.method} ${incoming.url} ${incoming.headers.authorization ?? "anonymously"}`);
    handle(incoming, outgoing);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

/** What is taken from a registry that answers like this. */
async function taken(answers: Handle, { login = false, timeoutMs = 2_000 } = {}) {
  asked = [];
  handle = answers;
  const credentials = login ? { registry: host, ...bob } : undefined;
  return plainAnswer(parseReference(`${host}/team/app:1`), credentials, timeoutMs);
}

const manifest: Handle = (_, outgoing) => outgoing.writeHead(200, { "content-type": type }).end(body);
const challenge =
  (header: string, then: Handle = manifest): Handle =>
  (incoming, outgoing) => {
    if (incoming.url?.startsWith("/token") === true) outgoing.end('{"token":"t.o.k"}');
    else if (incoming.headers.authorization === undefined)
      outgoing.writeHead(401, { "www-authenticate": header }).end();
    else then(incoming, outgoing);
  };

test("plainAnswer() gives the digest of the bytes, and the layers' sizes", async () => {
  const said: Handle = (_, outgoing) =>
    outgoing.writeHead(200, { "content-type": `${type}; charset=utf-8`, "docker-content-digest": digest }).end(body);
  expect(await taken(said)).toEqual({ digest, layers: new Map([["sha256:1", 5]]) });
  expect(await taken(manifest)).toMatchObject({ digest });
  expect(asked).toEqual(["GET /v2/team/app/manifests/1 anonymously"]);
});

const answering =
  (status: number, headers: Record<string, string> = {}, text = body): Handle =>
  (_, outgoing) =>
    outgoing.writeHead(status, headers).end(text);

test.each<[string, Handle]>([
  ["a missing tag", answering(404, { "content-type": type })],
  ["a redirect", answering(307, { "content-type": type, location: "/elsewhere" })],
  [
    "another digest in the header",
    answering(200, { "content-type": type, "docker-content-digest": `sha256:${"0".repeat(64)}` }),
  ],
  [
    "a signed manifest",
    answering(200, { "content-type": "application/vnd.docker.distribution.manifest.v1+prettyjws" }),
  ],
  ["no type", answering(200)],
  ["compressed bytes", answering(200, { "content-type": type, "content-encoding": "gzip" })],
  ["more than a manifest may have", answering(200, { "content-type": type }, "x".repeat((4 << 20) + 1))],
  [
    "a broken-off answer",
    (_, outgoing) =>
      void outgoing.writeHead(200, { "content-type": type, "content-length": 99 }).write("{", () => outgoing.destroy()),
  ],
  ["a wish for a password", challenge('Basic realm="x"')],
  ["a challenge that can't be read", challenge('Basic realm="x')],
])("plainAnswer() takes nothing from %s", async (_, answers) => {
  expect(await taken(answers)).toBeUndefined();
  expect(asked).toHaveLength(1);
});

test("plainAnswer() doesn't wait for a registry that says nothing", async () => {
  expect(await taken(() => {}, { timeoutMs: 50 })).toBeUndefined();
  expect(await plainAnswer(parseReference("127.0.0.1:1/app:1"), undefined)).toBeUndefined();
});

test("plainAnswer() gives its password where it is asked for it, and only then", async () => {
  const basic = `Basic ${Buffer.from("bob:päss:word").toString("base64")}`;
  expect(await taken(manifest, { login: true })).toMatchObject({ digest });
  expect(asked).toEqual([expect.stringContaining("anonymously")]);
  expect(await taken(challenge('Basic realm="x"'), { login: true })).toMatchObject({ digest });
  expect(asked[1]).toBe(`GET /v2/team/app/manifests/1 ${basic}`);
  const refused = challenge('Basic realm="x"', (_, outgoing) => outgoing.writeHead(401).end());
  expect(await taken(refused, { login: true })).toBeUndefined();
  expect(asked).toHaveLength(2); // refused once, and not asked again
});

test("plainAnswer() fetches a token on this machine, with the password or anonymously", async () => {
  const header = `Bearer realm="http://${host}/token?x=1",service="reg"`;
  const scope = "scope=repository%3Ateam%2Fapp%3Apull&service=reg";
  expect(await taken(challenge(header))).toMatchObject({ digest });
  expect(asked).toEqual([
    "GET /v2/team/app/manifests/1 anonymously",
    `GET /token?x=1&${scope} anonymously`,
    "GET /v2/team/app/manifests/1 Bearer t.o.k",
  ]);
  expect(await taken(challenge(header), { login: true })).toMatchObject({ digest });
  expect(asked[1]).toMatch(new RegExp(`^GET /token\\?x=1&account=bob&${scope} Basic `, "u"));
});

test.each([
  "https://HOST/token",
  "http://198.18.0.9/token",
  "http://user:pass@HOST/token",
  "token",
  "file:///etc/passwd",
])("plainAnswer() gives nothing to the realm %s", async (realm) => {
  expect(await taken(challenge(`Bearer realm="${realm.replace("HOST", host)}"`), { login: true })).toBeUndefined();
  expect(asked).toHaveLength(1);
});

test("plainAnswer() takes no token that isn't one", async () => {
  const tokens: Record<string, string> = { number: '{"token":5}', lines: '{"token":"a\\r\\nb: c"}', text: "token" };
  for (const [name, text] of Object.entries(tokens)) {
    const answers: Handle = (incoming, outgoing) => {
      if (incoming.url?.startsWith("/token") === true) outgoing.end(text);
      else outgoing.writeHead(401, { "www-authenticate": `Bearer realm="http://${host}/token"` }).end();
    };
    expect(await taken(answers), name).toBeUndefined();
    expect(asked, name).toHaveLength(2);
  }
});
