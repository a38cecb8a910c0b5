/** Runs real gateway processes on sockets that the test owns, as the supervisor does, against a real link server. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import {
  type GatewayLimits,
  type GatewayOptions,
  parseGatewayOptions,
  type ReadyLine,
} from "../../src/gateway/options.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLog } from "../../src/lib/log.ts";
import { type CertificateFeed, createFeed } from "../../src/platform/certificates/feed.ts";
import { createLinkServer, type LinkServer } from "../../src/platform/control/link-server.ts";
import type { Outcome, RevisionLoad } from "../../src/routing/link.ts";
import { type Changes, differences } from "../../src/routing/changes.ts";
import { emptyTable, mapsOf, type RevisionEntry, type RouteTable, type TableMaps } from "../../src/routing/table.ts";

/** A socket that is bound but doesn't accept: what the supervisor holds. */
export interface BoundSocket {
  fd: number;
  port: number;
  close(): void;
}

interface Handle {
  fd: number;
  getsockname(out: { port?: number }): number;
  close(): void;
}

/**
 * Binds a loopback port without listening: the first gateway makes it listen, and it goes on listening, with connections waiting in it, while
 * no gateway is there. Listening here would make this process accept, too.
 */
export function bindSocket(): BoundSocket {
  const { _createServerHandle: create } = net as unknown as {
    _createServerHandle: (host: string, port: number, family: number, fd: number) => Handle | number;
  };
  const handle = create("127.0.0.1", 0, 4, -1);
  if (typeof handle === "number") throw new Error(`Cannot bind a loopback port: error ${handle}`);
  const name: { port?: number } = {};
  handle.getsockname(name);
  return { fd: handle.fd, port: name.port ?? 0, close: () => handle.close() };
}

export interface RunningGateway {
  process: ChildProcess;
  ready: ReadyLine;
  /** Resolves with the exit status, or the signal's name. */
  exited: Promise<number | string | null>;
  /** What it wrote on standard error. */
  log(): string;
}

export interface Bench {
  port: number;
  /** Of the listener for HTTPS; 0 where the bench has none. */
  tlsPort: number;
  dir: string;
  tablePath: string;
  linkPath: string;
  /** Starts a gateway on the bench's sockets and waits until it serves. */
  start(options?: {
    threads?: number;
    limits?: Partial<GatewayLimits>;
    verboseErrors?: boolean;
    accessLog?: { path: string; sampling: number };
    replace?: string;
    tracing?: { endpoint: string; sampling: number };
    redirectPort?: number;
    waitForTable?: boolean;
    link?: string;
    shares?: { place: string };
  }): Promise<RunningGateway>;
  /** Starts control's end of the link. */
  control(): Promise<FakeControl>;
  close(): Promise<void>;
}

/** Control as far as the gateway sees it: the real link server before a publisher that only writes down. */
export interface FakeControl {
  link: LinkServer;
  /** What it tells of certificates. */
  feed: CertificateFeed;
  /** Publishes the table with the next version; returns the version. */
  publish(table: Omit<RouteTable, "version">): number;
  /** Publishes and waits until `gateways` of them serve it. */
  settle(table: Omit<RouteTable, "version">, gateways?: number): Promise<void>;
  /** By gateway: the version that it confirmed, and the instances that it still drains. */
  members: Map<string, { serving: number; draining: Set<string> }>;
  hung: { revision: string; instance: string }[];
  /** Revisions without instances for which a request waits, each time it is said. */
  demands: string[];
  /** What was to do, report by report. */
  loads: { ms: number; revisions: RevisionLoad[] }[];
  outcomes: Outcome[];
  /** What was lost and sent of access logs and traces, report by report. */
  seen: { linesDropped: number; spansSent: number; spansDropped: number }[];
  drained: string[];
  close(): Promise<void>;
}

/** MiB that the gateway's process has in memory. */
export function memoryOf({ process: { pid } }: RunningGateway): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

let names = 0;

