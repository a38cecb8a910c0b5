/**
 * One build and its life: it waits for its turn, its steps run one after the other, their result becomes an image, and all but its state and logs is removed. One loop
 * does it all in order; each thing done is written down before the next, so that another control goes on from any point.
 */
import { mkdir, rm } from "node:fs/promises";
import { toolsImage } from "../builds.ts";
import type { BuildContext } from "./build-context.ts";
import { timeoutFailure } from "../build-words.ts";
import { BuildFailed, readSource, recordEnd, recordNoStart, stepFailure } from "./build-end.ts";
import { takeImage } from "./build-image.ts";
import { buildPaths, type BuildRecord, saveRecord, saveState, type StoredStep } from "./build-record.ts";
import { removeBuild, removeLarge, removeWork, resetBuild } from "./build-remove.ts";
import { fetchesSource, makeShared, SourceError, startStep, stepsOf } from "./build-steps.ts";
import { isInGroup, signal } from "./cgroup.ts";
import { cleanContainer, containerGroup, type Run } from "./container.ts";
import type { RunEnd } from "./exits.ts";
import { checkResources, needImage } from "./launch.ts";
import { keepRotated } from "./logs.ts";
import type { ImageRoot } from "./parts.ts";

/** What a build tells the set of all. */
export interface BuildEvents {
  changed(): void;
  /** Nothing of it runs any more, and nothing but its state and logs is left. */
  over(): void;
}

/** How a build is ended from outside. */
type Stop = BuildFailed | "suspend";

const left = new Error("Control lets go of the build");
const suspended = new Error("The build is put back into the queue");
const retryMs = 5_000;

export class Build {
  readonly record: BuildRecord;
  readonly #ctx: BuildContext;
  readonly #events: BuildEvents;
  #run: Run | undefined;
  #message: string | undefined;
  #keptLog: { path: string; inode: number | undefined } | undefined;
  readonly #turn = Promise.withResolvers<void>();
  /** Rejects once it is to end. */
  readonly #stop = Promise.withResolvers<never>();
  #stopped = false;
  /** Rejects once control lets go of it. */
  readonly #left = Promise.withResolvers<never>();
  readonly #abort = new AbortController();
  #loop: Promise<void> = Promise.resolve();
  #saving: Promise<void> = Promise.resolve();

  /** @param run the container that was found, when it is adopted in the middle of a step */
  constructor(ctx: BuildContext, record: BuildRecord, options: { events: BuildEvents; run?: Run }) {
    this.#ctx = ctx;
    this.record = record;
    this.#events = options.events;
    this.#run = options.run;
    for (const never of [this.#stop, this.#left]) never.promise.catch(() => {}); // whether or not anything waits
  }

  /** Begins its life, or goes on with it. */
  start(): void {
    this.#loop = this.#live().catch((error: unknown) => {
      if (error !== left) this.#ctx.driver.log.error({ error, build: this.record.id }, "Build's loop failed");
    });
  }

  /** It is its turn. */
  begin(): void {
    this.record.startedAt ??= this.#ctx.driver.clock.now();
    this.#turn.resolve();
    this.#events.changed();
  }

  /** What it does besides steps. */
  get message(): string | undefined {
    return this.#message;
  }

  /** It is being ended from outside. */
  get stopping(): boolean {
    return this.#stopped;
  }

