/**
 * One process under the supervisor: kept running, replaced without a gap, ended. It may be a child, or one that a killed supervisor
 * left behind and this one took over; both are watched, restarted and signalled alike.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, open, rename, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { rfc3339 } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import {
  type ProcessIdentity,
  endProcess,
  identifyProcess,
  isRunning,
  signalProcess,
  waitForEnd,
} from "../../lib/process.ts";
import type { PlatformPaths } from "../config.ts";
import { type ProcessName, type ProcessRecord, readRecord, removeRecord, writeRecord } from "./records.ts";

/** How to start the process. */
export interface ProcessSpec {
  name: ProcessName;
  version: string;
  /** The program and its arguments, asked for at each start; no shell. */
  command: string;
  args: () => readonly string[];
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
  /** The same for one that was replaced, and may finish what it has meanwhile; `graceMs` unless given. */
  replacedGraceMs?: number;
  logFile: string;
}

/** How long a process may take until it serves. */
const readyTimeoutMs = 60_000;
/** A process that is not our child is looked after this often. */
const adoptedPollMs = 50;
const maxBackoffMs = 5_000;
/** One that ran this long starts again at once. */
const steadyMs = 10_000;
const maxLogBytes = 32 * 1024 * 1024;

interface Running {
  record: ProcessRecord;
  startedAt: number;
  /** Ours to end: its end is expected. */
  ending: boolean;
  /** No child of ours: its end is looked for. */
  adopted?: true;
}