/** A directory, a socket, and what runs on them; `close` ends it all. */
export async function createBench({ tls = false }: { tls?: boolean } = {}): Promise<Bench> {
  const dir = await mkdtemp(join(tmpdir(), "elafros-gateway-"));
  const socket = bindSocket();
  const secure = tls ? bindSocket() : undefined;
  const started: RunningGateway[] = [];
  const controls: FakeControl[] = [];
  const tablePath = join(dir, "table.json");
  const linkPath = join(dir, "gateway.sock");
  let version = 0;
  return {
    port: socket.port,
    tlsPort: secure?.port ?? 0,
    dir,
    tablePath,
    linkPath,
    async start({ threads = 2, accessLog, ...more } = {}) {
      const log = accessLog === undefined ? undefined : await open(accessLog.path, "a");
      const fds = Array.from({ length: threads }, (_, i) => 3 + i);
      const secureFds = secure === undefined ? [] : fds.map((fd) => fd + threads);
      const options: GatewayOptions = {
        id: `gateway-${++names}`,
        version: "test",
        threads,
        listeners: [
          { name: "http", fds },
          ...(secure === undefined ? [] : [{ name: "https", fds: secureFds, tls: true }]),
        ],
        ...(secure === undefined ? {} : { certificates: join(dir, "certificates.json") }),
        table: tablePath,
        link: linkPath,
        handover: join(dir, "handover.sock"),
        ...(accessLog === undefined
          ? {}
          : { accessLog: { fd: 3 + threads + secureFds.length, sampling: accessLog.sampling } }),
        ...more,
      };
      parseGatewayOptions(JSON.stringify(options));
      const running = await run(options, [
        ...fds.map(() => socket.fd),
        ...(secure === undefined ? [] : fds.map(() => secure.fd)),
        ...(log === undefined ? [] : [log.fd]),
      ]);
      await log?.close();
      started.push(running);
      return running;
    },
    async control() {
      const control = await createControl(linkPath, () => ++version);
      controls.push(control);
      return control;
    },
    async close() {
      for (const { process } of started) process.kill("SIGKILL");
      await Promise.all(started.map(({ exited }) => exited));
      for (const control of controls) await control.close();
      socket.close();
      secure?.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** The program of the compiled build for benchmarks, since that is what is shipped. */
const program = process.env["ELAFROS_COMPILED"] === "1" ? "dist/gateway/main.js" : "src/gateway/main.ts";

async function run(options: GatewayOptions, sockets: number[]): Promise<RunningGateway> {
  const main = join(import.meta.dirname, "../..", program);
  const child = spawn(process.execPath, [main, JSON.stringify(options)], {
    stdio: ["ignore", "pipe", "pipe", ...sockets],
    env: { ...process.env, ELAFROS_LOG: process.env["ELAFROS_LOG"] ?? "debug" },
  });
  let log = "";
  child.stderr?.on("data", (piece: Buffer) => (log += piece.toString()));
  const exited = new Promise<number | string | null>((resolve) =>
    child.once("exit", (status, signal) => resolve(status ?? signal)),
  );
  const { stdout } = child;
  if (stdout === null) throw new Error("Cannot read the gateway's output");
  const line = await Promise.race([
    new Promise<string>((resolve) => createInterface(stdout).once("line", resolve)),
    exited.then((status) => {
      throw new Error(`Gateway ended with ${status} before it served: ${log}`);
    }),
  ]);
  return { process: child, ready: JSON.parse(line) as ReadyLine, exited, log: () => log };
}

async function createControl(path: string, nextVersion: () => number): Promise<FakeControl> {
  const members: FakeControl["members"] = new Map();
  const senders = new Map<string, (table: TableMaps, changes: Changes) => void>();
  const hung: FakeControl["hung"] = [];
  const demands: string[] = [];
  const loads: FakeControl["loads"] = [];
  const outcomes: Outcome[] = [];
  const seen: FakeControl["seen"] = [];
  const drained: string[] = [];
  let table: TableMaps | undefined;
  const feed = createFeed({ startVersion: Date.now(), ticketKeys: randomBytes(48).toString("base64") });
  feed.start();
  const link = await createLinkServer({
    path,
    certificates: feed,
    clock: systemClock,
    log: silentLog,
    onHung: ({ revision, instance }) => hung.push({ revision, instance }),
    onDemand: ({ revision }) => demands.push(revision),
    onSeen: (counts) => seen.push(counts),
    onLoad: (report) => loads.push(report),
    onOutcomes: (more) => outcomes.push(...more),
    publisher: {
      started: () => table !== undefined,
      addMember(member, report) {
        members.set(member.id, { serving: report.serving, draining: new Set(report.draining) });
        senders.set(member.id, (sent, changes) => member.send(sent, changes));
        if (table !== undefined) member.send(table, undefined);
      },
      removeMember: (id) => void members.delete(id),
      leaseExpired: (id) => void members.delete(id),
      ack: (id, serving, draining) => void members.set(id, { serving, draining: new Set(draining) }),
      instanceDrained(id, instance) {
        members.get(id)?.draining.delete(instance);
        drained.push(instance);
      },
    },
  });
  const publish = (content: Omit<RouteTable, "version">): number => {
    const next = mapsOf({ version: nextVersion(), ...content });
    const changes = differences(table ?? mapsOf(emptyTable), next);
    table = next;
    for (const send of senders.values()) send(next, changes);
    return next.version;
  };
  return {
    link,
    feed,
    publish,
    async settle(content, gateways = 1) {
      const version = publish(content);
      await until(() => [...members.values()].filter(({ serving }) => serving >= version).length >= gateways);
    },
    members,
    hung,
    demands,
    loads,
    outcomes,
    seen,
    drained,
    close: () => link.close(),
  };
}

/** Waits until the predicate holds, looking often; fails after `ms`. */
export async function until(predicate: () => boolean, ms = 30_000): Promise<void> {
  const end = Date.now() + ms;
  while (!predicate()) {
    if (Date.now() > end) throw new Error(`Not true after ${ms} ms: ${predicate.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export interface App {
  id: string;
  port: number;
  server: Server;
  /** As an instance of the table. */
  instance: { id: string; host: string; port: number };
  close(): Promise<void>;
}

/** A real app on a loopback port; by default it answers with its id. `port` 0 takes any. */
export async function startApp(id: string, listener?: RequestListener, port = 0): Promise<App> {
  const server = createServer(
    listener ??
      ((req, res) => {
        req.resume();
        res.end(id);
      }),
  );
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const bound = (server.address() as AddressInfo).port;
  return {
    id,
    port: bound,
    server,
    instance: { id, host: "127.0.0.1", port: bound },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A loopback port at which nobody answers, not even the kernel, like the address of an instance that is gone: its queue is full, and nobody accepts. */
export async function startSilent(id: string): Promise<Pick<App, "instance" | "close">> {
  const program = `const server = require("node:net").createServer();
    server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => console.log(server.address().port));`;
  const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  const port = await new Promise<number>((resolve) => child.stdout.once("data", (text) => resolve(Number(text))));
  child.kill("SIGSTOP");
  // One more than the backlog is queued.
  const queued = await Promise.all(
    [1, 2].map(async () => {
      const socket = net.connect(port, "127.0.0.1");
      await once(socket, "connect");
      return socket;
    }),
  );
  return {
    instance: { id, host: "127.0.0.1", port },
    async close() {
      for (const socket of queued) socket.on("error", () => {}).destroy();
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

/** A Revision's entry for these apps. */
export function revisionOf(apps: Pick<App, "instance">[], more: Partial<RevisionEntry> = {}): RevisionEntry {
  return {
    configuration: "default/app",
    protocol: "http1",
    concurrency: 0,
    timeoutMs: 10_000,
    instances: apps.map(({ instance }) => instance),
    ...more,
  };
}

/** A table in which `host` goes to one Revision of these apps. */
export function simpleTable(
  host: string,
  apps: Pick<App, "instance">[],
  more: Partial<RevisionEntry> = {},
): Omit<RouteTable, "version"> {
  return {
    hosts: { [host]: { route: "default/app", targets: [{ revision: "default/app-00001", percent: 100 }] } },
    revisions: { "default/app-00001": revisionOf(apps, more) },
  };
}
