/**
 * The gateways' link over TLS: a gateway shows a token of its ServiceAccount in the first line, which the API server looks at (TokenReview), and
 * from then on speaks to the link's own socket as a gateway on this machine does.
 */
import { connect } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { KeyPair } from "../../apiserver/pki.ts";
import type { Client } from "../../client/client.ts";
import type { Log } from "../../lib/log.ts";
import { longestToken, reviewToken } from "./token-review.ts";

export interface LinkFrontOptions {
  pair: KeyPair;
  client: Pick<Client, "create">;
  /** Whom a token must be for. */
  audience: string;
  /** Who may connect: `system:serviceaccount:NAMESPACE:NAME`. */
  user: string;
  /** The link's own socket. */
  socket: string;
  log: Log;
}

const patienceMs = 10_000;

/** The server; its owner has it listen. */
export function createLinkFront(options: LinkFrontOptions): Server {
  return createServer({ cert: options.pair.cert, key: options.pair.key, minVersion: "TLSv1.3" }, (socket) => {
    socket.on("error", (error) => options.log.debug({ error }, "A gateway's connection failed"));
    socket.setTimeout(patienceMs, () => socket.destroy());
    void firstLine(socket)
      .then(async ({ line, rest }) => {
        const why = await refusal(line, options);
        if (why !== undefined) {
          options.log.warn({ from: socket.remoteAddress, why }, "A gateway is refused");
          socket.destroy();
          return;
        }
        // The link has its own lease.
        socket.setTimeout(0);
        socket.setKeepAlive(true, patienceMs);
        join(socket, rest, options.socket);
      })
      .catch(() => socket.destroy());
  });
}

function firstLine(socket: TLSSocket): Promise<{ line: string; rest: Buffer }> {
  return new Promise((resolve, reject) => {
    let read = Buffer.alloc(0);
    const onData = (part: Buffer) => {
      read = Buffer.concat([read, part]);
      const end = read.indexOf(10);
      if (end < 0 && read.length <= longestToken) return;
      socket.off("data", onData);
      socket.pause();
      if (end < 0 || end > longestToken) reject(new Error("The first line is too long"));
      else resolve({ line: read.subarray(0, end).toString("utf8").trim(), rest: read.subarray(end + 1) });
    };
    socket.on("data", onData);
    socket.once("close", () => reject(new Error("It closed the connection")));
  });
}

/** Why it may not connect; undefined where it may. */
async function refusal(token: string, { client, audience, user }: LinkFrontOptions): Promise<string | undefined> {
  const found = await reviewToken(client, { token, audience });
  if ("why" in found) return found.why;
  return found.user === user ? undefined : `"${found.user}" is no gateway`;
}

function join(socket: TLSSocket, rest: Buffer, path: string): void {
  const inner = connect({ path });
  inner.once("error", () => socket.destroy());
  inner.once("close", () => socket.destroy());
  socket.once("close", () => inner.destroy());
  if (socket.destroyed) inner.destroy();
  inner.write(rest);
  socket.pipe(inner).pipe(socket);
}
