/**
 * The gateway's front on Node's HTTP server: one per thread and listening socket. Node's parser is strict (no lenient flags), so a message with
 * two lengths, a length and a coding, or a bare line feed ends at 400; what it lets through but two servers could still read differently
 * is refused by headers.ts.
 */
import { randomUUID } from "node:crypto";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { type Socket, Server as NetServer } from "node:net";
import type { Duplex } from "node:stream";
import { http } from "../../lib/node-http.ts";
import { type Answer, answers, renderAnswer } from "../answers.ts";
import type { Front, FrontOptions } from "../front.ts";
import { createHttp2Connections } from "../http2/front.ts";
import { AppSessions } from "../http2/sessions.ts";
import { type AppWires, createAppWires } from "../http1/app-wires.ts";
import { deadlineClock } from "../http1/deadlines.ts";
import { Ids } from "../http1/ids.ts";
import { wiresSupported } from "../http1/wire.ts";
import type { FrontContext } from "./context.ts";
import { HostNames } from "../match.ts";
import { Exchange } from "./exchange.ts";
import { Http1Incoming } from "./incoming.ts";
import { Upstreams } from "./upstreams.ts";

/** How often clients that don't do their part are looked for. */
const checkMs = 1_000;
/** What an upgrading client may send before it is answered. */
const mostEarlyBytes = 64 * 1024;

/** A client's connection. */
interface Connection {
  /** Requests that aren't answered yet. */
  exchanges: Set<Exchange>;
  /** The answer to the newest one. */
  last: ServerResponse | undefined;
  /** When the last one was answered, or the connection was made. */
  idleSince: number;
  /** We have said that we send nothing more. */
  ended: boolean;
}

/** This front, for connections that it is given or accepts itself. */
export interface HttpFront extends Front {
  /** How many are open. */
  readonly connections: number;
  /** To apps; undefined where this Node.js hasn't what raw connections are made of. */
  readonly wires: AppWires | undefined;
  /** Serves a connection that another front accepted; what that one read of it was put back by `unshift`. */
  take(socket: Socket): void;
  /**
   * Serves an accepted connection of a client that speaks HTTP/2: one that began with the preface (RFC 9113 §3.4), or of TLS with ALPN `h2`, after its
   * handshake. What was read of it was put back by `unshift`.
   */
  takeHttp2(socket: Duplex): void;
  /** Starts to accept on a descriptor. Rejects with the system's error when that isn't a usable socket. */
  listen(fd: number): Promise<void>;
}

