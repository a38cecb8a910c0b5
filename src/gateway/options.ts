/**
 * How a gateway process is started. The process that owns the listening sockets (the supervisor) runs
 *
 *     node src/gateway/main.ts '<JSON of GatewayOptions>'
 *
 * with the sockets as inherited descriptors. Each thread gets a descriptor of its own for each listener, made by naming the socket several
 * times in `stdio` of `spawn`: descriptors of one process are shared by its threads, so a thread that closes one closes it for all that use it.
 *
 * Life: the process prints one JSON line, `ReadyLine`, on standard output when every thread accepts connections. On the first SIGTERM it
 * stops accepting, finishes the requests it has, closes idle connections gracefully, and exits with 0; on the second it drops what is left
 * and exits with 0. A gateway is replaced by starting the next on the same sockets, waiting for its line, then SIGTERM to the old one.
 * Unusable options: one line on standard error, exit status 2. An unexpected error in a thread ends that thread and loses its requests; the
 * others go on, and the next gateway is asked for by the file `replace`. Where no such file was given, or no thread is left: exit status 1, for
 * the supervisor to restart.
 */
import { isAbsolute } from "node:path";

export interface GatewayOptions {
  /** Names this process to control; unique among the gateways that run, so the next one has another. */
  id: string;
  /** Of the software, for control's view of its gateways and for the log. */
  version: string;
  /** Threads that serve; one per core. 1 to 64. */
  threads: number;
  /** Sockets that listen or are bound. `fds` has one descriptor per thread, and no descriptor stands twice. */
  listeners: GatewayListener[];
  /** Absolute path of the file with the last certificates and their keys; needed with a listener for HTTPS. */
  certificates?: string;
  /** Sends plain requests for hosts with a certificate to this port, where clients reach the listener for HTTPS; absent: serves them. */
  redirectPort?: number;
  /** Absolute path of the file with the last table. Read at the start, replaced with each new table; need not exist. */
  table: string;
  /** Where no table is kept, it serves nothing until control has given one: others serve meanwhile, who know more. Default false. */
  waitForTable?: boolean;
  /** Absolute path of control's socket. Need not exist: the gateway tries for ever. */
  link: string;
  /** Absolute path of the socket by which gateways that follow each other on this machine share limits; absent: they don't. */
  handover?: string;
  /**
   * There are gateways elsewhere, and limits hold over all of them: this one uses only the slots that control gives it (slots.ts). `place` names where it
   * runs; no two run there at a time. Absent: the limits are this gateway's own, and its handover's.
   */
  shares?: { place: string };
  /** Where the next supervisor gets all listening sockets of the installation, should this one be killed, and their descriptors by name. */
  sockets?: { path: string; fds: Record<string, number> };
  /** A file that is made where this gateway should be replaced soon, since it lost a thread; absent: it ends then. */
  replace?: string;
  /** Adds a problem's own message to 503 answers, for development: it may hold secrets. Default false. */
  verboseErrors?: boolean;
  /** An access log: a file that is open for appending, which threads share, and the share of the requests that stand in it. */
  accessLog?: { fd: number; sampling: number };
  /** Spans go to an OTLP collector at this URL; a trace is begun for this share of the requests that bring none. */
  tracing?: { endpoint: string; sampling: number };
  /** Limits of its own; those left out have the values of `defaultLimits`. Milliseconds, bytes, counts. */
  limits?: Partial<GatewayLimits>;
}

interface GatewayListener {
  name: string;
  fds: number[];
  /** For HTTPS. */
  tls?: boolean;
}

