/**
 * The life of a Pod whose containers run for real to their end: its init containers one after the other, then its container. One that fails ends the Pod, or is
 * started again after a while, as `restartPolicy` says; `activeDeadlineSeconds` and a deletion end what runs.
 */
import { isReason } from "../../../../src/api/meta/errors.ts";
import { rfc3339 } from "../../../../src/lib/clock.ts";
import { ImageError } from "../../../../src/runtime/images.ts";
import { Pod } from "../kinds/workloads.ts";
import { containerOf } from "../nodes/instance-spec.ts";
import type { ContainerEnd, PodSandbox, RunningContainer } from "../nodes/sandboxes.ts";
import { type RealContainer, type RealPod, UnresolvedError } from "../nodes/types.ts";
import { pullBackOff, pullError, startError } from "./kubelet-words.ts";
import type { ContainerState } from "./pod-status.ts";
import { type ContainerTold, initializing, type RunTold, runStatus } from "./run-status.ts";
import { type ControllerParts, systemContext, tell } from "./tools.ts";

type Terminated = NonNullable<ContainerState["terminated"]>;

interface Parts extends ControllerParts {
  /** How long a kubelet's second of back-off is, in milliseconds. */
  secondMs: number;
}

const firstBackoffSeconds = 10;
const maxBackoffSeconds = 300;
/** What containerd says of a program that never ran. */
const noStartCode = 128;
const beginningOfTime = "1970-01-01T00:00:00Z";

export class RunToEndLife {
  readonly #parts: Parts;
  readonly #sandbox: PodSandbox;
  readonly #pod: RealPod;
  readonly #began: number;
  readonly #containers = new Map<string, ContainerTold>();
  /** What runs is to end. */
  readonly #ending = new AbortController();
  /** The Pod is gone, or the cluster stops: nothing more is told. */
  readonly #gone = new AbortController();
  #told: RunTold;
  #running: Promise<void> = Promise.resolve();
  #container: RunningContainer | undefined;
  #deadlineSeconds = Number.POSITIVE_INFINITY;
  #cancelDeadline = (): void => {};
  #cancelKill = (): void => {};
  #late = false;
  #deleted = false;
  #graceMs: number;

  constructor(parts: Parts, sandbox: PodSandbox, pod: RealPod) {
    this.#parts = parts;
    this.#sandbox = sandbox;
    this.#pod = pod;
    this.#began = parts.clock.now();
    this.#graceMs = (pod.spec.terminationGracePeriodSeconds ?? 30) * 1000;
    this.#told = { phase: "Pending", startTime: rfc3339(this.#began), containers: this.#containers };
  }

  begin(): void {
    this.see(this.#pod);
    this.#running = this.#live().catch((error: unknown) => this.#fail(error));
  }

  /** The Pod as it is now: its deadline may have come nearer. */
  see({ spec: { activeDeadlineSeconds = Number.POSITIVE_INFINITY } }: RealPod): void {
    if (activeDeadlineSeconds >= this.#deadlineSeconds) return;
    this.#deadlineSeconds = activeDeadlineSeconds;
    this.#cancelDeadline();
    const { clock } = this.#parts;
    const left = this.#began + activeDeadlineSeconds * 1000 - clock.now();
    this.#cancelDeadline = clock.after(Math.max(0, left), () => {
      this.#late = true;
      this.#stop();
    });
  }

  end(graceSeconds = 30): void {
    if (this.#deleted) return;
    this.#deleted = true;
    this.#graceMs = graceSeconds * 1000;
    this.#stop();
    const before = this.#running;
    this.#running = before.then(() => this.#delete()).catch((error: unknown) => this.#fail(error));
  }

  abort(): void {
    this.#gone.abort();
    this.#graceMs = 0;
    this.#cancelDeadline();
    this.#stop();
    const before = this.#running;
    this.#running = before.then(() => this.#sandbox.remove());
  }

  settled(): Promise<void> {
    return this.#running;
  }

  #fail(error: unknown): void {
    if (this.#gone.signal.aborted || isReason(error, "NotFound")) return;
    this.#parts.log.error({ error, pod: this.#pod.metadata.name }, "A Pod's life ended");
  }

  /** SIGTERM, and SIGKILL once the grace is over. */
  #stop(): void {
    this.#ending.abort();
    const container = this.#container;
    if (container === undefined) return;
    void container.signal("SIGTERM");
    this.#cancelKill();
    this.#cancelKill = this.#parts.clock.after(this.#graceMs, () => void container.signal("SIGKILL"));
  }

