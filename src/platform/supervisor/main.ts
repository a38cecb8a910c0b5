/**
 * The supervisor: owns the listening sockets, keeps control, gateway and DNS running, replaces them without a refused connection.
 * It is small on purpose and knows nothing of services. Killed, it leaves the others running; the next one takes them and the
 * sockets over.
 *
 * Started as `main.js DATA_DIR`, with the settings as JSON in ELAFROS_SETTINGS; says one JSON line on standard output: `{"ready":true}`
 * or `{"error":"…"}`.
 */
import { mkdir, rm } from "node:fs/promises";
import type { Server } from "node:http";
import { availableParallelism } from "node:os";
import { rfc3339 } from "../../lib/clock.ts";
import { readJson, writeFileAtomic } from "../../lib/files.ts";
import { createLog } from "../../lib/log.ts";
import { identifyProcess } from "../../lib/process.ts";
import { version } from "../../lib/version.ts";
import { acmeServer, httpsAddress, type PlatformConfig, type PlatformPaths, platformPaths } from "../config.ts";
import { openAccessLog } from "./access-log.ts";
import { keepLogsBounded } from "./bounded-logs.ts";
import { type SupervisorCommands, sendCommand, serveCommands } from "./commands.ts";
import { confinement, gatewayFiles, prepareGatewayDirectory } from "./confinement.ts";
import { wholeConfig } from "./defaults.ts";
import { lockDirectory, unlockDirectory } from "./lock.ts";
import { ManagedProcess } from "./managed-process.ts";
import { controlProcess, dnsProcess, gatewayProcess, gatewayProgram } from "./processes.ts";
import { type Prepared, runProgram } from "./programs.ts";
import { type ProcessRecord, removeRecord, runningRecord, writeRecord } from "./records.ts";
import { watchRequests } from "./requests.ts";
import { forgetPredecessor, handOver, isSuccessor, untilReleased } from "./succession.ts";
import { type Sockets, bindInstanceSockets, bindPublicSockets, receiveSockets } from "./sockets.ts";

const log = createLog("supervisor");

async function run(dataDir: string, settings: Partial<PlatformConfig>): Promise<void> {
  const paths = platformPaths(dataDir);
  // Whoever starts it: containers' roots and the files of the DNS server's account need these bits; what is secret says so itself.
  process.umask(0o022);
  await mkdir(paths.run, { recursive: true, mode: 0o700 });
  const succeeding = isSuccessor();
  if (!succeeding && !lockDirectory(dataDir)) throw new Error(`Elafros is already running on ${dataDir}`);
  const identity = await identifyProcess(process.pid);
  if (identity === undefined) throw new Error("Cannot read /proc of this process");
  const self: ProcessRecord = { ...identity, name: "supervisor", since: rfc3339(Date.now()), version };
  // Who wants to stop it meanwhile must know of it; a successor has its predecessor for that.
  if (!succeeding) await writeRecord(paths, { ...self, starting: true });
  try {
    await start(paths, self, { dataDir, settings });
  } catch (error) {
    // A start that failed leaves nothing behind.
    if (!succeeding) await removeRecord(paths, "supervisor");
    throw error;
  }
}

