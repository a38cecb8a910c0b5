/**
 * The gateway's side of the link over TLS: a socket on this machine that the gateway connects to as it does where control is its neighbour. Each of
 * its connections goes on to the controller that leads, which is the one of them that listens, with a token in its first line.
 */
import { lookup } from "node:dns/promises";
import { readFile, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { leaseMs } from "../../routing/link.ts";

export interface LinkTunnelOptions {
  /** Of the socket for the gateway; what is left of an earlier one there is removed. */
  path: string;
  /** All controllers under one name. */
  controllers: { host: string; port: number };
  /** The file with this Pod's token, which the kubelet renews. */
  tokenFile: string;
  /** The file with the controllers' certificate. */
  caFile: string;
  /** The name in that certificate. */
  serverName: string;
  clock: Clock;
  log: Log;
}

const patienceMs = 5_000;
/** The controller says something every `leaseRenewMs`. One that doesn't for so long has stopped, or its node has gone, which no kernel may tell for minutes. */
const silenceMs = leaseMs;

/** Resolves when the gateway may connect. */
export async function openLinkTunnel(options: LinkTunnelOptions): Promise<Server> {
  await rm(options.path, { force: true });
  const { host, port } = options.controllers;
  let reached: boolean | undefined;
  const server = createServer((inner) => {
    inner.pause();
    inner.on("error", () => inner.destroy());
    reach(options).then(
      (outer) => {
        reached = true;
        join(inner, outer, options);
      },
      (error: unknown) => {
        // It is tried each second: what is known already is no news.
        if (reached !== false) options.log.warn({ error, host, port }, "No controller can be reached; trying again");
        reached = false;
        // The gateway comes again.
        inner.destroy();
      },
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path: options.path }, () => {
      server.off("error", reject);
      resolve();
    });
  });
  return server;
}

/**
 * A connection to the controller that takes one, with the token said. All are tried at once: only the one that leads takes any, and addresses of some that
 * have gone don't even refuse. Files are read each time: they are replaced.
 */
async function reach(options: LinkTunnelOptions): Promise<TLSSocket> {
  const { controllers, tokenFile, caFile, serverName } = options;
  const [token, ca, found] = await Promise.all([
    readFile(tokenFile, "utf8"),
    readFile(caFile, "utf8"),
    lookup(controllers.host, { all: true }),
  ]);
  if (found.length === 0) throw new Error(`"${controllers.host}" has no address`);
  const connecting = found.map(({ address: host }) =>
    secure({ host, port: controllers.port, ca, servername: serverName }),
  );
  const first = await Promise.any(connecting).catch((error: AggregateError) => {
    throw error.errors[0];
  });
  for (const other of connecting) other.then((socket) => socket !== first && socket.destroy()).catch(() => {});
  first.write(`${token.trim()}\n`);
  return first;
}

function secure(target: { host: string; port: number; ca: string; servername: string }): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...target, minVersion: "TLSv1.3" });
    socket.setTimeout(patienceMs, () => socket.destroy(new Error("it gave no answer")));
    socket.once("error", reject);
    socket.once("secureConnect", () => {
      socket.off("error", reject);
      socket.setTimeout(0);
      socket.setKeepAlive(true, patienceMs);
      resolve(socket);
    });
  });
}

function join(inner: Socket, outer: TLSSocket, { clock, log }: LinkTunnelOptions): void {
  const wait = () =>
    clock.after(silenceMs, () => {
      log.warn(
        { controller: outer.remoteAddress, silenceMs },
        "A controller says nothing any more; looking for another",
      );
      outer.destroy();
    });
  let cancel = wait();
  outer.on("data", () => {
    cancel();
    cancel = wait();
  });
  outer.on("error", () => outer.destroy());
  outer.once("close", () => {
    cancel();
    inner.destroy();
  });
  // What the gateway said last is sent on.
  inner.once("close", () => outer.end());
  if (inner.destroyed) outer.destroy();
  inner.pipe(outer).pipe(inner);
}