  /** Waits, unless the Pod is to end. */
  #pass(ms: number): Promise<void> {
    const { signal } = this.#ending;
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        signal.removeEventListener("abort", end);
        resolve();
      };
      const cancel = this.#parts.clock.after(ms, end);
      signal.addEventListener("abort", end);
    });
  }

  async #live(): Promise<void> {
    await this.#write({});
    await this.#mount();
    if (!this.#ending.signal.aborted) await this.#write({ address: await this.#sandbox.open() });
    const phase = await this.#outcome();
    this.#cancelDeadline();
    if (phase !== undefined) await this.#write({ phase });
    else if (this.#late) await this.#write(deadlineExceeded);
    await this.#sandbox.end();
  }

  /** No container begins before all volumes are there. */
  async #mount(): Promise<void> {
    while (!this.#ending.signal.aborted) {
      try {
        return await this.#sandbox.mount();
      } catch (error) {
        if (!(error instanceof UnresolvedError)) throw error;
        const message = `MountVolume.SetUp failed: ${error.message}`;
        await this.#tell(containerOf(this.#pod), message, "FailedMount");
        await this.#pass(this.#parts.secondMs);
      }
    }
  }

  /** Undefined where it is ended before. */
  async #outcome(): Promise<"Succeeded" | "Failed" | undefined> {
    for (const container of [...(this.#pod.spec.initContainers ?? []), containerOf(this.#pod)]) {
      const end = await this.#toEnd(container);
      if (end !== "Succeeded") return end;
    }
    return "Succeeded";
  }

  /** Runs a container until it succeeds, or may not be tried again. */
  async #toEnd(container: RealContainer): Promise<"Succeeded" | "Failed" | undefined> {
    const { restartPolicy = "Always" } = this.#pod.spec;
    for (let seconds = firstBackoffSeconds; ; seconds = Math.min(maxBackoffSeconds, seconds * 2)) {
      const terminated = await this.#once(container);
      if (terminated?.exitCode === 0) return "Succeeded";
      if (terminated === undefined || this.#ending.signal.aborted) return undefined;
      if (restartPolicy === "Never") return "Failed";
      const { name, namespace = "", uid = "" } = this.#pod.metadata;
      const pod = `${name}_${namespace}(${uid})`;
      await this.#tell(container, `Back-off restarting failed container ${container.name} in pod ${pod}`, "BackOff");
      const message = `back-off ${seconds}s restarting failed container=${container.name} pod=${pod}`;
      await this.#set(container, { state: { waiting: { reason: "CrashLoopBackOff", message } }, last: { terminated } });
      await this.#pass(seconds * this.#parts.secondMs);
      const { restarts } = this.#containers.get(container.name) ?? initializing;
      await this.#set(container, { restarts: restarts + 1 });
    }
  }

  /** One run of a container; undefined where the Pod is ended before it begins. */
  async #once(container: RealContainer): Promise<Terminated | undefined> {
    const image = await this.#image(container);
    if (image === undefined) return undefined;
    while (!this.#ending.signal.aborted) {
      try {
        const run = await this.#sandbox.start(container, image);
        return await this.#follow(container, run);
      } catch (error) {
        const { message } = error as Error;
        if (!(error instanceof UnresolvedError)) return this.#notStarted(container, message);
        await this.#set(container, { state: { waiting: { reason: "CreateContainerConfigError", message } } });
        await this.#pass(this.#parts.secondMs);
      }
    }
    return undefined;
  }

  async #follow(container: RealContainer, run: RunningContainer): Promise<Terminated> {
    this.#container = run;
    if (this.#ending.signal.aborted) this.#stop();
    const startedAt = this.#now();
    await this.#tell(container, `Started container ${container.name}`, "Started");
    const isInit = this.#pod.spec.initContainers?.includes(container) === true;
    await this.#set(container, { state: { running: { startedAt } } }, isInit ? {} : { phase: "Running" });
    const end = await run.ended;
    this.#container = undefined;
    this.#cancelKill();
    const terminated = terminatedOf(end, { startedAt, finishedAt: this.#now() });
    await this.#set(container, { state: { terminated } });
    return terminated;
  }

  async #notStarted(container: RealContainer, why: string): Promise<Terminated> {
    const message = startError(why);
    await this.#tell(container, `Error: ${message}`, "Failed");
    const times = { startedAt: beginningOfTime, finishedAt: this.#now() };
    const terminated = { exitCode: noStartCode, reason: "StartError", message, ...times };
    await this.#set(container, { state: { terminated } });
    return terminated;
  }

  /** Its image, looked for until it is there; undefined where the Pod is ended meanwhile. */
  async #image(container: RealContainer): Promise<string | undefined> {
    for (let seconds = firstBackoffSeconds; ; seconds = Math.min(maxBackoffSeconds, seconds * 2)) {
      if (this.#ending.signal.aborted) return undefined;
      try {
        const imageID = await this.#sandbox.image(container);
        await this.#tell(container, `Container image "${container.image}" already present on machine`, "Pulled");
        await this.#set(container, { imageID });
        return imageID;
      } catch (error) {
        if (!(error instanceof ImageError)) throw error;
        const failure = pullError(container.image, error.message);
        await this.#tell(container, `Failed to pull image "${container.image}": ${failure.message}`, "Failed");
        await this.#set(container, { state: { waiting: failure } });
        await this.#pass(this.#parts.secondMs);
        const waiting = pullBackOff(container.image);
        await this.#tell(container, waiting.message, "BackOff");
        await this.#set(container, { state: { waiting } });
        await this.#pass(seconds * this.#parts.secondMs);
      }
    }
  }

  async #delete(): Promise<void> {
    const { namespace = "", name, uid = "" } = this.#pod.metadata;
    const options = { gracePeriodSeconds: 0, preconditions: { uid } };
    await this.#parts.service.delete(systemContext(), { kind: Pod, namespace, name }, options);
  }

  #now(): string {
    return rfc3339(this.#parts.clock.now());
  }

  async #set({ name }: RealContainer, change: Partial<ContainerTold>, pod: Partial<RunTold> = {}): Promise<void> {
    this.#containers.set(name, { ...(this.#containers.get(name) ?? initializing), ...change });
    await this.#write(pod);
  }

  async #write(change: Partial<RunTold>): Promise<void> {
    if (this.#gone.signal.aborted) return;
    this.#told = { ...this.#told, ...change };
    const { namespace = "", name, uid } = this.#pod.metadata;
    const target = { kind: Pod, namespace, name, subresource: "status" } as const;
    const body = { metadata: { uid }, status: runStatus(this.#pod, this.#told, this.#now()) };
    await this.#parts.service.patch(systemContext(), target, { type: "strategic", body }).catch((error: unknown) => {
      // It was taken away: what runs ends with that.
      if (!isReason(error, "NotFound")) throw error;
    });
  }

  async #tell({ name }: RealContainer, message: string, reason: string): Promise<void> {
    if (this.#gone.signal.aborted) return;
    const field = this.#pod.spec.initContainers?.some((one) => one.name === name) ? "initContainers" : "containers";
    const type = ["Failed", "FailedMount", "BackOff"].includes(reason) ? "Warning" : "Normal";
    const what = { type, reason, message, component: "kubelet", fieldPath: `spec.${field}{${name}}` } as const;
    await tell(this.#parts, Pod, { object: this.#pod, what });
  }
}

const deadlineExceeded = {
  phase: "Failed",
  reason: "DeadlineExceeded",
  message: "Pod was active on the node longer than the specified deadline",
} as const;

function terminatedOf(
  { exitCode, oomKilled, message }: ContainerEnd,
  times: Pick<Terminated, "startedAt" | "finishedAt">,
): Terminated {
  const reason = oomKilled ? "OOMKilled" : exitCode === 0 ? "Completed" : "Error";
  return { exitCode, reason, ...(message === "" ? {} : { message }), ...times };
}
