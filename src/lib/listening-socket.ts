/**
 * Listening sockets as things of their own: bound once by the supervisor, which never accepts on them, and handed to the
 * processes that do by file descriptor. While nobody accepts, connections wait in the kernel's backlog, so a process can be replaced
 * without a refused connection.
 *
 * Node has no public call that binds without accepting; `net._createServerHandle` is what its own cluster module uses for exactly
 * this (docs/decisions/0001-listening-sockets.md).
 */
import { rmSync } from "node:fs";
import net from "node:net";
import { spawn } from "node:child_process";

/** Node's TCP wrap: only what is used of it here. */
interface TcpHandle {
  readonly fd: number;
  /** Gives the bound address into `out`; the error of a bind that libuv keeps for later. */
  getsockname(out: object): number;
  close(): void;
}

type CreateServerHandle = (
  address: string | null,
  port: number | null,
  addressType: number | null,
  fd?: number,
) => TcpHandle | number;

const createServerHandle = (net as unknown as { _createServerHandle: CreateServerHandle })._createServerHandle;

/** A bound socket that this process doesn't accept on. It listens from when the first process that got it does. */
export interface ListeningSocket {
  readonly fd: number;
  /** Closes this process's descriptor; others keep theirs. */
  close(): void;
}

/** `host:port` as two values. Throws where it is neither `host:port` nor `[v6]:port`, naming it. */
export function parseHostPort(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/i.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || port > 65_535) {
    throw new Error(
      `Invalid address "${text}": expected HOST:PORT with a port from 0 to 65535, such as 127.0.0.1:8080`,
    );
  }
  return { host, port };
}

/**
 * Binds. It doesn't listen: in libuv that is to accept as well, and connections would be lost in this process.
 * @param address an IP address, or `localhost`, which is 127.0.0.1
 * @throws Error with `code` (EADDRINUSE, EACCES, EADDRNOTAVAIL) and a sentence
 */
export function bindSocket(address: string, port: number): ListeningSocket {
  const ip = address === "localhost" ? "127.0.0.1" : address;
  const family = net.isIP(ip);
  if (family === 0) throw new Error(`Cannot listen on "${address}": give an IP address, such as 127.0.0.1 or 0.0.0.0`);
  const handle = createServerHandle(ip, port, family);
  if (typeof handle === "number") throw bindError(handle, address, port);
  // libuv keeps EADDRINUSE of `bind` to itself until somebody asks.
  const failure = handle.getsockname({});
  if (failure !== 0) {
    handle.close();
    throw bindError(failure, address, port);
  }
  return handle;
}

function bindError(errno: number, address: string, port: number): Error {
  const codes: Record<number, [string, string]> = {
    [-98]: ["EADDRINUSE", "the port is in use by another process"],
    [-99]: ["EADDRNOTAVAIL", "no interface of this machine has the address"],
    [-13]: ["EACCES", "permission denied"],
  };
  const [code, why] = codes[errno] ?? [`errno ${-errno}`, "the system refused"];
  return Object.assign(new Error(`Cannot listen on ${address}:${port}: ${why}`), { code });
}

/** A socket that was inherited as a descriptor, without accepting on it. */
export function adoptSocket(fd: number): ListeningSocket {
  const handle = createServerHandle(null, null, null, fd);
  if (typeof handle === "number") throw new Error(`Descriptor ${fd} is no listening socket`);
  return handle;
}

/**
 * Hands sockets to whoever connects to the local socket at `path`: the next supervisor, after this one's was killed. A helper process
 * owns the connection as its IPC channel, since only such a channel carries descriptors in Node. It waits until the taker says, by any
 * message, that it has all.
 * @param fds the sockets by name, as this process holds them
 * @param sender path of `send-sockets.ts` beside this file, as it runs
 */
export function serveHandover(path: string, fds: Readonly<Record<string, number>>): net.Server {
  const names = Object.keys(fds);
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const sender = new URL(`./send-sockets.${extension}`, import.meta.url).pathname;
  const server = net.createServer({ pauseOnConnect: true }, (connection) => {
    const { fd } = (connection as unknown as { _handle: { fd: number } })._handle;
    const child = spawn(process.execPath, [sender, ...names], {
      stdio: ["ignore", "ignore", "inherit", fd, ...Object.values(fds)],
      env: { NODE_CHANNEL_FD: "3" },
    });
    child.on("error", () => connection.destroy());
    child.on("exit", () => connection.destroy());
    connection.on("error", () => {});
  });
  // What an earlier process left there; its successor takes the name over.
  rmSync(path, { force: true });
  server.listen(path);
  return server;
}
