/** The life of a Pod whose container runs for real: what its runtime says of it, told as a kubelet tells it. */
import { isReason } from "../../../../src/api/meta/errors.ts";
import { rfc3339 } from "../../../../src/lib/clock.ts";
import { ImageError } from "../../../../src/runtime/images.ts";
import type { InstanceExit, InstanceState, WorkloadKey, WorkloadState } from "../../../../src/runtime/workloads.ts";
import { Pod } from "../kinds/workloads.ts";
import { preStop } from "../nodes/hooks.ts";
import { containerOf } from "../nodes/instance-spec.ts";
import { type PodRuntime, type RealPod, UnresolvedError } from "../nodes/types.ts";
import { pullBackOff, pullError, startError } from "./kubelet-words.ts";
import { type ContainerState, podStatus, type Told } from "./pod-status.ts";
import { type ControllerParts, systemContext, tell } from "./tools.ts";
import type { PodObject } from "./types.ts";

const component = "kubelet";
/** A kubelet asks a container that isn't ready each second, and tells of each failure. */
const probeMs = 1_000;
/** What can't be had is looked for again after this. */
const againMs = 250;

export class RealPodLife {
  readonly #parts: ControllerParts;
  readonly #runtime: PodRuntime;
  readonly #pod: RealPod;
  readonly #key: WorkloadKey;
  readonly #abort = new AbortController();
  readonly #ending = new AbortController();
  readonly #unsubscribe: () => void;
  readonly #gone = Promise.withResolvers<void>();
  #told: Told = { state: { waiting: { reason: "ContainerCreating" } }, restarts: 0, ready: false };
  /** The last that its runtime said. */
  #seen: InstanceState | undefined;
  #running: Promise<void> = Promise.resolve();
  #writing: Promise<void> = Promise.resolve();
  #startedBefore = false;