  /** Ends it; nothing happens where it ends already. */
  stop(why: Stop): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#stop.reject(why === "suspend" ? suspended : why);
    this.#abort.abort();
  }

  /** Ends it and leaves nothing at all of it. Resolves with that. */
  remove(): Promise<void> {
    this.record.removed = true;
    if (this.record.endedAt === undefined) void this.#save();
    this.stop(new BuildFailed("BuildCancelled", "Build was removed"));
    return this.#loop;
  }

  /** Resolves when it is over, or let go of. */
  ended(): Promise<void> {
    return this.#loop;
  }

  /** Lets go of it without touching what runs. Resolves when no step is under way any more. */
  leave(): Promise<void> {
    this.#left.reject(left);
    this.#abort.abort();
    return this.#loop.then(() => this.#saving);
  }

  /** Keeps the log file that was just replaced. */
  async keepLog(): Promise<void> {
    if (this.#run === undefined) return;
    const path = buildPaths(this.#ctx.places, this.record.id).log(this.record.attempt);
    const known = this.#keptLog?.path === path ? this.#keptLog.inode : undefined;
    this.#keptLog = { path, inode: await keepRotated(path, known) };
  }

  /** The first of these; rejects when it is to end, or control lets go of it. */
  #first<T>(...those: Promise<T>[]): Promise<T> {
    return Promise.race([this.#left.promise, this.#stop.promise, ...those]);
  }

  #say(message: string | undefined): void {
    if (this.#message === message) return;
    this.#message = message;
    this.#events.changed();
  }

  /** Writes the record, one write after the other. */
  #save(): Promise<void> {
    this.#saving = this.#saving.then(() => saveRecord(this.#ctx.places, this.record));
    this.#saving.catch(() => {}); // whoever waits for it is told
    return this.#saving;
  }

  async #live(): Promise<void> {
    const { record } = this;
    const paths = buildPaths(this.#ctx.places, record.id);
    try {
      if (record.failure === undefined) {
        for (const path of [paths.base, paths.disk]) await mkdir(path, { recursive: true, mode: 0o700 });
        await this.#save();
        await saveState(this.#ctx.places, record);
        await this.#first(this.#turn.promise);
        const image = await this.#work();
        if (image !== undefined) record.imageDigest = image;
      }
    } catch (error) {
      if (error === left) throw error;
      if (error === suspended) return this.#suspend();
      record.failure = this.#failureOf(error);
    }
    this.#abort.abort();
    await this.#finish();
  }

  #failureOf(error: unknown): NonNullable<BuildRecord["failure"]> {
    if (error instanceof BuildFailed) return error.failure;
    this.#ctx.driver.log.error({ error, build: this.record.id }, "Build failed for a reason that is not its own");
    return { reason: "BuildStepFailed", message: `Build cannot go on: ${(error as Error).message}` };
  }

  async #work(): Promise<string | undefined> {
    const { record } = this;
    const { clock } = this.#ctx.driver;
    const { startedAt = clock.now(), spec } = record;
    const { timeoutMs } = spec;
    const { reason, message } = timeoutFailure(timeoutMs);
    const late = new BuildFailed(reason, message);
    const cancel = clock.after(Math.max(0, startedAt + timeoutMs - clock.now()), () => this.stop(late));
    try {
      if (record.attempt === 0) await this.#prepare();
      for (const [index, step] of record.steps.entries()) {
        if (step.phase === "ended" && step.exitCode !== 0) throw stepFailure(record, index);
        if (step.phase !== "ended") await this.#step(step, index);
      }
      const say = (message: string) => this.#say(message);
      return await this.#first(takeImage(this.#ctx, record, { signal: this.#abort.signal, say }));
    } finally {
      cancel();
    }
  }

  async #prepare(): Promise<void> {
    const { record } = this;
    await this.#save();
    await makeShared(this.#ctx, record);
    await this.#ctx.bases.prepare();
    for (const image of record.spec.baseImages) {
      this.#say(`Bringing base image "${image}"`);
      await this.#first(this.#ctx.bases.need(image, record.spec.registryAuths)).catch((error: unknown) => {
        throw error instanceof Error && error.name === "ImageError"
          ? new BuildFailed("ImageMissing", error.message, { cause: error })
          : error;
      });
    }
  }

  async #step(step: StoredStep, index: number): Promise<void> {
    const { driver, places } = this.#ctx;
    const { record } = this;
    const { id } = record;
    const paths = buildPaths(places, id);
    this.#run ??= await this.#startStep(step, index);
    const run = this.#run;
    const exited = driver.exits.wait(run.cid, run.monitor);
    let stop: Error | undefined;
    const end = await this.#first<RunEnd>(exited).catch(async (error: Error) => {
      if (error === left) throw error;
      stop = error;
      if (error instanceof BuildFailed) record.failure = error.failure; // with the step's end it is written down
      if (await isInGroup(run.pid, containerGroup(driver, id))) signal(run.pid, "SIGKILL");
      return Promise.race([this.#left.promise, exited]);
    });
    await recordEnd(this.#ctx, record, { step, index, end });
    if (step.exitCode === 0 && fetchesSource(record.spec, index)) record.source = await readSource(paths);
    await this.#save();
    await this.keepLog();
    this.#run = undefined;
    await cleanContainer(driver, { id, attempt: record.attempt, paths }, removeLarge);
    this.#events.changed();
    if (stop !== undefined) throw stop;
    if (step.exitCode !== 0) throw stepFailure(record, index);
  }

  /** @throws BuildFailed */
  async #startStep(step: StoredStep, index: number): Promise<Run> {
    const { driver } = this.#ctx;
    const { record } = this;
    try {
      const image = await this.#stepImage(step, index);
      const run = await driver.limitStarts(async () => {
        if (this.#stopped) return undefined;
        record.attempt++;
        step.attempt = record.attempt;
        await this.#save();
        return startStep(this.#ctx, record, { index, image });
      });
      if (run === undefined) return await this.#first<Run>();
      step.phase = "running";
      step.startedAt = driver.clock.now();
      this.#message = undefined;
      await this.#save();
      this.#events.changed();
      return run;
    } catch (error) {
      if (error === left || error === suspended || error instanceof BuildFailed) throw error;
      recordNoStart(step, error as Error, driver.clock.now());
      const failure = stepFailure(record, index);
      throw error instanceof SourceError ? new BuildFailed("SourceMissing", error.message, { cause: error }) : failure;
    }
  }

  async #stepImage(step: StoredStep, index: number): Promise<ImageRoot> {
    const { driver, tools } = this.#ctx;
    const { spec } = this.record;
    const { image = toolsImage, resources = {} } = stepsOf(spec)[index] ?? {};
    checkResources(driver, resources);
    if (image === toolsImage) {
      step.image = toolsImage;
      return tools.image;
    }
    this.#say(`Pulling image "${image}"`);
    const exact = await this.#first(driver.images.resolve(image, spec.registryAuths, "IfNotPresent"));
    step.image = exact;
    return this.#first(needImage(driver, { image: exact, pullSecrets: spec.registryAuths }));
  }

  /** Its end is on disk before anybody is told, and told before its files are removed, which may take a while. */
  async #finish(): Promise<void> {
    const { record } = this;
    const { driver, places } = this.#ctx;
    await this.#saving.catch(() => {});
    record.endedAt = driver.clock.now();
    this.#message = undefined;
    await this.#until("Cannot keep a build's end yet", async () => {
      // Where the disk is full that makes room for it.
      await saveState(places, record).catch(() => removeWork(this.#ctx, record));
      await saveState(places, record);
    });
    this.#events.changed();
    await this.#until("Cannot remove what a build has left yet", () =>
      record.removed === true ? removeBuild(this.#ctx, record) : removeWork(this.#ctx, record),
    );
    this.#events.over();
  }

  /** Puts it back to its beginning, on disk alone. */
  async #suspend(): Promise<void> {
    await this.#saving.catch(() => {});
    resetBuild(this.record);
    await removeWork(this.#ctx, this.record);
    await rm(buildPaths(this.#ctx.places, this.record.id).logs, { recursive: true, force: true });
    await saveState(this.#ctx.places, this.record);
  }

  /** Tries again until it works: something outside holds on to a mount, or the disk is full. */
  async #until(trouble: string, task: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await task();
      } catch (error) {
        this.#ctx.driver.log.error({ error, build: this.record.id }, trouble);
        const over = Promise.withResolvers<void>();
        this.#ctx.driver.clock.after(retryMs, () => over.resolve());
        await Promise.race([this.#left.promise, over.promise]);
      }
    }
  }
}