/** What bounds a gateway, whatever its table says. */
export interface GatewayLimits {
  /** Requests that may wait for an instance of one Revision, over all threads. */
  queueLength: number;
  /** What requests that wait may hold in memory, per thread. */
  queueBytes: number;
  /** Longest wait where the Revision has no `timeoutMs`. */
  queueMs: number;
  /** Client connections per thread; those beyond it are closed at once. */
  connections: number;
  /** Bytes of a header section, of requests and of answers. */
  headerBytes: number;
  /** Fields in a header section. */
  headerCount: number;
  /** Until a request's header section is complete. */
  headersMs: number;
  /** Without a byte of a request's body from the client, or without the client taking a byte of an answer that waits for it. */
  stallMs: number;
  /** An idle client connection is closed after this; answers say so in `Keep-Alive`. */
  idleMs: number;
  /** While draining, a client connection without a request is closed after this. */
  drainIdleMs: number;
  /** Until a connection to an instance is there: all are on this machine, so one that takes longer goes to nobody, and another is tried. */
  connectMs: number;
  /** Until an instance that speaks HTTP/2 has said its settings. */
  settingsMs: number;
  /** A request whose Revision's instances all refuse connections is tried again for this long. */
  patienceMs: number;
  /** Work whose client was answered or has gone, on an instance with a concurrency limit, may go on for this long. */
  hungMs: number;
  /** While draining after SIGTERM, upgraded and streaming connections older than this are ended. */
  maxConnectionAgeMs: number;
}

export const defaultLimits: GatewayLimits = {
  queueLength: 1_000,
  queueBytes: 64 * 1024 * 1024,
  queueMs: 60_000,
  connections: 10_000,
  headerBytes: 32 * 1024,
  headerCount: 200,
  headersMs: 30_000,
  stallMs: 60_000,
  idleMs: 75_000,
  drainIdleMs: 10_000,
  connectMs: 1_000,
  settingsMs: 5_000,
  patienceMs: 10_000,
  hungMs: 10_000,
  maxConnectionAgeMs: 3_600_000,
};

/** What the process prints on standard output when all threads serve. `table` is the version that it started with, 0 without one. */
export interface ReadyLine {
  ready: true;
  id: string;
  threads: number;
  table: number;
}

/** The options with every default filled in. */
export type FullGatewayOptions = GatewayOptions & {
  waitForTable: boolean;
  verboseErrors: boolean;
  limits: GatewayLimits;
};

/** Takes the process's argument apart. Throws an Error that names the option at fault and what it should be. */
export function parseGatewayOptions(argument: string | undefined): FullGatewayOptions {
  let value: unknown;
  try {
    value = JSON.parse(argument ?? "");
  } catch (error) {
    throw new Error("Cannot start the gateway: its first argument must be the options as JSON", { cause: error });
  }
  const o = asRecord(value, "options");
  const threads = asInteger(o["threads"], "threads", [1, 64]);
  const listeners = asListeners(o["listeners"], threads);
  const handover = o["handover"];
  return {
    id: asText(o["id"], "id"),
    version: asText(o["version"], "version"),
    threads,
    listeners,
    table: asPath(o["table"], "table"),
    link: asPath(o["link"], "link"),
    ...(o["certificates"] === undefined ? {} : { certificates: asPath(o["certificates"], "certificates") }),
    ...(o["redirectPort"] === undefined
      ? {}
      : { redirectPort: asInteger(o["redirectPort"], "redirectPort", [1, 65_535]) }),
    ...(handover === undefined ? {} : { handover: asPath(handover, "handover") }),
    ...(o["shares"] === undefined
      ? {}
      : { shares: { place: asText(asRecord(o["shares"], "shares")["place"], "shares.place") } }),
    ...(o["replace"] === undefined ? {} : { replace: asPath(o["replace"], "replace") }),
    ...(o["sockets"] === undefined ? {} : { sockets: asSockets(o["sockets"]) }),
    ...(o["accessLog"] === undefined ? {} : { accessLog: asAccessLog(o["accessLog"]) }),
    ...(o["tracing"] === undefined ? {} : { tracing: asTracing(o["tracing"]) }),
    waitForTable: o["waitForTable"] === true,
    verboseErrors: o["verboseErrors"] === true,
    limits: asLimits(o["limits"]),
  };
}