export class ManagedProcess {
  readonly name: ProcessName;
  readonly #spec: ProcessSpec;
  readonly #paths: PlatformPaths;
  readonly #log: Log;
  #current: Running | undefined;
  /** Processes beside the current one: its replacement that doesn't serve yet, those before it that still end. */
  readonly #beside = new Set<ProcessIdentity>();
  /** Those of them that were asked to end. */
  readonly #ending = new Set<ProcessIdentity>();
  /** Resolves when what was replaced gets no more time than what is stopped. */
  readonly #hurry = Promise.withResolvers<void>();
  readonly #ends = new Set<Promise<void>>();
  /** Started, doesn't serve yet. */
  #starting: ChildProcess | undefined;
  /** Whatever changes `#current` comes one after the other. */
  #changes: Promise<unknown> = Promise.resolve();
  #stopped = false;
  /** Another supervisor looks after it. */
  #released = false;
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
    await this.#change(async () => {
      const record = await readRecord(this.#paths, this.name);
      for (const left of record?.beside ?? []) {
        if (left.ending === true) this.#ending.add(left);
        void this.#end(left, this.#spec.replacedGraceMs);
      }
      if (record === undefined || !(await isRunning(record))) this.#current = await this.#spawn();
      else if (record.starting !== true) await this.#adopt(record);
      else {
        // Nobody knows whether it would ever serve, and the next one must not start beside it.
        await endProcess(record, 0);
        this.#current = await this.#spawn();
      }
    });
  }

  /**
   * Starts the next one, waits until it serves, then asks the one before to end, which may take it a while. Only for processes that can run
   * twice side by side. Where the next one doesn't serve, the one before stays.
   */
  async replace(): Promise<void> {
    await this.#change(async () => {
      this.#checkMine();
      const before = this.#current;
      if (before === undefined) return this.#spawnOrTryAgain();
      this.#current = await this.#spawn(before);
      before.ending = true;
      const end = this.#end(before.record, this.#spec.replacedGraceMs);
      await this.#writeRecord(this.#current.record);
      void end.then(() =>
        this.#change(async () => {
          if (this.#current !== undefined && !this.#released) await this.#writeRecord(this.#current.record);
        }),
      );
    });
  }

  /** As `replace`, for one that asks for it: at once, and ever later where each soon asks again. */
  replaceAsked(): void {
    if (this.#stopped || this.#released) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.replace().catch((error: unknown) => this.#log.error({ error }, "process asked to be replaced, and isn't"));
    }, this.#nextDelay());
  }

  /** Ends the one that runs and starts another. */
  async restart(): Promise<void> {
    await this.#change(async () => {
      this.#checkMine();
      const before = this.#current;
      this.#current = undefined;
      if (before !== undefined) {
        before.ending = true;
        await this.#end(before.record);
      }
      await this.#spawnOrTryAgain();
    });
  }

  /** Looks after it no more, since another supervisor does. Resolves when nothing of it is under way any more. */
  async release(): Promise<void> {
    this.#released = true;
    clearTimeout(this.#timer);
    await this.#changes;
  }

  /** Looks after it again, whatever the other supervisor did with it. */
  async resume(): Promise<void> {
    this.#released = false;
    await this.#change(async () => {
      const record = await readRecord(this.#paths, this.name);
      const mine = this.#current;
      const other = record !== undefined && record.pid !== mine?.record.pid && (await isRunning(record));
      // As in start(): nobody knows whether it would ever serve.
      if (other && record.starting === true) await endProcess(record, 0);
      if (other && record.starting !== true) await this.#adopt(record);
      else if (mine === undefined) this.#startAgain();
      else if (!(await isRunning(mine.record))) this.#ended(mine, "unknown");
      else if (mine.adopted === true) await this.#adopt(mine.record);
      else await this.#writeRecord(mine.record);
    });
  }

  /** Ends it for good, also one that is just starting. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#hurry.resolve();
    clearTimeout(this.#timer);
    this.#starting?.kill("SIGKILL");
    await this.#change(async () => {
      const before = this.#current;
      this.#current = undefined;
      if (before !== undefined) {
        before.ending = true;
        void this.#end(before.record);
      }
      await Promise.all(this.#ends);
      await removeRecord(this.#paths, this.name);
    });
  }

  #checkMine(): void {
    if (this.#released) throw new Error(`Another supervisor looks after "${this.name}" now: ask again`);
  }

  #change<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#changes.then(work);
    this.#changes = result.catch(() => {});
    return result;
  }

  /** Ends a process; who stops the whole waits for it, but not longer than for others. */
  #end(identity: ProcessIdentity, graceMs = this.#spec.graceMs): Promise<void> {
    this.#beside.add(identity);
    const end = this.#endWithin(identity, graceMs).finally(() => {
      this.#beside.delete(identity);
      this.#ending.delete(identity);
      this.#ends.delete(end);
    });
    this.#ends.add(end);
    return end;
  }

  async #endWithin(identity: ProcessIdentity, graceMs: number): Promise<void> {
    const asked = this.#ending.has(identity);
    this.#ending.add(identity);
    if (!asked && !(await signalProcess(identity, "SIGTERM"))) return;
    const hurried = this.#hurry.promise.then(() => waitForEnd(identity, this.#spec.graceMs));
    if (await Promise.race([waitForEnd(identity, graceMs), hurried])) return;
    // It belongs to whoever looks after it now.
    if (!this.#released) await endProcess(identity, 0);
  }

  async #adopt(record: ProcessRecord): Promise<void> {
    const running: Running = { record, startedAt: Date.now() - steadyMs, ending: false, adopted: true };
    this.#current = running;
    this.#log.info({ pid: record.pid }, "took over a running process");
    await this.#writeRecord(record);
    const poll = setInterval(() => {
      void isRunning(record).then((alive) => {
        if (alive && !this.#released && this.#current === running) return;
        clearInterval(poll);
        this.#ended(running, "unknown");
      });
    }, adoptedPollMs);
    poll.unref();
  }

  async #spawnOrTryAgain(): Promise<void> {
    clearTimeout(this.#timer);
    try {
      this.#current = await this.#spawn();
    } catch (error) {
      this.#startAgain();
      throw error;
    }
  }

  /** Starts one and waits until it serves. `before` is the one that runs and is to be replaced. */
  async #spawn(before?: Running): Promise<Running> {
    const spec = this.#spec;
    const logFile = await openLog(spec.logFile);
    if (this.#stopped) {
      await logFile.close();
      throw new Error(`Process "${spec.name}" is not started: everything stops`);
    }
    const child = spawn(spec.command, spec.args(), {
      // Its own session: a signal to the supervisor's terminal must not reach it.
      detached: true,
      cwd: spec.cwd ?? "/",
      ...(spec.env === undefined ? {} : { env: spec.env }),
      stdio: ["ignore", "pipe", logFile.fd, ...spec.fds],
    });
    this.#starting = child;
    const ready = untilReady(child, spec);
    ready.catch(() => {});
    let identity: ProcessIdentity | undefined;
    try {
      await logFile.close();
      identity = child.pid === undefined ? undefined : await identifyProcess(child.pid);
      const startedAt = Date.now();
      if (identity === undefined) {
        await ready;
        throw new Error("it ended at once");
      }
      const record = { ...identity, name: spec.name, since: rfc3339(startedAt), version: spec.version };
      // Before it serves: where this supervisor is killed now, the next one must know of it.
      this.#beside.add(identity);
      await this.#writeRecord(before === undefined ? { ...record, starting: true } : before.record);
      await ready;
      this.#beside.delete(identity);
      const running: Running = { record, startedAt, ending: false };
      if (before !== undefined) this.#beside.add(before.record);
      await this.#writeRecord(record);
      child.once("exit", (code, signal) => this.#ended(running, signal ?? `code ${code}`));
      if (child.exitCode !== null || child.signalCode !== null) setImmediate(() => this.#ended(running, "early end"));
      this.#log.info({ pid: identity.pid }, "process started");
      return running;
    } catch (error) {
      if (identity !== undefined) {
        await endProcess(identity, 1_000);
        this.#beside.delete(identity);
      }
      if (before === undefined) await removeRecord(this.#paths, this.name);
      else await this.#writeRecord(before.record);
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`Process "${spec.name}" did not start: ${why}; see ${spec.logFile}`, { cause: error });
    } finally {
      this.#starting = undefined;
    }
  }

  /** A record that can't be written (a full disk) is no reason not to run. */
  async #writeRecord(record: ProcessRecord): Promise<void> {
    const beside = [...this.#beside]
      .filter(({ pid }) => pid !== record.pid)
      .map((one) => ({ ...identityOf(one), ...(this.#ending.has(one) ? { ending: true as const } : {}) }));
    const { beside: _, ...rest } = record;
    await writeRecord(this.#paths, beside.length === 0 ? rest : { ...rest, beside }).catch((error: unknown) =>
      this.#log.error({ error }, "the record of a process can't be written"),
    );
  }

  #ended(running: Running, how: string): void {
    if (running.ending || this.#stopped || this.#released || this.#current !== running) return;
    running.ending = true;
    this.#current = undefined;
    this.#log.error({ pid: running.record.pid, how }, "process ended, starting it again");
    this.#startAgain(running);
  }

  /** How long to wait before the next one is started, in place of one that failed: not at all, where that one ran well for a while. */
  #nextDelay(failed = this.#current): number {
    if (failed !== undefined && Date.now() - failed.startedAt > steadyMs) this.#failures = 0;
    const delay = this.#failures === 0 ? 0 : Math.min(maxBackoffMs, 50 * 2 ** this.#failures);
    this.#failures += 1;
    return delay;
  }

  #startAgain(failed?: Running): void {
    if (this.#stopped || this.#released) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const again = this.#change(async () => {
        if (!this.#stopped && !this.#released && this.#current === undefined) await this.#spawnOrTryAgain();
      });
      again.catch((error: unknown) => this.#log.error({ error }, "process did not start"));
    }, this.#nextDelay(failed));
  }
}

function identityOf({ pid, startTicks, bootId }: ProcessIdentity): ProcessIdentity {
  return { pid, startTicks, bootId };
}

/** Resolves when the process serves; rejects with the reason why it doesn't, its own where it said one. */
async function untilReady(child: ChildProcess, { saysReady }: ProcessSpec): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(() => reject(new Error("it did not get ready")), readyTimeoutMs);
      if (!saysReady) child.once("spawn", resolve);
      child.once("error", reject);
      child.once("exit", (code, signal) => {
        // What it said last comes after.
        child.once("close", () => reject(new Error(`it ended with ${signal ?? `code ${code}`}`)));
      });
      child.stdout?.once("data", (line: Buffer) => {
        const error = errorIn(line.toString());
        if (error === undefined) resolve();
        else reject(new Error(error));
      });
    });
  } finally {
    clearTimeout(timer);
    child.stdout?.resume();
  }
}

/** The sentence of a process that says `{"error":"…"}` instead of being ready. */
function errorIn(line: string): string | undefined {
  try {
    return (JSON.parse(line) as { error?: string } | null)?.error;
  } catch {
    return undefined;
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