/** Makes the front; it accepts nothing yet. */
export function createHttpFront(options: FrontOptions): HttpFront {
  const { limits } = options;
  const clock = deadlineClock(options.clock);
  const wires = wiresSupported() ? createAppWires({ clock, limits }) : undefined;
  const connections = new Map<Socket, Connection>();
  const exchanges = new Set<Exchange>();
  const upstreams = new Upstreams();
  const sessions = new AppSessions({ clock, limits });
  const ids = new Ids();
  let draining = false;
  let drained: (() => void) | undefined;
  const emptied = (): void => {
    if (connections.size + http2.size === 0) drained?.();
  };
  const context: FrontContext = {
    core: options.core,
    clock,
    limits,
    verboseErrors: options.verboseErrors,
    observer: options.observer,
    divert: options.divert,
    wires,
    upstreams,
    sessions,
    names: new HostNames(),
    newId: () => ids.next(),
    draining: () => draining,
    done: (exchange) => exchanges.delete(exchange),
    joined: new Set(),
  };
  const begin = (exchange: Exchange, connection: Connection | undefined, res: ServerResponse): void => {
    exchanges.add(exchange);
    if (connection !== undefined) {
      connection.exchanges.add(exchange);
      connection.last = res;
    }
    res.once("close", () => {
      if (connection === undefined) return;
      connection.exchanges.delete(exchange);
      connection.idleSince = clock.now();
    });
    exchange.start();
  };
  const http2 = createHttp2Connections(context, {
    begin: (exchange, refusal) => {
      exchanges.add(exchange);
      exchange.start(refusal);
    },
    emptied,
  });
  const server = makeServer(options);
  server.on("connection", (socket: Socket) => {
    const exchanges = new Set<Exchange>();
    connections.set(socket, { exchanges, last: undefined, idleSince: clock.now(), ended: false });
    socket.on("end", () => {
      if (![...exchanges].every((exchange) => exchange.clientEnded())) socket.destroy();
    });
    socket.once("close", () => {
      connections.delete(socket);
      emptied();
    });
  });
  server.on("request", (req, res) => {
    begin(new Exchange(context, new Http1Incoming(req, res, { expects: false })), connections.get(req.socket), res);
  });
  server.on("checkContinue", (req, res) => {
    begin(new Exchange(context, new Http1Incoming(req, res, { expects: true })), connections.get(req.socket), res);
  });
  server.on("upgrade", (req: IncomingMessage, duplex: Duplex, head: Buffer) => {
    const socket = duplex as Socket;
    const res = new http.ServerResponse(req);
    const upgrade = { protocol: req.headers.upgrade ?? "", socket, early: collectEarly(socket, head) };
    res.shouldKeepAlive = false;
    res.assignSocket(socket);
    res.once("finish", () => socket.end());
    const incoming = new Http1Incoming(req, res, { expects: false, upgrade });
    begin(new Exchange(context, incoming), connections.get(socket), res);
  });
  server.on("connect", (_req: IncomingMessage, duplex: Duplex) => sayGoodbye(duplex, answers.noConnect));
  server.on("clientError", (error: NodeJS.ErrnoException, duplex: Duplex) =>
    onClientError(error, duplex as Socket, { connections, context }),
  );
  const endOld = (maxAgeMs: number): void => {
    const time = clock.now() - maxAgeMs;
    for (const exchange of exchanges) exchange.shed(time);
    for (const joined of context.joined) if (joined.began < time) joined.end();
  };
  const check = setInterval(() => {
    const now = clock.now();
    for (const exchange of exchanges) exchange.check(now);
    http2.check(now);
    sessions.sweep(now);
    wires?.pool.sweep(now);
    if (!draining) return;
    endOld(limits.maxConnectionAgeMs);
    // After the sockets were read: what arrived while this thread was busy is a request, and its connection not idle.
    setImmediate(() => {
      for (const [socket, connection] of connections) closeIfIdle(socket, connection, now - limits.drainIdleMs);
    });
  }, checkMs);
  check.unref();
  server.on("error", (error) => options.log.error({ error }, "Listener failed"));
  let watching = false;
  return {
    wires,
    get connections() {
      return connections.size + http2.size;
    },
    takeHttp2: (socket) => http2.take(socket),
    take: (socket) => {
      // Which is when Node's server begins to look for slow clients.
      if (!watching && !server.listening) server.emit("listening");
      watching = true;
      server.emit("connection", socket);
    },
    listen: (fd) =>
      new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen({ fd, backlog: 4096 }, () => {
          server.off("error", reject);
          resolve();
        });
      }),
    drain: () =>
      new Promise((resolve) => {
        draining = true;
        drained = resolve;
        // Not http's own close: that one closes idle connections at once, and loses the request that is on its way on one of them.
        if (server.listening) NetServer.prototype.close.call(server);
        http2.drain();
        emptied();
      }),
    shed: endOld,
    gone: (instance) => {
      upstreams.drop(instance);
      wires?.pool.drop(instance);
      sessions.drop(instance);
    },
    close: () => {
      for (const socket of connections.keys()) socket.destroy();
      http2.close();
      sessions.close();
      wires?.pool.close();
    },
  };
}

