/**
 * One HTTP exchange with an API server, over node:http(s) with kept-alive connections.
 */
import type { ClientRequest, IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { isIP } from "node:net";
import { pipeline } from "node:stream/promises";
import { http } from "../lib/node-http.ts";
import { ApiError } from "../api/meta/errors.ts";
import { type Clock, systemClock } from "../lib/clock.ts";
import { isUntrusted, unreachable } from "./http-errors.ts";
import { createFlow, type FlowLimits } from "./http-flow.ts";
import type { Connection } from "./kubeconfig.ts";

export interface HttpRequest {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | "OPTIONS";
  /** Absolute, such as `/version`. */
  path: string;
  query?: Readonly<Record<string, string | number | boolean | undefined>>;
  headers?: Readonly<Record<string, string>>;
  /** Sent as JSON, a string as it stands. */
  body?: unknown;
  /** Sent instead of a body: so many bytes, read as fast as the server takes them. */
  content?: Content;
  signal?: AbortSignal;
}

/** Bytes to send that are more than memory should hold. */
interface Content {
  bytes: number;
  open(): AsyncIterable<Uint8Array>;
}

export interface Transport {
  /** Resolves once the answer's head is there, whatever its status code. Rejects with ApiError where the server can't be reached. */
  send(request: HttpRequest): Promise<IncomingMessage>;
  close(): void;
}

/**
 * Long enough for slow writes, and between two pieces of a large content, or of an answer that is read whole. Watches and logs have none,
 * they end by their signal.
 */
const silenceMs = 60_000;
/** So many kept connections in a row may turn out to be closed, as after a restart of the server. */
const mostResets = 5;
/** A connection on which nothing came for so long is asked by the kernel whether it still is: ten times, a second apart. */
const probeAfterMs = 20_000;

export interface TransportOptions {
  /** How fast it may ask; absent: as fast as is wanted. */
  limits?: FlowLimits;
  clock?: Clock;
  /** Asked as a request that isn't a reading one is sent, after it has waited for its turn: where it says no, the request is refused. */
  mayWrite?: () => boolean;
}

export function createTransport(
  connection: Connection,
  { limits, clock = systemClock, mayWrite }: TransportOptions,
): Transport {
  const url = new URL(connection.server);
  const secure = url.protocol === "https:";
  const agent = secure ? new HttpsAgent({ keepAlive: true }) : new http.Agent({ keepAlive: true });
  const start = secure ? httpsRequest : http.request;
  const prefix = url.pathname.replace(/\/+$/, "");
  const inTurn = createFlow({ clock, ...(limits === undefined ? {} : { limits }) });
  let tls = secure ? tlsOptions(connection, url) : {};

  async function attempt(request: HttpRequest, refused?: string): Promise<IncomingMessage> {
    const headers: Record<string, string> = { accept: "application/json", ...request.headers };
    const [token, certificate] = await Promise.all([connection.token?.(refused), connection.certificate?.()]);
    if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
    else if (connection.username !== undefined) {
      const pair = `${connection.username}:${connection.password ?? ""}`;
      headers["authorization"] = `Basic ${Buffer.from(pair).toString("base64")}`;
    }
    // As late as can be: nothing of it is known to the server yet.
    if (mayWrite?.() === false && request.method !== "GET" && request.method !== "HEAD")
      throw new ApiError("ServiceUnavailable", "This process doesn't lead: another may, and writes in its place");
    const { content } = request;
    if (content !== undefined) headers["content-length"] = String(content.bytes);
    const body = encode(request.body, headers);
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const outgoing = start({
        agent,
        ...tls,
        ...(certificate?.cert === undefined ? {} : { cert: certificate.cert, key: certificate.key }),
        host: url.hostname.replace(/^\[|\]$/g, ""),
        port: url.port === "" ? (secure ? 443 : 80) : Number(url.port),
        method: request.method,
        path: prefix + request.path + queryString(request.query),
        headers,
        ...(request.signal === undefined ? {} : { signal: request.signal }),
      });
      const silent = watchdog(clock, () => {
        outgoing.destroy(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" }));
        // The others are to the same server: each would be found dead only by the next request that waits for so long.
        for (const idle of Object.values(agent.freeSockets).flat()) idle?.destroy();
      });
      outgoing.once("socket", (socket) => socket.setKeepAlive(true, probeAfterMs));
      outgoing.once("response", (response) => {
        silent.stop();
        resolve(response);
      });
      // Stays: a server that refuses a content answers before it has all of it, and closes the connection, which is an error too.
      outgoing.on("error", (error: NodeJS.ErrnoException) => {
        silent.stop();
        reject(Object.assign(error, { reused: outgoing.reusedSocket }));
      });
      if (content === undefined) outgoing.end(body);
      else void send(content, outgoing, () => silent.heard());
    });
    // A token may end before its time: its key was changed, or it was taken back and given anew.
    if (answer.statusCode !== 401 || token === undefined || refused !== undefined || content !== undefined)
      return answer;
    if ((await connection.token?.(token)) === token) return answer;
    answer.resume();
    return attempt(request, token);
  }

  /** Whether the CA that the server's certificate is checked with is another now. */
  async function hasNewCa(): Promise<boolean> {
    const ca = await connection.renewCa?.().catch(() => undefined);
    if (ca === undefined || ca === connection.ca) return false;
    connection.ca = ca;
    tls = tlsOptions(connection, url);
    return true;
  }

  return {
    async send(request) {
      const { signal } = request;
      const ask = () => (request.content === undefined ? inTurn(() => attempt(request), signal) : attempt(request));
      for (let resets = 0; ;) {
        try {
          return await ask();
        } catch (error) {
          if (error instanceof ApiError || signal?.aborted === true) throw error;
          const { code, reused } = error as NodeJS.ErrnoException & { reused?: boolean };
          // A kept connection that the server closed just as it was used again; reading twice does no harm.
          const isStale = reused === true && code === "ECONNRESET" && request.method === "GET";
          if (isStale) resets += 1;
          if (isStale && resets <= mostResets) continue;
          if (isUntrusted(error) && (await hasNewCa())) continue;
          throw unreachable(error, connection);
        }
      }
    },
    close: () => agent.destroy(),
  };
}

