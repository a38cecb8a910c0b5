/** The gateway's first thread, put together; hub.ts says what it does, core.ts what the others do. */
import { writeFile } from "node:fs/promises";
import { flushCompileCache } from "node:module";
import { systemClock } from "../lib/clock.ts";
import { serveHandover } from "../lib/listening-socket.ts";
import { createLog } from "../lib/log.ts";
import { Exporter } from "../lib/otlp/exporter.ts";
import { emptyTable, type RouteTable } from "../routing/table.ts";
import { CertificateHub } from "./certificate-hub.ts";
import { Core } from "./core.ts";
import { Handover } from "./handover.ts";
import { Hub } from "./hub.ts";
import { LinkClient } from "./link-client.ts";
import { Counters, type SharedMemory } from "./memory.ts";
import type { ToThread } from "./messages.ts";
import type { FullGatewayOptions, ReadyLine } from "./options.ts";
import { LoadReports } from "./reports.ts";
import { SlotShares } from "./slots.ts";
import { readTableFile, removeLeftovers, TableFile } from "./table-file.ts";
import { Threads } from "./threads.ts";
import type { Workers } from "./workers.ts";

const log = createLog("gateway");
/** How long it waits for the next gateway that it asked for, until it asks again. */
const nextMs = 10_000;
/** A control that is there and doesn't say its table for as long is not waited for, where there is one that was kept. */
const firstTableMs = 2_000;
/** How long the last spans may take on their way when it ends. */
const lastSpansMs = 2_000;

/** Serves until the process ends; it ends where that fails. `workers` are on their way already. */
export function run(options: FullGatewayOptions, memory: SharedMemory, workers: Workers): void {
  serve(options, memory, workers).catch((error: unknown) => {
    log.error({ error }, "Gateway failed");
    process.exit(1);
  });
}

