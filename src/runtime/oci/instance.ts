/**
 * One instance and its life: started, watched, restarted when it ends, stopped. One loop does it all in order, so that no two steps of an
 * instance ever overlap; whoever wants something of it sets a wish and wakes the loop.
 */
import type { ImagePull, InstancePhase, InstanceState, WorkloadProblem } from "../workloads.ts";
import { freezeGroup, isInGroup, signal, thawGroup } from "./cgroup.ts";
import { containerGroup, type HeldContainer, type Run } from "./container.ts";
import type { DriverContext } from "./context.ts";
import type { RunEnd } from "./exits.ts";
import { oomMessage, problemOf, readExit, stopSignal } from "./instance-end.ts";
import { type Watched, watchRun } from "./instance-watch.ts";
import { beginRun, checkResources, cleanRun, destroy, launch, needImage } from "./launch.ts";
import { keepRotated } from "./logs.ts";
import type { ImageRoot } from "./parts.ts";
import { instancePaths, type InstanceRecord, saveRecord, specHash } from "./record.ts";
import { countFailure, restartDelayMs } from "./restart.ts";
import { StandingBy } from "./standing-by.ts";

/** What an instance tells its workload. */
export interface InstanceEvents {
  changed(): void;
  /** It is ready: the workload's trouble is over. */
  ready(): void;
  problem(problem: WorkloadProblem): void;
  /** It stands still now. */
  frozen(): void;
  /** It can't be prepared, and goes. */
  unpreparable(): void;
  /** Nothing is left of it. */
  gone(): void;
}

const left = new Error("Control lets go of the instance");
const retryDestroyMs = 5_000;

export class Instance {
  readonly id: string;
  readonly hash: string;
  readonly record: InstanceRecord;
  readonly #ctx: DriverContext;
  readonly #events: InstanceEvents;
  #phase: InstancePhase = "creating";
  #run: Run | undefined;
  #address: string | undefined;
  #probeFailure: string | undefined;
  #pull: ImagePull | undefined;
  #replaced: string | undefined;
  #keptLog: { path: string; inode: number | undefined } | undefined;
  #graceMs: number;
  /** Called when it has become shorter. */
  #graceChanged = (): void => {};
  /** Resolves once the instance is to be stopped. */
  readonly #stop = Promise.withResolvers<"stop">();
  #stopping = false;
  /** Rejects once control lets go of it: whatever the loop waits for, it ends there. */
  readonly #left = Promise.withResolvers<never>();
  #leaving = false;
  /** It was ready in this run, so somebody may be sending requests to it. */
  #served = false;
  /** Prepared where its program hasn't begun, else frozen. */
  readonly #standingBy: StandingBy;
  #loop: Promise<void> = Promise.resolve();
  #saving: Promise<void> = Promise.resolve();

  /**
   * @param run the run that was found alive, when it is adopted
   * @param prepare it is made and not started, until `wake`
   */
  constructor(
    ctx: DriverContext,
    record: InstanceRecord,
    options: { events: InstanceEvents; run?: Run; prepare?: boolean },
  ) {
    this.#ctx = ctx;
    this.#events = options.events;
    this.record = record;
    this.id = record.id;
    this.hash = specHash(record.spec);
    this.#graceMs = record.spec.terminationGraceMs;
    this.#run = options.run;
    this.#address = options.run?.address;
    this.#standingBy = new StandingBy(options.prepare === true || record.frozenAt !== undefined);
    if (record.frozenAt !== undefined) this.#phase = "frozen";
    else if (options.run !== undefined) this.#phase = record.readyAt === undefined ? "starting" : "ready";
    else if (record.nextStartAt !== undefined) this.#phase = "waiting";
    this.#served = record.readyAt !== undefined;
    this.#left.promise.catch(() => {}); // whether or not anything waits
    if (record.stopping) this.#askToStop();
  }

