import { setTimeout as sleep } from "node:timers/promises";
import { type ListeningSocket, bindSocket, parseHostPort } from "../../lib/listening-socket.ts";
import { httpsAddress, type PlatformConfig } from "../config.ts";

/** The platform's listening sockets by name. `instances` ones are on the bridge, for the containers. */
export interface Sockets {
  api: ListeningSocket;
  http: ListeningSocket;
  https?: ListeningSocket;
  instances: ListeningSocket[];
}

const receiveTimeoutMs = 10_000;

/** Binds the sockets that people use. Throws a sentence where a port is taken. */
export function bindPublicSockets(config: PlatformConfig): Omit<Sockets, "instances"> {
  const api = parseHostPort(config.api);
  const http = parseHostPort(config.http);
  const secure = httpsAddress(config);
  const bound: ListeningSocket[] = [];
  const bind = ({ host, port }: { host: string; port: number }): ListeningSocket => {
    const socket = bindSocket(host, port);
    bound.push(socket);
    return socket;
  };
  try {
    const sockets = { api: bind(api), http: bind(http) };
    return secure === undefined ? sockets : { ...sockets, https: bind(parseHostPort(secure)) };
  } catch (error) {
    for (const socket of bound) socket.close();
    throw error;
  }
}

/** Binds the gateway's port on the bridge, for the instances; a gateway on all addresses has it already. */
export function bindInstanceSockets(config: PlatformConfig, bridgeAddress: string): ListeningSocket[] {
  const { host, port } = parseHostPort(config.http);
  return host === "0.0.0.0" || host === "::" ? [] : [bindSocket(bridgeAddress, port)];
}

/** The sockets as a flat map, for handing over. */
export function namedSockets(sockets: Sockets): Record<string, ListeningSocket> {
  const named: Record<string, ListeningSocket> = { api: sockets.api, http: sockets.http };
  if (sockets.https !== undefined) named["https"] = sockets.https;
  for (const [index, socket] of sockets.instances.entries()) named[`instances-${index}`] = socket;
  return named;
}

/** Their descriptors, likewise. */
export function socketFds(sockets: Sockets): Record<string, number> {
  return Object.fromEntries(Object.entries(namedSockets(sockets)).map(([name, { fd }]) => [name, fd]));
}

/**
 * Takes the sockets that a running gateway or control hands over on this process's IPC channel.
 * @throws Error where they don't come
 */
export async function receiveSockets(): Promise<Sockets> {
  const received = new Map<string, ListeningSocket>();
  let expected = Infinity;
  const onMessage = (message: unknown, handle: unknown) => {
    const { socket, of } = message as { socket: string; of: number };
    expected = of;
    // The handle is Node's TCP wrap; it isn't accepted on until somebody listens with it.
    if (handle !== undefined && handle !== null) received.set(socket, handle as ListeningSocket);
  };
  process.on("message", onMessage);
  const deadline = Date.now() + receiveTimeoutMs;
  while (received.size < expected) {
    if (Date.now() > deadline || (!process.connected && received.size < expected)) {
      throw new Error("The running processes did not hand over their listening sockets");
    }
    await sleep(10);
  }
  process.off("message", onMessage);
  // Their sender waits for this.
  process.send?.({ taken: true });
  const api = received.get("api");
  const http = received.get("http");
  if (api === undefined || http === undefined)
    throw new Error("The running processes handed over no API or gateway socket");
  const instances = [...received].filter(([name]) => name.startsWith("instances-")).map(([, socket]) => socket);
  const https = received.get("https");
  return { api, http, ...(https === undefined ? {} : { https }), instances };
}
