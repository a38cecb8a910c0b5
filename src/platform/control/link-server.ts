/**
 * Control's end of the link to its gateways (routing/link.ts): makes each gateway that says hello a member of the publisher, brings it the
 * tables, passes on what it confirms, and ends its membership with its process or its lease.
 */
import { chmod, chown, readFile, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { readLines } from "../../gateway/lines.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { type GatewayMessage, leaseMs, type Outcome } from "../../routing/link.ts";
import type { CertificateUpdate } from "../../routing/certificates.ts";
import type { Publisher } from "../../routing/publisher.ts";
import type { ShareKeeper } from "../../routing/share-keeper.ts";
import { parseGatewayMessage } from "./gateway-message.ts";
import { TableSender } from "./table-sender.ts";

/** How often it is looked whether the process of a gateway without connection still is. */
const lookMs = 100;

export interface LinkServerOptions {
  /** Of the socket to listen on; what is left of an earlier one there is removed. */
  path: string;
  /** The account of the gateways; root unless given. The directory of `path` must be root's alone. */
  owner?: number;
  publisher: Pick<Publisher, "addMember" | "removeMember" | "leaseExpired" | "ack" | "instanceDrained" | "started">;
  /** Gateways run on other machines: that one of them ended is known where it says so, or by its lease. They are told that control lives. */
  elsewhere?: true;
  /** Absent: gateways are told nothing of certificates. */
  certificates?: {
    join(gateway: string, send: (update: CertificateUpdate) => void): void;
    certified(gateway: string, version: number): void;
    leave(gateway: string): void;
  };
  /** Absent: each gateway has whole limits, and nothing is told of slots. */
  shares?: Pick<ShareKeeper, "join" | "lost" | "ended" | "gave" | "wants">;
  clock: Clock;
  log: Log;
  /** An instance holds a slot for work that nobody waits for, for longer than allowed: replace it. May be called again for the same. */
  onHung(report: { gateway: string; revision: string; instance: string }): void;
  /** A request waits for a Revision without instances. May be said again. */
  onDemand(demand: Extract<GatewayMessage, { type: "demand" }>): void;
  /** A gateway says what there was to do; each does so each second. */
  onLoad(report: Extract<GatewayMessage, { type: "load" }>, gateway: string): void;
  /** A gateway says what became of requests since it last did, and what is under way. */
  onOutcomes(outcomes: readonly Outcome[], gateway: string): void;
  /** A gateway says what became of its access log and traces. */
  onSeen(seen: Extract<GatewayMessage, { type: "seen" }>): void;
}

export interface LinkServer {
  /** Asks all gateways to end streaming and upgraded connections that are older. */
  shed(maxConnectionAgeMs: number): void;
  /** Gateways that are members now. */
  gateways(): { id: string; pid: number; connected: boolean }[];
  /** Stops listening and ends the connections; gateways serve on and come back to the next control. */
  close(): Promise<void>;
}

type Hello = Extract<GatewayMessage, { type: "hello" }>;

interface Gateway {
  id: string;
  pid: number;
  socket: Socket | undefined;
  sender: TableSender;
  cancelLease: () => void;
}

/** Listens on the path. Rejects with the system's error when it can't. */
export async function createLinkServer(options: LinkServerOptions): Promise<LinkServer> {
  const { path, publisher, clock, log } = options;
  const gateways = new Map<string, Gateway>();
  const sockets = new Set<Socket>();
  let closed = false;

  const renew = (gateway: Gateway): void => {
    gateway.cancelLease();
    gateway.cancelLease = clock.after(leaseMs, () => {
      gateways.delete(gateway.id);
      gateway.socket?.destroy();
      publisher.leaseExpired(gateway.id);
      options.shares?.lost(gateway.id);
      options.certificates?.leave(gateway.id);
    });
  };
  const end = (gateway: Gateway): void => {
    gateway.cancelLease();
    gateways.delete(gateway.id);
    publisher.removeMember(gateway.id);
    options.shares?.ended(gateway.id);
    options.certificates?.leave(gateway.id);
    log.info({ gateway: gateway.id }, "Gateway ended");
  };
  /** Without a connection: a member until its lease is over, since it may serve on, or until its process has ended. */
  const watchEnd = (gateway: Gateway): void => {
    if (closed || gateways.get(gateway.id) !== gateway || gateway.socket !== undefined) return;
    if (options.elsewhere === true) return;
    void isRunning(gateway.pid).then((running) => {
      if (gateways.get(gateway.id) !== gateway || gateway.socket !== undefined) return;
      if (running) {
        clock.after(lookMs, () => watchEnd(gateway));
        return;
      }
      end(gateway);
    });
  };
  const join = (socket: Socket, { gateway: id, pid, changes = false }: Hello): Gateway => {
    const known = gateways.get(id);
    known?.cancelLease();
    if (known?.socket !== socket) known?.socket?.destroy();
    const gateway: Gateway = { id, pid, socket, sender: new TableSender(socket, changes), cancelLease: () => {} };
    gateways.set(id, gateway);
    return gateway;
  };

  const server = createServer((socket) => {
    let gateway: Gateway | undefined;
    sockets.add(socket);
    readLines(socket, (line) => {
      const message = parseGatewayMessage(line);
      if (message === undefined) return;
      if (message.type === "hello") {
        if (gateway !== undefined) throw new Error('Cannot take "hello" twice on one connection');
        gateway = join(socket, message);
        renew(gateway);
        const { id, sender } = gateway;
        // First, so that a host is in no table before its certificate, where there is one.
        options.certificates?.join(id, (update) => sender.say({ type: "certificates", update }));
        if (message.shares !== undefined) options.shares?.join(id, message.shares, (shares) => sender.say(shares));
        publisher.addMember({ id, send: (table, changes) => sender.send(table, changes) }, message);
        if (!publisher.started()) sender.say({ type: "later" });
        return;
      }
      if (gateway === undefined) throw new Error(`Cannot take "${message.type}" before "hello"`);
      // Another connection of the same gateway has taken over.
      if (gateways.get(gateway.id) !== gateway) return;
      renew(gateway);
      if (message.type === "alive") {
        if (options.elsewhere === true) gateway.sender.say({ type: "alive" });
      } else if (message.type === "ended") end(gateway);
      else if (message.type === "ack") publisher.ack(gateway.id, message.version, message.draining);
      else if (message.type === "certified") options.certificates?.certified(gateway.id, message.version);
      else if (message.type === "drained") publisher.instanceDrained(gateway.id, message.instance);
      else if (message.type === "hung") {
        options.onHung({ gateway: gateway.id, revision: message.revision, instance: message.instance });
      } else if (message.type === "demand") options.onDemand(message);
      else if (message.type === "load") options.onLoad(message, gateway.id);
      else if (message.type === "gave") options.shares?.gave(gateway.id, message.slots);
      else if (message.type === "wants") options.shares?.wants(gateway.id, message.revisions);
      else if (message.type === "outcomes") options.onOutcomes(message.outcomes, gateway.id);
      else if (message.type === "seen") options.onSeen(message);
    });
    socket.on("error", (error) => log.warn({ error, gateway: gateway?.id }, "Connection of a gateway failed"));
    socket.on("close", () => {
      sockets.delete(socket);
      if (gateway?.socket !== socket) return;
      gateway.socket = undefined;
      if (gateways.get(gateway.id) === gateway) options.shares?.lost(gateway.id);
      watchEnd(gateway);
    });
  });
  await listen(server, path);
  // The mode first: who may connect is then the owner, and nobody between.
  await chmod(path, 0o600);
  if (options.owner !== undefined) await chown(path, options.owner, options.owner);
  return {
    shed(maxConnectionAgeMs) {
      for (const { sender } of gateways.values()) sender.say({ type: "shed", maxConnectionAgeMs });
    },
    gateways: () => [...gateways.values()].map(({ id, pid, socket }) => ({ id, pid, connected: socket !== undefined })),
    async close() {
      closed = true;
      for (const gateway of gateways.values()) gateway.cancelLease();
      const ended = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await ended;
    },
  };
}

async function listen(server: Server, path: string): Promise<void> {
  await rm(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** Whether the process is there and not just waiting to be collected by its parent. */
async function isRunning(pid: number): Promise<boolean> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    // The name, in parentheses, may hold anything; the state follows the last one.
    const state = stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3);
    return state !== "Z" && state !== "X";
  } catch {
    return false;
  }
}