  /** Begins its life, or goes on with it. */
  start(): void {
    this.#loop = this.#live().catch((error: unknown) => {
      if (error === left) return;
      this.#ctx.log.error({ error, instance: this.id }, "Instance's loop failed");
    });
  }

  get leaving(): boolean {
    return this.#stopping;
  }

  /** Whether it stands by, or is on its way there. */
  get resting(): boolean {
    return this.#standingBy.wanted;
  }

  /** Drains and freezes it. It must be ready. */
  freeze(): void {
    this.#standingBy.wanted = true;
  }

  /** Starts what was prepared, or lets what was frozen go on. */
  wake(): void {
    if (this.resting) this.record.wokenAt = this.#ctx.clock.now();
    this.#standingBy.wanted = false;
  }

  get phase(): InstancePhase {
    return this.#phase;
  }

  /** Number of the last run. */
  get attempt(): number {
    return this.record.attempt;
  }

  /** Whether a process of it runs. */
  get running(): boolean {
    return this.#run !== undefined;
  }

  state(): InstanceState {
    const { record } = this;
    const { lastExit, nextStartAt, madeAt, wokenAt, startedAt, readyAt, imageId } = record;
    return {
      id: this.id,
      phase: this.#phase,
      createdAt: record.createdAt,
      restarts: record.restarts,
      image: record.spec.image,
      labels: record.spec.labels,
      ...(this.#address === undefined ? {} : { address: { host: this.#address, port: record.spec.port } }),
      ...(madeAt === undefined ? {} : { madeAt }),
      ...(wokenAt === undefined ? {} : { wokenAt }),
      ...(startedAt === undefined ? {} : { startedAt }),
      ...(readyAt === undefined ? {} : { readyAt }),
      ...(lastExit === undefined ? {} : { lastExit }),
      ...(nextStartAt === undefined ? {} : { nextStartAt }),
      ...(this.#probeFailure === undefined ? {} : { probeFailure: this.#probeFailure }),
      ...(imageId === undefined ? {} : { imageId }),
      ...(this.#pull === undefined ? {} : { pull: { ...this.#pull } }),
      ...(this.resting && this.#phase === "draining" ? { stays: true as const } : {}),
      ...(this.#replaced === undefined ? {} : { replaced: this.#replaced }),
    };
  }

  /** Drains and ends it for good; `graceMs` shortens the time between SIGTERM and SIGKILL, also once it runs. Resolves when nothing is left. */
  stop(graceMs?: number): Promise<void> {
    if (graceMs !== undefined) this.#graceMs = Math.min(this.#graceMs, graceMs);
    this.#graceChanged();
    this.#askToStop();
    return this.#loop;
  }

  /** Drains and ends it, for another to take its place. */
  replace(why: string): void {
    this.#replaced = why;
    this.#askToStop();
    this.#events.changed();
  }

  /** Lets go of it without touching what runs. Resolves when no step is under way any more. */
  leave(): Promise<void> {
    this.#leaving = true;
    this.#left.reject(left);
    return this.#loop.then(() => this.#saving);
  }

  /** Keeps the log file that was just replaced. */
  async keepLog(): Promise<void> {
    const path = instancePaths(this.#ctx.places, this.id).log(this.record.attempt);
    const known = this.#keptLog?.path === path ? this.#keptLog.inode : undefined;
    this.#keptLog = { path, inode: await keepRotated(path, known) };
  }

  #askToStop(): void {
    this.#stopping = true;
    this.#stop.resolve("stop");
  }

  /** The first of these; rejects when control lets go of the instance. */
  #first<T>(...those: Promise<T>[]): Promise<T> {
    return Promise.race([this.#left.promise, ...those]);
  }

  #set(phase: InstancePhase): void {
    this.#phase = phase;
    this.#events.changed();
  }

  /** Writes the record, one write after the other. */
  #save(): Promise<void> {
    this.#saving = this.#saving
      .then(() => saveRecord(this.#ctx.places, this.record))
      .catch((error: unknown) => {
        this.#ctx.log.error({ error, instance: this.id }, "Cannot save the instance's record");
      });
    return this.#saving;
  }

  #report(reason: WorkloadProblem["reason"], message: string, code?: number): void {
    const problem = { reason, message, at: this.#ctx.clock.now(), ...(code === undefined ? {} : { code }) };
    this.record.problem = problem;
    this.#events.problem(problem);
  }

  async #live(): Promise<void> {
    if (this.#phase === "waiting") await this.#wait();
    while (!this.#stopping || this.#run !== undefined) {
      if (this.#leaving) return;
      if (this.#run === undefined) {
        await this.#tryStart();
        continue;
      }
      const end = await this.#supervise(this.#run);
      this.#run = undefined;
      if (!this.#stopping) await this.#ended(end);
    }
    await this.#destroy();
  }

  async #tryStart(): Promise<void> {
    const { record } = this;
    this.#set(this.resting ? "prepared" : "creating");
    let began = false;
    let held: HeldContainer | undefined;
    try {
      checkResources(this.#ctx, record.spec.resources);
      const image = await this.#first<ImageRoot | "stop">(this.#needImage(), this.#stop.promise);
      if (image === "stop") return;
      await this.#inTurn(async () => {
        if (this.#stopping || this.#leaving) return;
        began = true;
        await beginRun(this.#ctx, record);
        const made = await launch(this.#ctx, record, image);
        record.madeAt = this.#ctx.clock.now();
        if (this.resting) held = made;
        else await this.#begin(made);
      });
      if (held !== undefined) await this.#hold(held);
    } catch (error) {
      if (error === left) throw error;
      if (this.resting) this.#giveUpPreparing(error as Error);
      else if (!this.#stopping) await this.#startFailed(error as Error, began);
    }
  }

  /** What is prepared for later takes no place from what somebody waits for; nothing is done where it is wanted, or not, before its turn. */
  async #inTurn(start: () => Promise<void>): Promise<void> {
    if (!this.resting) return this.#ctx.limitStarts(start);
    const turn = this.#ctx.turnToPrepare();
    const what = await this.#first<(() => void) | string>(turn, this.#stop.promise, this.#standingBy.turned);
    if (typeof what !== "function") {
      void turn.then((end) => end());
      return;
    }
    try {
      await start();
    } finally {
      what();
    }
  }

  async #begin(held: HeldContainer): Promise<void> {
    await held.start();
    this.#run = held.run;
    this.#address = held.run.address;
    this.record.startedAt = this.#ctx.clock.now();
  }

  /** All is made: waits until it is wanted. Whatever is wrong with it then, another one is made, as if none had been prepared. */
  async #hold(held: HeldContainer): Promise<void> {
    this.#address = held.run.address;
    this.#set("prepared");
    const exited = this.#ctx.exits.wait(held.run.cid, held.run.monitor);
    while (this.resting) {
      const what = await this.#first<RunEnd | "stop" | "turned">(exited, this.#stop.promise, this.#standingBy.turned);
      if (what === "stop") return;
      if (typeof what === "object") throw new Error(`The prepared container ended with code ${what.code ?? "unknown"}`);
    }
    this.#set("creating");
    try {
      await this.#begin(held);
    } catch (error) {
      this.#ctx.log.warn({ instance: this.id, error }, "What was prepared can't be started: making it anew");
      await cleanRun(this.#ctx, this.record);
    }
  }

  #giveUpPreparing(error: Error): void {
    this.#ctx.log.warn({ instance: this.id, error }, "Cannot prepare the next instance");
    this.#events.unpreparable();
    this.#askToStop();
  }

  async #needImage(): Promise<ImageRoot> {
    const { clock } = this.#ctx;
    const { spec } = this.record;
    let pull: ImagePull | undefined;
    const image = await needImage(this.#ctx, spec, (bytes) => {
      pull ??= { image: spec.image, startedAt: clock.now(), bytes };
      pull.bytes = bytes;
      if (this.#pull === pull) return;
      this.#pull = pull;
      this.#events.changed();
    });
    if (pull !== undefined) {
      pull.endedAt = clock.now();
      this.#events.changed();
    }
    return image;
  }

  /** Watches a run to its end. */
  async #supervise(run: Run): Promise<RunEnd> {
    const { record } = this;
    const exited = this.#ctx.exits.wait(run.cid, run.monitor);
    while (!this.#stopping) {
      if (this.resting) {
        const end = await this.#sleep(exited);
        if (end !== undefined) return end;
        continue;
      }
      const watched = this.#watch(run);
      const what = await this.#first<RunEnd | "stop" | "dead" | "turned">(
        exited,
        this.#stop.promise,
        watched.dead,
        this.#standingBy.turned,
      ).finally(() => watched.end());
      if (typeof what === "object") return what;
      if (what === "dead") return this.#end(run, exited);
    }
    record.stopping = true;
    await this.#save();
    if (this.#served) {
      this.#set("draining");
      await this.#first<unknown>(this.#drained(), exited);
    }
    return this.#end(run, exited);
  }

  #drained(): Promise<void> {
    return this.#ctx.drain(this.record.key, this.id).catch((error: unknown) => {
      this.#ctx.log.error({ error, instance: this.id }, "Drain failed; the instance is stopped all the same");
    });
  }

  /** Out of every table, drained, and then frozen until it is wanted or is to be stopped. Gives the run's end where it ended meanwhile. */
  async #sleep(exited: Promise<RunEnd>): Promise<RunEnd | undefined> {
    const { record } = this;
    const group = containerGroup(this.#ctx, this.id);
    if (record.frozenAt === undefined) {
      this.#set("draining");
      const what = await this.#first<unknown>(this.#drained(), exited, this.#stop.promise, this.#standingBy.turned);
      if (typeof what === "object") return what as RunEnd;
      if (this.#stopping) return undefined;
      if (!this.resting) {
        this.#set("ready");
        return undefined;
      }
      record.frozenAt = this.#ctx.clock.now();
      await this.#save();
    }
    try {
      await freezeGroup(this.#ctx.cgroups, group);
    } catch (error) {
      this.#ctx.log.warn({ error, instance: this.id }, "Cannot freeze the instance: it is stopped");
      this.#askToStop();
    }
    if (!this.#stopping) {
      this.#set("frozen");
      this.#events.frozen();
    }
    let end: RunEnd | undefined;
    while (this.resting && !this.#stopping && end === undefined) {
      const what = await this.#first<RunEnd | string>(exited, this.#stop.promise, this.#standingBy.turned);
      if (typeof what === "object") end = what;
    }
    thawGroup(this.#ctx.cgroups, group);
    delete record.frozenAt;
    if (end === undefined && !this.#stopping) this.#set("ready");
    void this.#save();
    return end;
  }

  /** Asks the process to end, then makes it. */
  async #end(run: Run, exited: Promise<RunEnd>): Promise<RunEnd> {
    const { clock } = this.#ctx;
    const group = containerGroup(this.#ctx, this.id);
    this.#set("stopping");
    if (await isInGroup(run.pid, group)) signal(run.pid, stopSignal(this.record.stopSignal));
    const late = Promise.withResolvers<"late">();
    const asked = clock.now();
    const wait = () => clock.after(Math.max(0, asked + this.#graceMs - clock.now()), () => late.resolve("late"));
    let cancel = wait();
    this.#graceChanged = () => {
      cancel();
      cancel = wait();
    };
    const first = await this.#first<RunEnd | "late">(exited, late.promise).finally(() => {
      cancel();
      this.#graceChanged = () => {};
    });
    if (first !== "late") return first;
    // The first process of a PID namespace takes all others with it.
    if (await isInGroup(run.pid, group)) signal(run.pid, "SIGKILL");
    return this.#first(exited);
  }

  #watch(run: Run): Watched {
    const { record } = this;
    const watched = watchRun(this.#ctx, record, run, {
      isReady: this.#phase === "ready",
      late: () => {
        if (record.readyAt !== undefined) return;
        this.#report("ReadinessProbeFailed", this.#probeFailure ?? "Readiness probe got no answer");
        this.#events.changed();
      },
      ready: () => {
        record.readyAt = this.#ctx.clock.now();
        this.#served = true;
        this.#probeFailure = undefined;
        delete record.problem;
        void this.#save();
        this.#events.ready();
        this.#set("ready");
      },
      unready: (message) => {
        this.#probeFailure = message;
        delete record.readyAt;
        void this.#save();
        this.#set("starting");
      },
      failure: (message) => {
        this.#probeFailure = message;
      },
      verdict: (reason, message) => this.#report(reason, message),
    });
    this.#set(this.#phase === "ready" ? "ready" : "starting");
    return watched;
  }

  /** A run has ended by itself or by a probe's verdict: it is recorded, cleaned up and starts again later. */
  async #ended(end: RunEnd): Promise<void> {
    const { record } = this;
    const byProbe = this.#phase === "stopping";
    this.#served = false;
    const exit = await readExit(this.#ctx, record, end);
    record.lastExit = exit;
    const ranMs = exit.at - (record.startedAt ?? exit.at);
    if (exit.oomKilled) this.#report("OOMKilled", oomMessage(record.spec.resources.memoryBytes), exit.code);
    else if (!byProbe) this.#report("ExitCode", exit.message, exit.code);
    await this.#scheduleNext(ranMs, true);
  }

  async #startFailed(error: Error, began: boolean): Promise<void> {
    const { record } = this;
    this.#ctx.log.warn({ instance: this.id, error }, "Instance did not start");
    const { reason, code } = problemOf(error);
    if (code !== undefined) {
      record.lastExit = { code, oomKilled: false, message: error.message, at: this.#ctx.clock.now() };
    }
    this.#report(reason, error.message, code);
    await this.#scheduleNext(0, false, began);
  }

  async #scheduleNext(ranMs: number, started: boolean, made = true): Promise<void> {
    const { record } = this;
    const { clock } = this.#ctx;
    record.failures = countFailure(record.failures, ranMs);
    record.nextStartAt = clock.now() + restartDelayMs(record.failures, started);
    if (started) record.restarts++;
    delete record.startedAt;
    delete record.readyAt;
    this.#probeFailure = undefined;
    this.#set("waiting");
    if (made) {
      await this.#save();
      await cleanRun(this.#ctx, record);
    }
    await this.#wait();
  }

  async #wait(): Promise<void> {
    const { clock } = this.#ctx;
    const over = Promise.withResolvers<void>();
    const cancel = clock.after(Math.max(0, (this.record.nextStartAt ?? 0) - clock.now()), () => over.resolve());
    await this.#first<unknown>(over.promise, this.#stop.promise).finally(cancel);
  }

  async #destroy(): Promise<void> {
    this.#set("stopping");
    this.record.stopping = true;
    await this.#saving;
    for (;;) {
      try {
        await destroy(this.#ctx, this.id, this.record.attempt);
        this.#events.gone();
        return;
      } catch (error) {
        // Something outside holds on to a mount or a group: it stays visible as stopping, and isn't given up.
        this.#ctx.log.error({ error, instance: this.id }, "Cannot remove the instance yet");
        const over = Promise.withResolvers<void>();
        this.#ctx.clock.after(retryDestroyMs, () => over.resolve());
        await this.#first(over.promise);
      }
    }
  }
}
