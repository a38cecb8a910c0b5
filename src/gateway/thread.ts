/** One serving thread: a core and a front per listener. */
import { flushCompileCache } from "node:module";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { type Clock, systemClock } from "../lib/clock.ts";
import { Core } from "./core.ts";
import type { Front } from "./front.ts";
import { createHttp1Front } from "./http1/front.ts";
import { timeOfRead } from "./http1/wire.ts";
import { Counters } from "./memory.ts";
import type { FromThread, NumberedChanges, TableUpdate, ThreadData, ToThread } from "./messages.ts";
import type { FullGatewayOptions } from "./options.ts";
import { AccessLog } from "./seen/access-log.ts";
import { Observer } from "./seen/observer.ts";
import { Certificates } from "./tls/certificates.ts";
import { threadLog } from "./thread-log.ts";
import { createTlsFront } from "./tls/front.ts";

function run(hub: MessagePort, data: ThreadData): void {
  const { thread, options, memory, ports } = data;
  const say = (message: FromThread): void => hub.postMessage(message);
  const log = threadLog(say, { thread });
  const fronts: Front[] = [];
  const clock: Clock = { now: timeOfRead(systemClock), after: (ms, callback) => systemClock.after(ms, callback) };
  const core = new Core({
    thread,
    counters: new Counters(memory),
    clock,
    queueLength: options.limits.queueLength,
    queueBytes: options.limits.queueBytes,
    wake: (other) => (other === options.threads ? say({ type: "look" }) : ports[other]?.postMessage(0)),
    ask: (revision) => say({ type: "want", revision }),
    returned: (instance) => say({ type: "returned", instance }),
    ...(options.shares === undefined ? {} : { short: (revision: string) => say({ type: "short", revision }) }),
    demand: (revision, trace) => say({ type: "demand", revision, ...(trace === undefined ? {} : { trace }) }),
    idle: (instance) => say({ type: "idle", instance }),
    hung: (revision, instance) => say({ type: "hung", revision, instance }),
    gone: (instance) => {
      for (const front of fronts) front.gone(instance);
    },
  });
  const change = ({ version, json }: TableUpdate): void => core.change(version, JSON.parse(json) as NumberedChanges);
  const { accessLog, observer } = makeObserver(options, (message) => say(message));
  const certificates = new Certificates(log);
  let opened = Promise.resolve();
  for (const port of ports) {
    port?.on("message", () => core.look());
    port?.unref();
  }
  hub.on("message", (message: ToThread) => {
    switch (message.type) {
      case "serve":
        change(message.table);
        if (message.certificates !== undefined) certificates.apply(message.certificates);
        opened = open().then(() => say({ type: "serving" }));
        break;
      case "table":
        change(message.table);
        say({ type: "swapped", version: message.table.version });
        break;
      case "certificates":
        certificates.apply(message.update);
        say({ type: "certified", version: message.update.version });
        break;
      case "drain":
        void opened
          .then(() => Promise.all(fronts.map((front) => front.drain())))
          .then(async () => {
            observer?.flush();
            await accessLog?.flush();
            say({ type: "empty" });
          });
        break;
      case "shed":
        for (const front of fronts) front.shed(message.maxAgeMs);
        break;
      case "ask":
        say({ type: "asking", held: core.startAsking() });
        break;
      case "own":
        core.stopAsking();
        break;
      case "granted":
        core.granted(message.revision, message.instance);
        break;
      case "look":
        core.look();
        break;
      case "report":
        say({
          type: "load",
          revisions: core.report(),
          outcomes: core.outcomes.take(),
          linesDropped: accessLog?.takeDropped() ?? 0,
        });
        break;
      case "close":
        for (const front of fronts) front.close();
        break;
    }
  });
  const { limits, verboseErrors, redirectPort } = options;
  const secured = options.listeners.some(({ tls }) => tls === true);
  const open = async (): Promise<void> => {
    for (const { fds, tls } of options.listeners) {
      const fd = fds[thread];
      if (fd === undefined) continue;
      const common = { core, clock, log, limits, verboseErrors, observer };
      const divert = secured ? { divert: { certificates, redirectPort } } : {};
      fronts.push(
        await (tls === true
          ? createTlsFront(fd, { ...common, certificates })
          : createHttp1Front(fd, { ...common, ...divert })),
      );
    }
  };
  // Before anybody waits for it.
  flushCompileCache();
  say({ type: "loaded" });
}

/** Neither where there is no access log and no traces. */
function makeObserver(
  { accessLog: log, tracing }: FullGatewayOptions,
  say: (message: FromThread) => void,
): { accessLog: AccessLog | undefined; observer: Observer | undefined } {
  if (log === undefined && tracing === undefined) return { accessLog: undefined, observer: undefined };
  const accessLog = log === undefined ? undefined : new AccessLog(log.fd, systemClock);
  const observer = new Observer({
    clock: systemClock,
    log: accessLog,
    logSampling: log?.sampling ?? 0,
    traceSampling: tracing?.sampling,
    spans: (spans, dropped) => say({ type: "spans", spans, dropped }),
    random: Math.random,
  });
  return { accessLog, observer };
}

if (parentPort === null) throw new Error("Cannot run by itself: gateway/thread.ts is started by gateway/main.ts");
run(parentPort, workerData as ThreadData);
