/**
 * The gateway's front for HTTP/1.1: plain requests on raw connections, everything else by Node's HTTP server on the same connection
 * (http/front.ts), which has HTTP/2, too: that of clients that begin with its preface, and that of apps. Where Node.js lacks what raw connections are made of, that server accepts and serves all.
 */
import type { Front, FrontOptions } from "../front.ts";
import { createHttpFront } from "../http/front.ts";
import { Client } from "./client.ts";
import { Context } from "./context.ts";
import { listenOn, refuse, wiresSupported } from "./wire.ts";

/** How often clients that don't do their part are looked for. */
const checkMs = 1_000;

/** Starts to accept on the descriptor. Resolves when it does; rejects with the system's error when the descriptor isn't a usable socket. */
export async function createHttp1Front(fd: number, options: FrontOptions): Promise<Front> {
  const rest = createHttpFront(options);
  if (!wiresSupported()) {
    options.log.warn({ node: process.version }, "Raw connections not supported by this Node.js: slower without");
    await rest.listen(fd);
    return rest;
  }
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
  const listener = listenOn(fd, (handle) => {
    if (clients.size + rest.connections >= limits.connections) refuse(handle);
    else clients.add(new Client(handle, context));
  });
  const shed = (maxAgeMs: number): void => {
    const time = clock.now() - maxAgeMs;
    for (const client of clients) client.shed(time);
    rest.shed(maxAgeMs);
  };
  const check = setInterval(() => {
    const now = clock.now();
    for (const client of clients) client.check(now);
    pool.sweep(now);
    if (!context.draining) return;
    const time = now - limits.maxConnectionAgeMs;
    for (const client of clients) client.shed(time);
    // After the sockets were read: what arrived while this thread was busy is a request, and its connection not idle.
    setImmediate(() => {
      for (const client of clients) client.closeIdle(now - limits.drainIdleMs);
    });
  }, checkMs);
  check.unref();
  return {
    async drain() {
      context.draining = true;
      listener.close();
      // It drains from now on, though it may still be given connections.
      const drained = rest.drain();
      await new Promise<void>((resolve) => {
        context.emptied = resolve;
        if (clients.size === 0) resolve();
      });
      await drained;
      await rest.drain();
      clearInterval(check);
      pool.close();
    },
    shed,
    gone: (instance) => {
      pool.drop(instance);
      rest.gone(instance);
    },
    close: () => {
      for (const client of clients) client.destroy();
      rest.close();
    },
  };
}
