/** The clients of one front that speak plain HTTP/1.1: accepted in plain text by front.ts, or over TLS by tls/front.ts. */
import type { TLSSocket } from "node:tls";
import type { FrontOptions } from "../front.ts";
import type { HttpFront } from "../http/front.ts";
import type { AppWires } from "./app-wires.ts";
import { Client } from "./client.ts";
import { Context } from "./context.ts";
import { TlsWire } from "./tls-wire.ts";
import { Wire } from "./wire.ts";

/** How often clients that don't do their part are looked for. */
const checkMs = 1_000;

export interface Http1Clients {
  /** How many are connected. */
  readonly size: number;
  /** Serves an accepted connection by its handle. */
  add(handle: object): void;
  /** Serves one of TLS after its handshake. */
  addTls(socket: TLSSocket): void;
  /** Tells clients to close from now on. */
  startDraining(): void;
  /** Resolves when none is left; called after `startDraining`. */
  emptied(): Promise<void>;
  /** Ends streaming answers that are older. */
  shed(maxAgeMs: number): void;
  /** Drops every client. */
  close(): void;
  /** After the last one: lets go of the rest. */
  stop(): void;
}

/** @param rest serves what isn't plain, on the same connections, and has connections to apps in common with these clients */
export function createHttp1Clients(
  options: FrontOptions & { scheme: "http" | "https"; wires: AppWires },
  rest: HttpFront,
): Http1Clients {
  const { limits, clock } = options;
  const context = new Context({
    ...options,
    handOver: (wire, bytes, http) => {
      const socket = wire.toSocket();
      if (bytes.length > 0) socket.unshift(bytes);
      if (http === 2) rest.takeHttp2(socket);
      else rest.take(socket);
    },
  });
  const { clients, pool } = context;
  const shed = (maxAgeMs: number): void => {
    const time = clock.now() - maxAgeMs;
    for (const client of clients) client.shed(time);
  };
  const check = setInterval(() => {
    const now = clock.now();
    for (const client of clients) client.check(now);
    if (!context.draining) return;
    shed(limits.maxConnectionAgeMs);
    // After the sockets were read: what arrived while this thread was busy is a request, and its connection not idle.
    setImmediate(() => {
      for (const client of clients) client.closeIdle(now - limits.drainIdleMs);
    });
  }, checkMs);
  check.unref();
  return {
    get size() {
      return clients.size;
    },
    add: (handle) => void clients.add(new Client((user) => new Wire(handle, user), context)),
    addTls: (socket) => void clients.add(new Client((user) => new TlsWire(socket, user), context)),
    startDraining: () => void (context.draining = true),
    emptied: () =>
      new Promise((resolve) => {
        context.emptied = resolve;
        if (clients.size === 0) resolve();
      }),
    shed,
    close: () => {
      for (const client of clients) client.destroy();
    },
    stop: () => {
      clearInterval(check);
      pool.close();
    },
  };
}