  constructor(parts: ControllerParts, runtime: PodRuntime, pod: RealPod) {
    this.#parts = parts;
    this.#runtime = runtime;
    this.#pod = pod;
    const { namespace = "", name } = pod.metadata;
    this.#key = { namespace, name };
    this.#unsubscribe = runtime.subscribe((key) => {
      if (key.namespace === namespace && key.name === name) this.#look();
    });
  }

  begin(): void {
    this.#running = this.#start().catch((error: unknown) => this.#fail(error));
    this.#probe();
  }

  /** @param graceSeconds what the hook and the end may take together */
  end(graceSeconds = 30): void {
    if (this.#ending.signal.aborted) return;
    this.#ending.abort();
    const before = this.#running;
    this.#running = before.then(() => this.#stop(graceSeconds * 1000)).catch((error: unknown) => this.#fail(error));
  }

  /** The Pod is gone, or the cluster stops: nothing more is told. */
  abort(): void {
    this.#ending.abort();
    this.#abort.abort();
    this.#unsubscribe();
    this.#runtime.remove(this.#key);
    this.#gone.resolve();
  }

  async settled(): Promise<void> {
    await this.#running;
    await this.#writing;
  }

  #fail(error: unknown): void {
    if (this.#abort.signal.aborted || isReason(error, "NotFound")) return;
    this.#parts.log.error({ error, pod: this.#pod.metadata.name }, "A Pod's life ended");
  }

  #after(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#parts.clock.after(ms, resolve);
    });
  }

  async #start(): Promise<void> {
    await this.#write({});
    const { image } = containerOf(this.#pod);
    while (!this.#ending.signal.aborted) {
      try {
        await this.#runtime.start(this.#key, this.#pod);
        return;
      } catch (error) {
        if (error instanceof ImageError) await this.#writeImageMissing(image, error.message);
        else if (error instanceof UnresolvedError) {
          await this.#write({ state: { waiting: { reason: "CreateContainerConfigError", message: error.message } } });
        } else throw error;
        await this.#after(againMs);
      }
    }
  }

  async #stop(graceMs: number): Promise<void> {
    const { uid = "" } = this.#pod.metadata;
    const address = this.#seen?.address?.host;
    if (this.#seen?.startedAt !== undefined && address !== undefined) {
      await this.#tell("Killing", `Stopping container ${containerOf(this.#pod).name}`);
      const late = new AbortController();
      const cancel = this.#parts.clock.after(graceMs, () => late.abort());
      const signal = AbortSignal.any([late.signal, this.#abort.signal]);
      await preStop(this.#parts, this.#pod, { runtime: this.#runtime, address, signal }).catch((error: unknown) =>
        this.#tell("FailedPreStopHook", `PreStopHook failed: ${(error as Error).message}`, "Warning"),
      );
      cancel();
    }
    this.#runtime.remove(this.#key);
    if (this.#runtime.get(this.#key) !== undefined) await this.#gone.promise;
    if (this.#abort.signal.aborted) return;
    await this.#writing;
    const now = this.#now();
    if (this.#startedBefore) {
      const terminated = { exitCode: 0, reason: "Completed", startedAt: now, finishedAt: now };
      await this.#write({ ready: false, started: false, state: { terminated } });
    }
    const options = { gracePeriodSeconds: 0, preconditions: { uid } };
    await this.#parts.service.delete(systemContext(), { kind: Pod, ...this.#key }, options);
  }

  /** Tells what is new of the instance. */
  #look(): void {
    const state = this.#runtime.get(this.#key);
    const instance = state?.instances[0];
    if (state === undefined || instance === undefined) {
      if (this.#ending.signal.aborted) this.#gone.resolve();
      return;
    }
    const before = this.#seen;
    this.#seen = instance;
    this.#writing = this.#writing
      .then(() => this.#tellChange(before, instance, state))
      .catch((error: unknown) => this.#fail(error));
  }

  async #tellChange(before: InstanceState | undefined, now: InstanceState, state: WorkloadState): Promise<void> {
    const { name, image } = containerOf(this.#pod);
    if (before?.phase === now.phase && before.restarts === now.restarts) return;
    const { problem } = state;
    const address = now.address?.host;
    const common = { restarts: now.restarts, ...(address === undefined ? {} : { address }) };
    switch (now.phase) {
      case "starting":
      case "ready": {
        const startedAt = rfc3339(now.startedAt ?? this.#parts.clock.now());
        if (before?.phase !== "ready" && before?.phase !== "starting") {
          await this.#tell("Pulled", `Container image "${image}" already present on machine`);
          await this.#tell("Created", `Created container ${name}`);
          await this.#tell("Started", `Started container ${name}`);
        }
        this.#startedBefore = true;
        const ready = now.phase === "ready";
        const last = now.lastExit === undefined ? {} : { last: { terminated: terminatedOf(now.lastExit) } };
        await this.#write({
          ...common,
          ...last,
          phase: "Running",
          ready,
          started: ready,
          state: { running: { startedAt } },
        });
        return;
      }
      case "waiting":
        if (problem?.reason === "LivenessProbeFailed") {
          await this.#tell("Unhealthy", `Liveness probe failed: ${problem.message}`, "Warning");
        }
        if (problem?.reason === "ContainerMissing") return this.#writeImageMissing(image, problem.message);
        return this.#writeEnded(now, problem?.message ?? "", common);
      default:
    }
  }

  async #writeEnded(now: InstanceState, problem: string, common: Partial<Told>): Promise<void> {
    const { name } = containerOf(this.#pod);
    const { uid = "" } = this.#pod.metadata;
    const at = this.#now();
    const started = now.restarts > 0;
    const terminated =
      started && now.lastExit !== undefined
        ? terminatedOf(now.lastExit)
        : { exitCode: 128, reason: "StartError", message: startError(problem), startedAt: at, finishedAt: at };
    if (started)
      await this.#write({ ...common, phase: "Running", ready: false, started: false, state: { terminated } });
    else await this.#tell("Failed", `Error: ${startError(problem)}`, "Warning");
    const pod = `${this.#pod.metadata.name}_${this.#key.namespace}(${uid})`;
    await this.#tell("BackOff", `Back-off restarting failed container ${name} in pod ${pod}`, "Warning");
    const message = `back-off restarting failed container=${name} pod=${pod}`;
    const waiting = { reason: "CrashLoopBackOff", message };
    await this.#write({ ...common, ready: false, started: false, state: { waiting }, last: { terminated } });
  }

  async #writeImageMissing(image: string, why: string): Promise<void> {
    const error = pullError(image, why);
    await this.#tell("Failed", `Failed to pull image "${image}": ${error.message}`, "Warning");
    await this.#write({ state: { waiting: error } });
    const waiting = pullBackOff(image);
    await this.#tell("BackOff", waiting.message);
    await this.#write({ state: { waiting } });
  }

  /** Tells each second why it isn't ready. */
  #probe(): void {
    this.#parts.clock.after(probeMs, () => {
      if (this.#ending.signal.aborted) return;
      const { phase, probeFailure } = this.#runtime.get(this.#key)?.instances[0] ?? {};
      if (phase === "starting" && probeFailure !== undefined) {
        void this.#tell("Unhealthy", `Readiness probe failed: ${probeFailure}`, "Warning");
      }
      this.#probe();
    });
  }

  #now(): string {
    return rfc3339(this.#parts.clock.now());
  }

  async #write(change: Partial<Told>): Promise<void> {
    if (this.#abort.signal.aborted) return;
    this.#told = { ...this.#told, ...change };
    const { uid } = this.#pod.metadata;
    const status = podStatus(this.#pod as PodObject, this.#told, this.#now());
    const target = { kind: Pod, ...this.#key, subresource: "status" } as const;
    await this.#parts.service.patch(systemContext(), target, {
      type: "strategic",
      body: { metadata: { uid }, status },
    });
  }

  async #tell(reason: string, message: string, type: "Normal" | "Warning" = "Normal"): Promise<void> {
    if (this.#abort.signal.aborted) return;
    const fieldPath = `spec.containers{${containerOf(this.#pod).name}}`;
    const what = { type, reason, message, component, fieldPath };
    await tell(this.#parts, Pod, { object: this.#pod, what });
  }
}

function terminatedOf({ code, oomKilled, message, at }: InstanceExit): Required<ContainerState>["terminated"] {
  const reason = oomKilled ? "OOMKilled" : code === 0 ? "Completed" : "Error";
  const finishedAt = rfc3339(at);
  return { exitCode: code, reason, ...(message === "" ? {} : { message }), startedAt: finishedAt, finishedAt };
}
