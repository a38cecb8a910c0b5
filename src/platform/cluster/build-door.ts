/**
 * The controllers' door to the installation's registry, over TLS: whoever shows a token of a ServiceAccount may read and write below its namespace's path, and nowhere else. Builds' Pods
 * push their images through it, and users upload their sources, so that the registry's own credentials stay with the controllers.
 *
 * It speaks what our own client of registries does of the distribution API, `/v2/NAMESPACE/PATH/…`; and takes uploads at `/sources/NAMESPACE/DIGEST`, which the API
 * server's proxy of Services reaches.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { uploadsAudience, uploadsTokenField } from "../../api/build-names.ts";
import type { KeyPair } from "../../apiserver/pki.ts";
import type { Client } from "../../client/client.ts";
import type { BuildRegistry } from "../../kubernetes/builds/registry.ts";
import { putBlob } from "../../kubernetes/sources/port.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { digestHex, uploadLocation } from "../../lib/source/location.ts";
import { ImageError } from "../../runtime/images.ts";
import type { Repository } from "../../runtime/registry/repository.ts";
import { SourceError, type SourcesPort } from "../../runtime/sources.ts";
import { longestToken } from "./token-review.ts";
import { createTokenReviews, type TokenReviews, TooManyTokensError } from "./token-reviews.ts";

export interface BuildDoorOptions {
  pair: KeyPair;
  client: Pick<Client, "create">;
  registry: BuildRegistry;
  sources: Omit<SourcesPort, "prune">;
  clock: Clock;
  log: Log;
}

/** What answers a request. */
interface Door extends Pick<BuildDoorOptions, "registry" | "sources"> {
  reviews: TokenReviews;
}

/** Images' layers may have so much. */
const mostBlob = 64 * 2 ** 30;
const imagePath = /^\/v2\/([a-z0-9-]{1,63})\/([a-z0-9][a-z0-9._/-]{0,200})\/(blobs|manifests)\/([\w.:/-]{1,200})$/u;
const sourcePath = /^\/sources\/([a-z0-9-]{1,63})\/([\w:%-]{1,100})$/u;

/** What it answers instead of what was asked for. */
class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The server; its owner has it listen. */
export function createBuildDoor(options: BuildDoorOptions): Server {
  const { pair, client, registry, sources, clock, log } = options;
  const door: Door = {
    registry,
    sources,
    reviews: createTokenReviews(client, { audience: uploadsAudience, clock }),
  };
  const server = createServer({ cert: pair.cert, key: pair.key, minVersion: "TLSv1.3" }, (incoming, outgoing) => {
    handle(door, incoming, outgoing).catch((error: unknown) => {
      const { status, message, headers = {} } = answerTo(error);
      if (status >= 500) log.warn({ error, path: incoming.url }, "The registry of builds can't be used");
      incoming.resume();
      if (outgoing.headersSent) return outgoing.destroy();
      const code = status === 429 ? "TOOMANYREQUESTS" : "DENIED";
      const words = JSON.stringify({ errors: [{ code, message }], message });
      return outgoing.writeHead(status, { "content-type": "application/json", ...headers }).end(words);
    });
  });
  // Large layers take their time; a client that stands still doesn't.
  server.requestTimeout = 0;
  server.setTimeout(60_000, (socket) => void socket.destroy());
  return server;
}

function answerTo(error: unknown): { status: number; message: string; headers?: Record<string, string> } {
  const { message } = error as Error;
  if (error instanceof Refusal) {
    const headers = error.status === 401 ? { "www-authenticate": 'Basic realm="elafros"' } : {};
    return { status: error.status, message, headers };
  }
  if (error instanceof TooManyTokensError) {
    return { status: 429, message, headers: { "retry-after": String(Math.ceil(error.waitMs / 1_000)) } };
  }
  if (error instanceof SourceError) {
    const status = { BadDigest: 400, DigestMismatch: 422, TooLarge: 413, NoSpace: 503 }[error.reason];
    return { status, message };
  }
  if (error instanceof ImageError) return { status: 502, message: `the installation's registry: ${message}` };
  return { status: 500, message: "the controllers failed: their log says why" };
}