/** Binds or takes over the sockets, and starts or takes over the processes. */
async function start(
  paths: PlatformPaths,
  self: ProcessRecord,
  { dataDir, settings }: { dataDir: string; settings: Partial<PlatformConfig> },
): Promise<void> {
  const last = (await readJson(paths.config)) as Partial<PlatformConfig> | undefined;

  const succeeding = isSuccessor();
  const takingOver =
    succeeding ||
    (await runningRecord(paths, "control")) !== undefined ||
    (await runningRecord(paths, "gateway")) !== undefined;
  // Sockets that live on keep their addresses: settings that changed meanwhile count from the next whole start on.
  const config = wholeConfig(dataDir, last, takingOver && last !== undefined ? {} : settings);
  const accessLog = openAccessLog(config);
  if (acmeServer(config) !== undefined && httpsAddress(config) === undefined) {
    throw new Error(
      "An ACME server gives out certificates for HTTPS, which is off: add --https HOST:PORT, or take --acme-server back with --acme-server none",
    );
  }
  const confining = confinement({ dataDir, program: process.execPath, files: gatewayFiles(gatewayProgram) }, log);
  const { sockets, prepared } =
    takingOver && process.channel !== undefined ? await takeSockets(config) : await bindAll(config);
  const { prefix, uid } = await confining;
  if (succeeding) {
    await untilReleased();
    if (!lockDirectory(dataDir)) throw new Error(`Another process holds the lock of ${dataDir}`);
  }
  await writeFileAtomic(paths.config, `${JSON.stringify(config, undefined, 2)}\n`);
  await prepareGatewayDirectory(paths, uid);
  // Keys stay nowhere that they aren't used.
  if (httpsAddress(config) === undefined) await rm(paths.servedCertificates, { force: true });
  const processes = {
    dns: prepared.dns === undefined ? undefined : new ManagedProcess(dnsProcess(config, prepared.dns), paths, log),
    control: new ManagedProcess(controlProcess(config, sockets), paths, log),
    gateway: new ManagedProcess(
      gatewayProcess(config, sockets, { threads: availableParallelism(), prefix, accessLog: accessLog?.fd }),
      paths,
      log,
    ),
  };
  const all = [processes.dns, processes.control, processes.gateway].filter((each) => each !== undefined);
  let stopping: Promise<void> | undefined;
  const stop = () =>
    (stopping ??= stopAll().catch((error: unknown) => {
      // The next one that asks tries again, from what is left.
      stopping = undefined;
      throw error;
    }));
  const stopAll = async (): Promise<void> => {
    // The gateway first, so that requests end while everything that serves them still runs.
    await processes.gateway.stop();
    await processes.control.stop();
    await runProgram("teardown", config);
    await processes.dns?.stop();
    await removeRecord(paths, "supervisor");
  };

  let succession: Promise<number> | undefined;
  /** While it hands over, it is told who is to stop everything: itself, or the next one. */
  const stopOrPassOn = async (signal: NodeJS.Signals): Promise<void> => {
    const successor = await succession?.catch(() => undefined);
    if (successor === undefined) await stop();
    else process.kill(successor, signal);
  };

  // From here on a signal means an orderly end, also while starting.
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      log.info({ signal }, "stopping");
      stopOrPassOn(signal).then(
        () => process.exit(0),
        (error: unknown) => {
          log.error({ error }, "not everything could be stopped");
          process.exit(1);
        },
      );
    });
  }
  try {
    await processes.dns?.start();
    await processes.control.start();
    await processes.gateway.start();
  } catch (error) {
    // What a killed supervisor left runs on; this one has made nothing worse.
    if (!takingOver) await stop();
    throw error;
  }
  let server: Server;
  const endSoon = () => {
    setImmediate(() => server.close(() => process.exit(0)));
    server.closeIdleConnections();
  };
  const commands: SupervisorCommands = {
    stop: async () => {
      const successor = await succession?.catch(() => undefined);
      // Who asks means the one that looks after everything now.
      if (successor !== undefined) return sendCommand(paths.supervisorSocket, "/stop");
      await stop();
      endSoon();
    },
    replace: async (name) => {
      const found = all.find((each) => each.name === name);
      if (found === undefined) throw new Error(`Unknown process "${name}": expected control, gateway or dns`);
      await (name === "gateway" ? found.replace() : found.restart());
    },
    succeed: async (command) => {
      if (succession !== undefined) throw new Error("It is handing over already");
      if (stopping !== undefined) throw new Error("It is stopping");
      succession = handOver({ command, dataDir, sockets, log, release, resume });
      try {
        await succession;
      } catch (error) {
        succession = undefined;
        throw error;
      }
      endSoon();
    },
  };
  let unwatch = () => {};
  const lookAfter = async () => {
    server = await serveCommands(paths.supervisorSocket, commands, log);
    const asked = () => processes.gateway.replaceAsked();
    unwatch = watchRequests(paths.replaceGateway, { asked, log });
  };
  const release = async () => {
    unwatch();
    // Who asked for this waits for its answer; the name is the successor's.
    server.close();
    await Promise.all(all.map((each) => each.release()));
    unlockDirectory();
  };
  const resume = async () => {
    log.error({}, "the next supervisor did not take over: going on");
    if (!lockDirectory(dataDir)) {
      // Somebody's "up" came in between, and looks after everything.
      log.error({}, "another supervisor has the data directory: this one ends");
      process.exit(1);
    }
    await writeRecord(paths, self);
    await Promise.all(all.map((each) => each.resume()));
    await lookAfter();
  };
  // Before anybody can ask it to stop, which takes the record away.
  await writeRecord(paths, self);
  await lookAfter();
  keepLogsBounded(paths.logs, { log, more: accessLog === undefined ? [] : [accessLog.path] });
  if (succeeding) forgetPredecessor();

  async function takeSockets(settled: PlatformConfig): Promise<{ sockets: Sockets; prepared: Prepared }> {
    const sockets = await receiveSockets();
    return { sockets, prepared: await runProgram<Prepared>("prepare", settled) };
  }

  async function bindAll(settled: PlatformConfig): Promise<{ sockets: Sockets; prepared: Prepared }> {
    const open = bindPublicSockets(settled);
    try {
      const prepared = await runProgram<Prepared>("prepare", settled);
      return { sockets: { ...open, instances: bindInstanceSockets(settled, prepared.bridgeAddress) }, prepared };
    } catch (error) {
      open.api.close();
      open.http.close();
      open.https?.close();
      await runProgram("teardown", settled).catch(() => {});
      throw error;
    }
  }
}

// Whoever waits for its line may be gone by then; that is no reason to end.
process.stdout.on("error", () => {});

const [dataDir] = process.argv.slice(2);
if (dataDir === undefined) throw new Error("Usage: supervisor DATA_DIR");
const settings = JSON.parse(process.env["ELAFROS_SETTINGS"] ?? "{}") as Partial<PlatformConfig>;
run(dataDir, settings).then(
  () => process.stdout.write(`${JSON.stringify({ ready: true })}\n`),
  (error: unknown) => {
    log.error({ error }, "supervisor did not start");
    const message = error instanceof Error ? error.message : String(error);
    process.stdout.write(`${JSON.stringify({ error: message })}\n`, () => process.exit(1));
  },
);
