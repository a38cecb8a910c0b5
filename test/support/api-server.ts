/** A real API server over a real store, on a port of its own, which goes with the test. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";

import { onTestFinished } from "vitest";

import { allKinds } from "../../src/api/kinds.ts";
import type { Kind } from "../../src/api/meta/kind.ts";
import type { ApiService, RequestContext } from "../../src/api/meta/service.ts";
import { type Authorizer, createAuthorizer } from "../../src/apiserver/authorizer.ts";
import { startHousekeeping } from "../../src/apiserver/housekeeping.ts";
import { issueKubeconfig } from "../../src/apiserver/kubeconfig.ts";
import type { LogSource } from "../../src/apiserver/logs.ts";
import { type KeyPair, openPki, type Pki } from "../../src/apiserver/pki.ts";
import { systemUser } from "../../src/apiserver/rbac-cache.ts";
import { type ApiServer, createApiServer } from "../../src/apiserver/server.ts";
import { createApiService, type ApiServiceOptions } from "../../src/apiserver/service.ts";
import { tokenFinder } from "../../src/apiserver/token-finder.ts";
import { createTokens, type Tokens } from "../../src/apiserver/tokens.ts";
import { type Clock, systemClock } from "../../src/lib/clock.ts";
import { silentLog } from "../../src/lib/log.ts";
import type { SourcesPort } from "../../src/runtime/sources.ts";
import { openStore } from "../../src/store/open.ts";
import type { History } from "../../src/store/store.ts";

export interface BenchOptions {
  clock?: Clock;
  logs?: LogSource;
  virtual?: ApiServiceOptions["virtual"];
  kinds?: readonly Kind[];
  sources?: SourcesPort;
  /** How much the store remembers. */
  history?: History;
}

/** An answer, whole. */
export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  /** The body as JSON; undefined where it is none. */
  json: Record<string, unknown> | undefined;
}

export interface Ask {
  body?: unknown;
  headers?: Record<string, string | string[]>;
  /** A client certificate; null for none. Absent: the administrator's. */
  as?: KeyPair | null;
  token?: string;
}

export interface ApiBench {
  server: ApiServer;
  service: ApiService;
  authorizer: Authorizer;
  tokens: Tokens;
  pki: Pki;
  port: number;
  url: string;
  dir: string;
  admin: KeyPair;
  /** A request as the server itself. */
  context: RequestContext;
  /** Sends a request over HTTPS. An object as body is sent as JSON, text as it is. */
  ask(method: string, path: string, ask?: Ask): Promise<Answer>;
  /** Writes a kubeconfig for a user; gives its path. */
  kubeconfig(user: string, groups: readonly string[]): Promise<string>;
}

/** Starts one, housekeeping included: the namespace `default` is there. */
export async function apiBench(options: BenchOptions = {}): Promise<ApiBench> {
  const clock = options.clock ?? systemClock;
  const kinds = options.kinds ?? allKinds;
  const dir = await mkdtemp(path.join(tmpdir(), "elafros-api-"));
  const log = silentLog;
  const store = await openStore({
    path: path.join(dir, "store.db"),
    log,
    clock,
    ...(options.history === undefined ? {} : { history: options.history }),
  });
  const pki = await openPki({ dir: path.join(dir, "pki"), names: [], clock });
  const authorizer = createAuthorizer({ kinds, clock, log });
  const service = createApiService({
    store,
    kinds,
    clock,
    log,
    authorize: authorizer.authorize,
    admit: authorizer.admit,
    ...(options.virtual === undefined ? {} : { virtual: options.virtual }),
  });
  const stored = kinds.filter((kind) => !(options.virtual ?? []).some((virtual) => virtual.kind === kind));
  const housekeeping = await startHousekeeping({ store, kinds: stored, clock, log });
  await authorizer.start(service);
  const tokens = createTokens({ key: pki.tokenKey, clock, find: tokenFinder(service, kinds) });
  const tls = { ...pki.serving(), ca: pki.ca };
  const version = "0.0.0-test";
  const logs = options.logs === undefined ? {} : { logs: options.logs };
  const sources = options.sources === undefined ? {} : { sources: options.sources };
  const parts = { service, kinds, authorizer, tokens, tls, version, clock, log, ...logs, ...sources };
  const server = await createApiServer(parts);
  const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
  onTestFinished(async () => {
    await server.close(100);
    authorizer.stop();
    await housekeeping.stop();
    await store.close();
    await rm(dir, { recursive: true });
  });
  const context = { user: systemUser, warnings: [] };
  const admin = await pki.issueClient({ user: "admin", groups: ["system:masters"] });
  const url = `https://127.0.0.1:${port}`;
  return {
    server,
    service,
    authorizer,
    tokens,
    pki,
    port,
    url,
    dir,
    admin,
    context,
    ask: asker({ port, ca: pki.ca, admin }),
    kubeconfig: async (user, groups) => {
      const file = path.join(dir, `${user}.kubeconfig`);
      await writeFile(file, await issueKubeconfig({ pki, server: url, region: "test", user, groups }), { mode: 0o600 });
      return file;
    },
  };
}

interface Server {
  port: number;
  ca: string;
  admin: KeyPair;
}

/** What sends requests to a server on the loopback, as its administrator where nothing else is said. */
export function asker(server: Server): ApiBench["ask"] {
  return (method, where, ask = {}) => send({ ...server, method, where }, ask);
}

interface Sending extends Server {
  method: string;
  where: string;
}

function send(
  { port, ca, admin, method, where }: Sending,
  { body, headers = {}, as = admin, token }: Ask,
): Promise<Answer> {
  const isText = typeof body === "string" || Buffer.isBuffer(body);
  const payload = body === undefined ? undefined : isText ? body : JSON.stringify(body);
  const sent: Record<string, string | string[]> = { ...headers };
  if (payload !== undefined) {
    sent["content-length"] = String(Buffer.byteLength(payload));
    if (!isText && sent["content-type"] === undefined) sent["content-type"] = "application/json";
  }
  if (token !== undefined) sent["authorization"] = `Bearer ${token}`;
  const credentials = token !== undefined || as === null ? {} : { cert: as.cert, key: as.key };
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      { host: "127.0.0.1", port, path: where, method, ca, headers: sent, agent: false, ...credentials },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString("utf8");
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: jsonOf(text) });
        });
      },
    );
    request.on("error", reject);
    request.end(payload);
  });
}

function jsonOf(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
