import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, expect, it, onTestFinished } from "vitest";
import { makeCertificate } from "../../../test/support/registry.ts";
import { openRepository, readSome, type Repository } from "./repository.ts";

const user = { username: "someone", password: "s3:cret" };
const open: (Server | Repository)[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A registry, or a part of one, that speaks plain HTTP on the loopback. */
async function serve(answer: Answer): Promise<string> {
  const server = createServer(answer);
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function repository(host: string, auths = [{ registry: host, ...user }]): Repository {
  const reference = { registry: host, path: "a/b", name: `${host}/a/b` };
  const made = openRepository({ reference, auths, write: true, signal: new AbortController().signal });
  open.push(made);
  return made;
}

it("send() shows credentials to nobody else that it is sent on to", async () => {
  const seen: (string | undefined)[] = [];
  const store = await serve((request, response) => {
    seen.push(request.headers.authorization);
    response.end("bytes");
  });
  const host = await serve((request, response) => {
    seen.push(request.headers.authorization);
    if (request.headers.authorization === undefined) {
      response.writeHead(401, { "www-authenticate": "Basic realm=x" }).end();
    } else response.writeHead(307, { location: `http://${store}/elsewhere` }).end();
  });
  const { status, stream, url } = await repository(host).send({ method: "GET", at: "blobs/x" });
  expect([status, (await readSome(stream, 100)).toString(), url.href]).toEqual([
    200,
    "bytes",
    `http://${store}/elsewhere`,
  ]);
  const basic = `Basic ${Buffer.from(`${user.username}:${user.password}`).toString("base64")}`;
  expect(seen).toEqual([undefined, basic, undefined]);
});

it("send() gets another token where the last one has ended, and sends the body again", async () => {
  let good = 0;
  const bodies: string[] = [];
  const host = await serve((request, response) => {
    if (request.url?.startsWith("/token") === true) {
      expect(new URL(request.url, "http://x").searchParams.get("scope")).toBe("repository:a/b:pull,push");
      good += 1;
      response.end(JSON.stringify({ token: `t${good}` }));
      return;
    }
    void readSome(request, 100).then((body) => {
      const isGood = good > 0 && request.headers.authorization === `Bearer t${good}`;
      const challenge = { "www-authenticate": `Bearer realm="http://${host}/token",service=s` };
      if (isGood) bodies.push(body.toString());
      response.writeHead(isGood ? 201 : 401, challenge).end();
    });
  });
  const put = async (target: Repository) => {
    const body = () => Readable.from([Buffer.from("hello")]);
    const answer = await target.send({ method: "PUT", at: "x", headers: { "content-length": "5" }, body });
    answer.stream.resume();
    return answer.status;
  };
  const target = repository(host);
  expect(await put(target)).toBe(201);
  good += 10;
  expect(await put(target)).toBe(201);
  expect(bodies).toEqual(["hello", "hello"]);
});

it("send() tells in the registry's words as whom it was asked, once no credentials are left", async () => {
  const host = await serve((_, response) => {
    response.writeHead(401, { "www-authenticate": "Basic realm=x" });
    response.end(JSON.stringify({ errors: [{ code: "UNAUTHORIZED", message: "authentication required" }] }));
  });
  const ask = (target: Repository) => target.send({ method: "GET", at: "x" });
  await expect(ask(repository(host))).rejects.toThrow(
    `UNAUTHORIZED: authentication required (asked http://${host}/v2/a/b as user "someone")`,
  );
  await expect(ask(repository(host, []))).rejects.toThrow(`(asked http://${host}/v2/a/b anonymously)`);
});

it.each<[string, Answer, RegExp]>([
  ["a loop", (_, response) => response.writeHead(307, { location: "/v2/a/b/x" }).end(), /which isn't followed$/],
  ["a broken connection", (request) => request.socket.destroy(), /^registry "[\d.:]+" can't be reached at http:/],
])("send() tells of %s", async (_, answer, message) => {
  const host = await serve(answer);
  await expect(repository(host).send({ method: "GET", at: "x" })).rejects.toThrow(message);
});

it("readSome() reads no more than it is to", async () => {
  const host = await serve((_, response) => response.end("x".repeat(1_000)));
  const { stream } = await repository(host).send({ method: "GET", at: "x" });
  await expect(readSome(stream, 999)).rejects.toThrow("the registry's answer has more than 999 bytes");
});

it("send() asks for no credentials where it is redirected to, whatever that wants to see", async () => {
  const seen: unknown[] = [];
  const store = await serve((request, response) => {
    seen.push([request.url, request.headers.authorization]);
    const realm = `http://${request.headers.host}/token`;
    response.writeHead(401, { "www-authenticate": `Bearer realm="${realm}",service=s` }).end();
  });
  const host = await serve((request, response) => {
    if (request.headers.authorization === undefined) {
      response.writeHead(401, { "www-authenticate": "Basic realm=x" }).end();
    } else response.writeHead(307, { location: `http://${store}/elsewhere` }).end();
  });
  const { status, stream } = await repository(host).send({ method: "GET", at: "blobs/x" });
  stream.resume();
  expect(status).toBe(401);
  expect(seen).toEqual([["/elsewhere", undefined]]);
});

it("send() shows the same credentials again as a token ends, also for what is asked meanwhile", async () => {
  const basic = `Basic ${Buffer.from(`${user.username}:${user.password}`).toString("base64")}`;
  const good = new Set<string>();
  const meanwhile = Promise.withResolvers<number>();
  let given = 0;
  const host = await serve((request, response) => {
    if (request.url?.startsWith("/token") === true) {
      const isUser = request.headers.authorization === basic;
      const token = isUser ? `t${(given += 1)}` : "nobody";
      if (isUser) good.add(`Bearer ${token}`);
      if (token === "t2") meanwhile.resolve(ask("meanwhile"));
      response.end(JSON.stringify({ token }));
      return;
    }
    const isGood = good.has(request.headers.authorization ?? "");
    const challenge = { "www-authenticate": `Bearer realm="http://${host}/token",service=s` };
    response.writeHead(isGood ? 200 : 401, challenge).end();
  });
  const target = repository(host);
  const ask = async (name: string) => {
    const answer = await target.send({ method: "HEAD", at: `blobs/${name}` });
    answer.stream.resume();
    return answer.status;
  };
  expect(await ask("first")).toBe(200);
  good.clear();
  expect(await Promise.all([ask("second"), ask("third"), meanwhile.promise])).toEqual([200, 200, 200]);
});

it("send() stays with TLS once the registry has spoken it, also where a body breaks off", async () => {
  const dir = await mkdtemp(join(tmpdir(), "elafros-repository-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  const files = await makeCertificate(dir, "127.0.0.1");
  const [cert, key, ca] = await Promise.all(
    [files.certificate, files.key, files.ca].map((path) => readFile(path, "utf8")),
  );
  const server = createTlsServer({ cert, key }, (request, response) => {
    request.resume();
    response.end();
  });
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const reference = { registry: host, path: "a/b", name: `${host}/a/b` };
  const { signal } = new AbortController();
  const made = openRepository({ reference, auths: [], write: true, ca: [ca ?? ""], signal });
  open.push(made);
  const look = async () => {
    const { status, stream, url } = await made.send({ method: "HEAD", at: "blobs/x" });
    stream.resume();
    return `${status} ${url.protocol}`;
  };
  expect(await look()).toBe("200 https:");
  const broken = () =>
    new Readable({
      read() {
        this.destroy(new Error("its bytes are wrong"));
      },
    });
  const headers = { "content-length": "5" };
  await expect(made.send({ method: "PUT", at: "blobs/y", headers, body: broken })).rejects.toThrow();
  expect(await look()).toBe("200 https:");
});