async function serve(options: FullGatewayOptions, memory: SharedMemory, workers: Workers): Promise<void> {
  const { id, threads } = options;
  const counters = new Counters(memory);
  const loaded = Promise.withResolvers<void>();
  const file = new TableFile(options.table, log);
  let [serving, draining] = [false, false];
  const all = new Threads({
    post: (thread, message) => workers.post(thread, message),
    receive: (thread, message) => {
      if (message.type === "look") core.look();
      if (message.type === "certified") certificates.fromThread(message.version);
      if (message.type === "load") reports.fromThread(message);
      if (message.type === "log") log[message.level](JSON.parse(message.fields) as object, message.message);
      if (message.type === "short") shares?.waits(message.revision);
      if (message.type === "spans") exporter?.add(message.spans, message.dropped);
      handover?.fromThread(thread, message);
      hub.fromThread(message);
    },
  });
  const toThread = (thread: number, message: ToThread): void => all.send(thread, message);
  const core = new Core({
    thread: threads,
    counters,
    clock: systemClock,
    queueLength: options.limits.queueLength,
    queueBytes: options.limits.queueBytes,
    wake: (thread) => toThread(thread, { type: "look" }),
    demand: (revision, trace) =>
      hub.fromThread({ type: "demand", revision, ...(trace === undefined ? {} : { trace }) }),
    idle: (instance) => hub.fromThread({ type: "idle", instance }),
    hung: () => {},
    gone: () => {},
    ask: (revision) => handover?.fromThread(threads, { type: "want", revision }),
    returned: (instance) => handover?.fromThread(threads, { type: "returned", instance }),
  });
  const { handover: path } = options;
  const handover =
    path === undefined ? undefined : new Handover(core, { path, threads, clock: systemClock, log, toThread });
  const shares =
    options.shares === undefined
      ? undefined
      : new SlotShares({
          core,
          counters,
          clock: systemClock,
          toControl: (message) => link.send(message),
          version: () => hub.version,
        });
  const hub = new Hub({
    id,
    threads,
    counters,
    log,
    needsControl: options.waitForTable && keptTable(options.table).version === 0,
    change: (version, changes) => {
      shares?.changing(changes);
      core.change(version, changes);
      shares?.changed(changes);
    },
    unserved: () => core.unserved(),
    settling: () => shares?.settling(),
    toThread,
    toControl: (message) => {
      link.send(message);
      if (message.type === "drained") shares?.drained(message.instance);
    },
    save: (change, table) => file.save(change, table),
    loaded: () => loaded.resolve(),
    serving: () => {
      serving = true;
      const line: ReadyLine = { ready: true, id, threads, table: hub.version };
      process.stdout.write(`${JSON.stringify(line)}\n`);
      log.info({ id, threads, version: options.version, table: hub.version }, "Serving");
      handover?.listen();
      reports.start();
      // The next one may have to start in a hurry.
      flushCompileCache();
    },
    empty: () =>
      void Promise.all([file.close(), exporter?.close(lastSpansMs)])
        .then(() => link.end())
        .then(() => process.exit(0)),
  });
  const exporter = exporterOf(options);
  const certificates = new CertificateHub({
    threads,
    path: options.certificates,
    log,
    tellAll: (update) => {
      for (let thread = 0; thread < threads; thread++) toThread(thread, { type: "certificates", update });
    },
    confirm: (version) => link.send({ type: "certified", version }),
  });
  const reports = new LoadReports({
    threads,
    clock: systemClock,
    toThread,
    toControl: (message) => link.send(message),
    spans: exporter === undefined ? undefined : () => exporter.take(),
  });
  const link = new LinkClient({
    path: options.link,
    clock: systemClock,
    log,
    hello: () => ({
      ...hub.hello(),
      ...(options.shares === undefined ? {} : { shares: { ...options.shares, slots: shares?.hello() ?? [] } }),
    }),
    connected: () => {
      hub.connected();
      shares?.connected();
    },
    away: () => hub.away(),
    received: (message) => {
      if (message.type === "certificates") certificates.fromControl(message.update);
      else if (message.type === "shares") shares?.fromControl(message);
      else hub.fromControl(message);
    },
  });
  for (const file of [options.table, options.certificates ?? []].flat()) {
    removeLeftovers(file).catch((error: unknown) => log.warn({ error, file }, "Old files not removed"));
  }
  certificates.begin();
  link.start();
  systemClock.after(firstTableMs, () => {
    if (keptTable(options.table).version > 0) hub.away();
  });
  workers.begin({
    message: (thread, message) => all.fromThread(thread, message),
    error: (thread, error) => log.error({ error, thread }, "Thread failed"),
    exit: (thread, status) => {
      log.error({ status, thread }, "Thread ended");
      all.lose(thread);
      // The others finish what they have; as long as nobody took over, they accept, too.
      if (!serving || all.lost === threads || options.replace === undefined) process.exit(1);
      if (!draining && all.lost === 1) askForNext(options.replace, () => !draining);
    },
  });
  await hub.heard();
  hub.begin(() => keptTable(options.table));
  await Promise.all([handover?.follow(), loaded.promise]);
  hub.serve(certificates.serve());
  // Never closed: that would unlink the name, which the next gateway may have taken over.
  if (options.sockets !== undefined) serveHandover(options.sockets.path, options.sockets.fds);
  process.once("SIGTERM", () => {
    log.info({}, "Draining");
    draining = true;
    hub.drain();
    certificates.drain();
    process.once("SIGTERM", () => process.exit(0));
  });
  // Of the terminal's group; the supervisor decides.
  process.on("SIGINT", () => {});
}

/**
 * Asks the supervisor for the next gateway, again and again: it may be away, or the next one may not start. Meanwhile this one serves with the
 * threads that it has, which is more than nothing.
 */
function askForNext(path: string, stillWanted: () => boolean): void {
  if (!stillWanted()) return;
  writeFile(path, "").catch((error: unknown) => log.error({ error, path }, "The next gateway can't be asked for"));
  systemClock.after(nextMs, () => askForNext(path, stillWanted));
}

function exporterOf({ id, version, tracing }: FullGatewayOptions): Exporter | undefined {
  if (tracing === undefined) return undefined;
  const resource = { "service.name": "elafros-gateway", "service.version": version, "service.instance.id": id };
  return new Exporter({ endpoint: tracing.endpoint, resource, clock: systemClock, log });
}

/** A table file that can't be used is no reason not to start: control sends a new one. */
function keptTable(path: string): RouteTable {
  try {
    return readTableFile(path);
  } catch (error) {
    log.error({ error, path }, "Table file not usable: starting without");
    return emptyTable;
  }
}