function asSockets(value: unknown): { path: string; fds: Record<string, number> } {
  const entry = asRecord(value, "sockets");
  const fds = Object.entries(asRecord(entry["fds"], "sockets.fds")).map(
    ([name, fd]) => [name, asInteger(fd, `sockets.fds.${name}`, [0, 2 ** 20])] as const,
  );
  return { path: asPath(entry["path"], "sockets.path"), fds: Object.fromEntries(fds) };
}

function asAccessLog(value: unknown): { fd: number; sampling: number } {
  const entry = asRecord(value, "accessLog");
  return {
    fd: asInteger(entry["fd"], "accessLog.fd", [0, 2 ** 20]),
    sampling: asShare(entry["sampling"], "accessLog.sampling"),
  };
}

function asTracing(value: unknown): { endpoint: string; sampling: number } {
  const entry = asRecord(value, "tracing");
  const endpoint = asText(entry["endpoint"], "tracing.endpoint");
  if (!/^https?:\/\/./.test(endpoint) || !URL.canParse(endpoint)) throw wrong("tracing.endpoint", "an HTTP URL");
  return { endpoint, sampling: asShare(entry["sampling"], "tracing.sampling") };
}

function asShare(value: unknown, name: string): number {
  if (typeof value !== "number" || !(value >= 0 && value <= 1)) throw wrong(name, "a number from 0 to 1");
  return value;
}

function asListeners(value: unknown, threads: number): GatewayOptions["listeners"] {
  if (!Array.isArray(value) || value.length === 0) throw wrong("listeners", "a list with at least one listener");
  const seen = new Set<number>();
  return value.map((item: unknown, i) => {
    const entry = asRecord(item, `listeners[${i}]`);
    const fds = entry["fds"];
    if (!Array.isArray(fds) || fds.length !== threads) {
      throw wrong(`listeners[${i}].fds`, `a list of ${threads} descriptors, one per thread`);
    }
    const numbers = fds.map((fd: unknown, j) => {
      const number = asInteger(fd, `listeners[${i}].fds[${j}]`, [0, 2 ** 20]);
      if (seen.has(number)) throw wrong(`listeners[${i}].fds[${j}]`, `a descriptor of its own; ${number} stands twice`);
      seen.add(number);
      return number;
    });
    const name = asText(entry["name"], `listeners[${i}].name`);
    return { name, fds: numbers, ...(entry["tls"] === true ? { tls: true } : {}) };
  });
}

function asLimits(value: unknown): GatewayLimits {
  const limits: GatewayLimits = { ...defaultLimits };
  if (value === undefined) return limits;
  for (const [name, given] of Object.entries(asRecord(value, "limits"))) {
    if (!isLimit(name)) throw wrong(`limits.${name}`, `one of ${Object.keys(defaultLimits).join(", ")}`);
    limits[name] = asInteger(given, `limits.${name}`, [1, 2 ** 31 - 1]);
  }
  return limits;
}

function isLimit(name: string): name is keyof GatewayLimits {
  return Object.hasOwn(defaultLimits, name);
}

function asRecord(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(name, "an object");
  return value as Record<string, unknown>;
}

function asText(value: unknown, name: string): string {
  if (typeof value !== "string" || value === "") throw wrong(name, "a text that isn't empty");
  return value;
}

function asPath(value: unknown, name: string): string {
  const path = asText(value, name);
  if (!isAbsolute(path)) throw wrong(name, "an absolute path");
  return path;
}

function asInteger(value: unknown, name: string, [least, most]: [number, number]): number {
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
    throw wrong(name, `a whole number from ${least} to ${most}`);
  }
  return value as number;
}

function wrong(name: string, should: string): Error {
  return new Error(`Cannot start the gateway: option "${name}" must be ${should}`);
}