async function handle(door: Door, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const url = new URL(incoming.url ?? "/", "https://door");
  const [, sourceNamespace, written = ""] = sourcePath.exec(url.pathname) ?? [];
  const [, namespace = sourceNamespace, path = "", kind, reference = ""] = imagePath.exec(url.pathname) ?? [];
  if (namespace === undefined) throw new Refusal(404, `there is nothing at ${url.pathname}`);
  await authorize(door.reviews, incoming, namespace);
  if (sourceNamespace !== undefined) {
    return source(door.sources, { namespace, digest: decodeURIComponent(written), incoming, outgoing });
  }
  const gone = new AbortController();
  outgoing.once("close", () => gone.abort());
  const repository = await door.registry.open(namespace, path, { signal: gone.signal });
  try {
    await image(repository, { at: `${kind}/${reference}`, url, incoming, outgoing });
  } finally {
    repository.close();
  }
}

/** @throws Refusal where the token isn't one of the namespace's ServiceAccounts, TooManyTokensError */
async function authorize(
  reviews: TokenReviews,
  { headers, socket }: IncomingMessage,
  namespace: string,
): Promise<void> {
  const basic = /^Basic ([\w+/=]+)$/u.exec(headers.authorization ?? "")?.[1];
  const shown =
    headers[uploadsTokenField] ??
    (basic &&
      Buffer.from(basic, "base64")
        .toString("utf8")
        .replace(/^[^:]*:/u, ""));
  if (typeof shown !== "string" || shown === "" || shown.length > longestToken) throw new Refusal(401, "show a token");
  const found = await reviews.review(shown, socket.remoteAddress ?? "");
  if ("why" in found) throw new Refusal(401, found.why);
  if (found.user.startsWith(`system:serviceaccount:${namespace}:`)) return;
  throw new Refusal(403, `"${found.user}" is no ServiceAccount of namespace "${namespace}"`);
}

interface Asked {
  incoming: IncomingMessage;
  outgoing: ServerResponse;
}

async function source(
  sources: BuildDoorOptions["sources"],
  { namespace, digest, incoming, outgoing }: Asked & { namespace: string; digest: string },
): Promise<void> {
  if (digestHex(digest) === undefined) throw new SourceError("BadDigest", `"${digest}" is no digest sha256:HEX`);
  const size = await sources.size(namespace, digest);
  if (incoming.method === "HEAD") {
    outgoing.writeHead(size === undefined ? 404 : 200, size === undefined ? {} : { "content-length": size }).end();
    return;
  }
  if (incoming.method !== "PUT") throw new Refusal(405, "sources are uploaded with PUT, and looked for with HEAD");
  if (size === undefined) await sources.put(namespace, digest, incoming);
  else incoming.resume();
  outgoing.writeHead(size === undefined ? 201 : 200, { "content-type": "application/json" });
  outgoing.end(JSON.stringify({ status: { location: uploadLocation(digest) } }));
}

/** Hands a request on to the registry, and its answer back. */
async function image(
  repository: Repository,
  { at, url, incoming, outgoing }: Asked & { at: string; url: URL },
): Promise<void> {
  const { method = "GET" } = incoming;
  if (method === "POST" && at.startsWith("blobs/uploads")) {
    // The upload begins when its bytes come: then the digest is known too.
    incoming.resume();
    outgoing.writeHead(202, { location: `${url.pathname}next`, "content-length": 0 }).end();
    return;
  }
  if (method === "PUT" && at.startsWith("blobs/uploads/")) {
    const digest = url.searchParams.get("digest") ?? "";
    if (digestHex(digest) === undefined) throw new SourceError("BadDigest", `"${digest}" is no digest sha256:HEX`);
    await putBlob(repository, { digest, body: incoming, most: mostBlob });
    outgoing.writeHead(201, { "docker-content-digest": digest, "content-length": 0 }).end();
    return;
  }
  if (method !== "GET" && method !== "HEAD" && !(method === "PUT" && at.startsWith("manifests/"))) {
    throw new Refusal(405, `${method} isn't taken here`);
  }
  const headers = picked(incoming, ["accept", "content-type", "content-length"]);
  let opened = false;
  const body = (): Readable => {
    // What has gone by can't be read again.
    if (opened) throw new ImageError("the registry asked for credentials in the middle of an upload");
    opened = true;
    return incoming;
  };
  if (method === "PUT") {
    // The registry is asked for its challenge first, as the body comes once.
    const probe = await repository.send({ method: "HEAD", at });
    probe.stream.resume();
  }
  const answer = await repository.send({ method, at, headers, ...(method === "PUT" ? { body } : {}) });
  outgoing.writeHead(answer.status, picked(answer, ["content-type", "content-length", "docker-content-digest"]));
  await pipeline(answer.stream, outgoing);
}

function picked({ headers }: Pick<IncomingMessage, "headers">, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = headers[name];
      return typeof value === "string" ? [[name, value]] : [];
    }),
  );
}