function makeServer({ limits }: FrontOptions): Server {
  const server = http.createServer({
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersMs,
    // Uploads may take as long as they do; exchange.ts ends those that stand still.
    requestTimeout: 0,
    keepAliveTimeout: limits.idleMs,
    connectionsCheckingInterval: checkMs,
    insecureHTTPParser: false,
    requireHostHeader: true,
    noDelay: true,
    // HTTP/2 by upgrade is optional for a server (RFC 9113 dropped it): such a request is answered in HTTP/1.1.
    shouldUpgradeCallback: (req) => !/\bh2c?\b/i.test(req.headers.upgrade ?? ""),
  });
  // Node drops what is beyond its limit without a word; the count is checked in headers.ts instead.
  server.maxHeadersCount = 0;
  server.maxConnections = limits.connections;
  // A client that has said that it sends no more may still wait: an exchange finds out (sounding.ts). Not in Node's types, nor its documents.
  (server as unknown as { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true;
  server.timeout = 0;
  return server;
}

/** Reads on from a client that waits for its upgrade, so that its leaving shows; keeps what it sends. */
function collectEarly(socket: Socket, head: Buffer): Buffer[] {
  const early = head.length > 0 ? [head] : [];
  let bytes = head.length;
  socket.on("error", () => {});
  socket.on("data", (piece: Buffer) => {
    early.push(piece);
    bytes += piece.length;
    if (bytes > mostEarlyBytes) socket.pause();
  });
  socket.on("end", () => socket.destroy());
  return early;
}

function closeIfIdle(socket: Socket, connection: Connection, before: number): void {
  if (connection.exchanges.size > 0 || connection.idleSince > before) return;
  if (connection.ended) socket.destroy();
  connection.ended = true;
  socket.end();
}

/** What Node's parser refuses: a plain answer, unless another one is under way on the connection. */
function onClientError(
  error: NodeJS.ErrnoException,
  socket: Socket,
  { connections, context }: { connections: Map<Socket, Connection>; context: FrontContext },
): void {
  const { exchanges, last } = connections.get(socket) ?? { exchanges: new Set(), last: undefined };
  const requests = exchanges.size;
  // A body may turn out malformed while the app has its beginning: as long as nothing was answered, this can be.
  const busy = requests > 1 || (requests === 1 && last?.headersSent !== false);
  if (error.code === "ECONNRESET" || !socket.writable || busy) {
    socket.destroy();
    return;
  }
  const answer =
    error.code === "HPE_HEADER_OVERFLOW"
      ? answers.fieldsTooLarge
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? answers.slowRequest
        : answers.badRequest;
  const { requestId, bytes } = sayGoodbye(socket, answer);
  // A request that is under way says for itself how it ended.
  if (requests > 0) return;
  const { core, observer, clock } = context;
  core.outcomes.refused(answer.status);
  const nothing = { method: "", target: "", host: "", protocol: "HTTP/1.1", header: () => undefined } as const;
  const address = socket.remoteAddress?.replace(/^::ffff:/, "") ?? "";
  const scheme = "encrypted" in socket ? "https" : "http";
  const arrival = { ...nothing, at: clock.now(), scheme, address, requestId } as const;
  observer?.refused(arrival, { status: answer.status, bytes });
}

/** Answers on the bare connection and closes it. Gives the answer's id, and the bytes of its body. */
function sayGoodbye(socket: Duplex, answer: Answer): { requestId: string; bytes: number } {
  const requestId = randomUUID();
  const { fields, body } = renderAnswer(answer, { accept: undefined, requestId, verbose: false });
  let head = `HTTP/1.1 ${answer.status} ${http.STATUS_CODES[answer.status] ?? ""}\r\nConnection: close\r\n`;
  for (let i = 0; i < fields.length; i += 2) head += `${fields[i] ?? ""}: ${fields[i + 1] ?? ""}\r\n`;
  socket.on("error", () => {});
  socket.end(`${head}\r\n${body}`);
  // What else the client sends is read and dropped, for a moment: closing on it would take the answer with it.
  socket.resume();
  setTimeout(() => socket.destroy(), 1_000).unref();
  return { requestId, bytes: Buffer.byteLength(body) };
}
