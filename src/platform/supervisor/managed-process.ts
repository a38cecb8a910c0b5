/**
 * One process under the supervisor: kept running, replaced without a gap, ended. It may be a child, or one that a killed supervisor
 * left behind and this one took over; both are watched, restarted and signalled alike.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, open, rename, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { rfc3339 } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { type ProcessIdentity, endProcess, identifyProcess, isRunning } from "../../lib/process.ts";
import type { PlatformPaths } from "../config.ts";
import { type ProcessName, readRecord, removeRecord, writeRecord } from "./records.ts";

/** How to start the process. */
export interface ProcessSpec {
  name: ProcessName;
  version: string;
  /** The program and its arguments; no shell. */
  command: string;
  args: readonly string[];
  /** Its working directory; the root unless given. */
  cwd?: string;
  /** Its environment; this process's unless given. */
  env?: NodeJS.ProcessEnv;
  /** Descriptors that it has from 3 on, each a duplicate of its own. */
  fds: readonly number[];
  /** Whether it prints a line on standard output once it serves; else it is ready once started. */
  saysReady: boolean;
  /** Milliseconds from SIGTERM to SIGKILL. */
  graceMs: number;
  logFile: string;
}

/** How long a process may take until it serves. */
const readyTimeoutMs = 60_000;
/** A process that is not our child is looked after this often. */
const adoptedPollMs = 200;
const maxBackoffMs = 5_000;
/** One that ran this long starts again at once. */
const steadyMs = 10_000;
const maxLogBytes = 32 * 1024 * 1024;

interface Running {
  identity: ProcessIdentity;
  child: ChildProcess | undefined;
  startedAt: number;
  /** Ours to end: its end is expected. */
  ending: boolean;
}

export class ManagedProcess {
  readonly name: ProcessName;
  readonly #spec: ProcessSpec;
  readonly #paths: PlatformPaths;
  readonly #log: Log;
  #current: Running | undefined;
  #stopped = false;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(spec: ProcessSpec, paths: PlatformPaths, log: Log) {
    this.name = spec.name;
    this.#spec = spec;
    this.#paths = paths;
    this.#log = log.child({ process: spec.name });
  }

  /** Takes over the one that runs already, or starts one and waits until it serves. */
  async start(): Promise<void> {
    const record = await readRecord(this.#paths, this.name);
    if (record !== undefined && (await isRunning(record))) {
      this.#adopt(record);
      return;
    }
    this.#current = await this.#spawn();
  }

  /** Starts the next one, waits until it serves, then ends the one before. Only for processes that can run twice side by side. */
  async replace(): Promise<void> {
    const before = this.#current;
    this.#current = await this.#spawn();
    if (before !== undefined) await this.#end(before);
  }

  /** Ends the one that runs and starts another. */
  async restart(): Promise<void> {
    const before = this.#current;
    this.#current = undefined;
    if (before !== undefined) await this.#end(before);
    this.#current = await this.#spawn();
  }

  /** Ends it for good. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    const before = this.#current;
    this.#current = undefined;
    if (before !== undefined) await this.#end(before);
    await removeRecord(this.#paths, this.name);
  }

  async #end(running: Running): Promise<void> {
    running.ending = true;
    await endProcess(running.identity, this.#spec.graceMs);
  }

  #adopt(identity: ProcessIdentity): void {
    const running: Running = { identity, child: undefined, startedAt: Date.now() - steadyMs, ending: false };
    this.#current = running;
    this.#log.info({ pid: identity.pid }, "took over a running process");
    const poll = setInterval(() => {
      void isRunning(identity).then((alive) => {
        if (alive) return;
        clearInterval(poll);
        this.#ended(running, "unknown");
      });
    }, adoptedPollMs);
    poll.unref();
  }

  async #spawn(): Promise<Running> {
    const spec = this.#spec;
    const logFile = await openLog(spec.logFile);
    const child = spawn(spec.command, spec.args, {
      // Its own session: a signal to the supervisor's terminal must not reach it.
      detached: true,
      cwd: spec.cwd ?? "/",
      ...(spec.env === undefined ? {} : { env: spec.env }),
      stdio: ["ignore", "pipe", logFile.fd, ...spec.fds],
    });
    const ready = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("it did not get ready")), readyTimeoutMs);
      if (!spec.saysReady) child.once("spawn", resolve);
      child.stdout?.once("data", () => resolve());
      child.once("error", reject);
      child.once("exit", (code, signal) => reject(new Error(`it ended with ${signal ?? `code ${code}`}`)));
      child.once("close", () => clearTimeout(timer));
      const settled = () => clearTimeout(timer);
      child.stdout?.once("data", settled);
      if (!spec.saysReady) child.once("spawn", settled);
    });
    ready.catch(() => {});
    await logFile.close();
    child.stdout?.resume();
    const identity = child.pid === undefined ? undefined : await identifyProcess(child.pid);
    if (identity === undefined) {
      await ready;
      throw new Error(`Process "${spec.name}" ended at once: see ${spec.logFile}`);
    }
    const running: Running = { identity, child, startedAt: Date.now(), ending: false };
    try {
      await ready;
    } catch (error) {
      running.ending = true;
      await endProcess(identity, 1_000);
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`Process "${spec.name}" did not start: ${why}; see ${spec.logFile}`, { cause: error });
    }
    const since = rfc3339(running.startedAt);
    await writeRecord(this.#paths, { ...identity, name: spec.name, since, version: spec.version });
    child.once("exit", (code, signal) => this.#ended(running, signal ?? `code ${code}`));
    if (child.exitCode !== null || child.signalCode !== null) this.#ended(running, "early end");
    this.#log.info({ pid: identity.pid }, "process started");
    return running;
  }

  #ended(running: Running, how: string): void {
    if (running.ending || this.#stopped || (this.#current !== undefined && this.#current !== running)) return;
    running.ending = true;
    this.#current = undefined;
    if (Date.now() - running.startedAt > steadyMs) this.#failures = 0;
    this.#log.error({ pid: running.identity.pid, how }, "process ended, starting it again");
    this.#startAgain();
  }

  #startAgain(): void {
    const delay = this.#failures === 0 ? 0 : Math.min(maxBackoffMs, 50 * 2 ** this.#failures);
    this.#failures += 1;
    this.#timer = setTimeout(() => {
      if (this.#stopped) return;
      this.#spawn().then(
        (running) => {
          this.#current = running;
        },
        (error: unknown) => {
          this.#log.error({ error }, "process did not start");
          this.#startAgain();
        },
      );
    }, delay);
  }
}

async function openLog(path: string) {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size > maxLogBytes) await rename(path, `${path}.1`);
  return open(path, "a", 0o600);
}
