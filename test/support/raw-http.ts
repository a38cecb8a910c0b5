/** Clients and apps that say exactly the bytes that a test wants. */
import { once } from "node:events";
import net, { type AddressInfo, type Socket } from "node:net";
import type { App } from "./gateway.ts";

/**
 * Sends pieces, each a packet of its own; resolves with all that comes back until the connection ends, `enough` of it came, or nothing did for
 * `patienceMs`.
 */
export async function exchange(
  port: number,
  pieces: readonly (string | Buffer)[],
  { end = false, enough, patienceMs }: { end?: boolean; enough?: (got: string) => boolean; patienceMs?: number } = {},
): Promise<string> {
  const socket = net.connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
  socket.on("error", () => {});
  let got = "";
  const done = new Promise<void>((resolve) => {
    socket.on("data", (piece: Buffer) => {
      got += piece.toString("latin1");
      if (enough?.(got) === true) resolve();
    });
    socket.on("end", resolve);
    if (patienceMs !== undefined) socket.setTimeout(patienceMs, resolve);
    socket.on("close", () => resolve());
  });
  for (const [i, piece] of pieces.entries()) {
    if (i > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    socket.write(typeof piece === "string" ? Buffer.from(piece, "latin1") : piece);
  }
  if (end) socket.end();
  await done;
  socket.destroy();
  return got;
}

/** The status codes of the answers in what came back. */
export function statuses(got: string): number[] {
  return [...got.matchAll(/HTTP\/1\.1 (\d{3})[ \r]/g)].map(([, status]) => Number(status));
}

/** An app that answers each piece it gets as `answer` does on its connection. */
export async function startRawApp(
  id: string,
  answer: (socket: Socket, piece: string, count: number) => void,
): Promise<App> {
  const sockets = new Set<Socket>();
  const server = net.createServer((socket) => {
    let count = 0;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    socket.on("data", (piece: Buffer) => answer(socket, piece.toString("latin1"), count++));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    id,
    port,
    server: server as unknown as App["server"],
    instance: { id, host: "127.0.0.1", port },
    close: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      await Promise.resolve();
    },
  };
}

/** Waits until something accepts connections on the port. */
export async function listens(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    const socket = net.connect(port, "127.0.0.1");
    const open = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true));
      socket.once("error", () => resolve(false));
    });
    socket.destroy();
    if (open) return;
    await new Promise((wake) => setTimeout(wake, 25));
  }
  throw new Error(`Nothing listens on port ${port} after 5 s`);
}