interface Watchdog {
  /** Something came, or went. */
  heard(): void;
  stop(): void;
}

/** Calls once where for too long nothing is heard, until it is stopped. */
export function watchdog(clock: Clock, bark: () => void): Watchdog {
  let cancel = clock.after(silenceMs, bark);
  let stopped = false;
  return {
    heard() {
      if (stopped) return;
      cancel();
      cancel = clock.after(silenceMs, bark);
    },
    stop() {
      stopped = true;
      cancel();
    },
  };
}

/** Writes a content, piece by piece. Whatever goes wrong is told by the request's own error. */
async function send(content: Content, outgoing: ClientRequest, onPiece: () => unknown): Promise<void> {
  const pieces = async function* () {
    for await (const piece of content.open()) {
      onPiece();
      yield piece;
    }
  };
  await pipeline(pieces, outgoing).catch((error: unknown) => outgoing.destroy(error as Error));
}

function tlsOptions(connection: Connection, url: URL): Record<string, unknown> {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return {
    rejectUnauthorized: !connection.insecure,
    ...(connection.ca === undefined ? {} : { ca: connection.ca }),
    ...(connection.cert === undefined ? {} : { cert: connection.cert }),
    ...(connection.key === undefined ? {} : { key: connection.key }),
    ...(connection.tlsServerName !== undefined
      ? { servername: connection.tlsServerName }
      : isIP(host) === 0
        ? { servername: host }
        : {}),
  };
}

function encode(body: unknown, headers: Record<string, string>): string | undefined {
  if (body === undefined) return undefined;
  const text = typeof body === "string" ? body : JSON.stringify(body);
  if (typeof body !== "string") headers["content-type"] ??= "application/json";
  headers["content-length"] = String(Buffer.byteLength(text));
  return text;
}

function queryString(query: HttpRequest["query"]): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined) parameters.set(name, String(value));
  }
  const text = parameters.toString();
  return text === "" ? "" : `?${text}`;
}
