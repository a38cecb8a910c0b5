/**
 * The gateway's front for HTTP/1.1: plain requests on raw connections, everything else by Node's HTTP server on the same connection
 * (http/front.ts), which has HTTP/2, too: that of clients that begin with its preface, and that of apps. Where Node.js lacks what raw connections are made of, that server accepts and serves all.
 */
import type { Front, FrontOptions } from "../front.ts";
import { createHttpFront } from "../http/front.ts";
import { createHttp1Clients } from "./clients.ts";
import { listenOn, refuse } from "./wire.ts";

/** Starts to accept on the descriptor. Resolves when it does; rejects with the system's error when the descriptor isn't a usable socket. */
export async function createHttp1Front(fd: number, options: FrontOptions): Promise<Front> {
  const rest = createHttpFront(options);
  const { wires } = rest;
  if (wires === undefined) {
    options.log.warn({ node: process.version }, "Raw connections not supported by this Node.js: slower without");
    await rest.listen(fd);
    return rest;
  }
  const clients = createHttp1Clients({ ...options, scheme: "http", wires }, rest);
  const listener = listenOn(fd, (handle) => {
    if (clients.size + rest.connections >= options.limits.connections) refuse(handle);
    else clients.add(handle);
  });
  return {
    async drain() {
      clients.startDraining();
      listener.close();
      // It drains from now on, though it may still be given connections.
      const drained = rest.drain();
      await clients.emptied();
      await drained;
      await rest.drain();
      clients.stop();
    },
    shed: (maxAgeMs) => {
      clients.shed(maxAgeMs);
      rest.shed(maxAgeMs);
    },
    gone: (instance) => {
      rest.gone(instance);
    },
    close: () => {
      clients.close();
      rest.close();
    },
  };
}
