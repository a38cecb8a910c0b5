/** Stand-in for the kubelets of all nodes: the life of each scheduled Pod, told in the order and words that were recorded. */
import type { Kind } from "../../../../src/api/meta/kind.ts";
import { isReason } from "../../../../src/api/meta/errors.ts";
import type { KubeObject } from "../../../../src/api/meta/types.ts";
import { followStore } from "../../../../src/apiserver/housekeeping-follow.ts";
import { rfc3339 } from "../../../../src/lib/clock.ts";
import { Pod } from "../kinds/workloads.ts";
import type { Machine } from "../nodes/machine.ts";
import type { RealPod } from "../nodes/types.ts";
import { type Fate, goodFate } from "./fate.ts";
import { type ContainerState, containersOf, podStatus, type Told } from "./pod-status.ts";
import { missingValue } from "./values.ts";
import { RealPodLife } from "./real-pod.ts";
import { RunToEndLife } from "./run-to-end.ts";
import { type ControllerParts, systemContext, tell } from "./tools.ts";
import type { PodObject } from "./types.ts";

export interface KubeletParts extends ControllerParts {
  /** Undefined: the machine runs it. */
  fate: (pod: PodObject) => Fate | undefined;
  machine: Pick<Machine, "runtimeOf" | "sandboxOf"> | undefined;
  /** How long a kubelet's second is here: of back-off between restarts and pulls. */
  secondMs: number;
  /** The first two parts of Pods' addresses. */
  podNetwork: string;
}

const component = "kubelet";
const firstBackoffSeconds = 10;
const maxBackoffSeconds = 300;

export function runKubelets(parts: KubeletParts): { stop(): Promise<void> } {
  const lives = new Map<string, Life>();
  /** Those of Pods that are gone, which may still tidy up. */
  const leaving = new Set<Life>();
  const seen = (_: Kind, object: KubeObject): void => {
    const pod = object as PodObject;
    const { uid = "", deletionTimestamp } = pod.metadata;
    if (pod.spec.nodeName === undefined) return;
    let life = lives.get(uid);
    if (life === undefined) {
      lives.set(uid, (life = lifeOf(parts, pod)));
      life.begin();
    }
    life.see?.(pod as RealPod);
    if (deletionTimestamp !== undefined) life.end(pod.metadata.deletionGracePeriodSeconds);
  };
  const gone = (_: Kind, { metadata: { uid = "" } }: KubeObject): void => {
    const life = lives.get(uid);
    lives.delete(uid);
    if (life === undefined) return;
    life.abort();
    leaving.add(life);
    void life.settled().then(() => leaving.delete(life));
  };
  const unfollow = followStore(parts.store, [Pod], { seen, gone });
  return {
    async stop() {
      unfollow();
      for (const life of lives.values()) life.abort();
      await Promise.all([...lives.values(), ...leaving].map((life) => life.settled()));
    },
  };
}

interface Life {
  begin(): void;
  /** Told of each change of the Pod. */
  see?(pod: RealPod): void;
  end(graceSeconds?: number): void;
  abort(): void;
  settled(): Promise<void>;
}

function lifeOf(parts: KubeletParts, pod: PodObject): Life {
  const fate = parts.fate(pod);
  if (fate !== undefined || parts.machine === undefined) return new PodLife(parts, pod);
  const real = pod as RealPod;
  if (real.spec.restartPolicy !== "Always") return new RunToEndLife(parts, parts.machine.sandboxOf(real), real);
  return new RealPodLife(parts, parts.machine.runtimeOf(real), real);
}

let lastAddress = 0;

class PodLife {
  readonly #parts: KubeletParts;
  readonly #pod: PodObject;
  readonly #abort = new AbortController();
  /** Aborted where the Pod is to end. */
  readonly #ending = new AbortController();
  readonly #told: Told;
  #running: Promise<void> = Promise.resolve();
  #startedAt: string | undefined;

  constructor(parts: KubeletParts, pod: PodObject) {
    this.#parts = parts;
    this.#pod = pod;
    this.#told = { state: { waiting: { reason: "ContainerCreating" } }, restarts: 0, ready: false };
  }

  begin(): void {
    this.#running = this.#live().catch((error: unknown) => this.#fail(error));
  }

  end(_graceSeconds?: number): void {
    if (this.#ending.signal.aborted) return;
    this.#ending.abort();
    const before = this.#running;
    this.#running = before.then(() => this.#stop()).catch((error: unknown) => this.#fail(error));
  }

  abort(): void {
    this.#abort.abort();
    this.#ending.abort();
  }

  settled(): Promise<void> {
    return this.#running;
  }

  #fail(error: unknown): void {
    // The Pod is gone, or the cluster stops.
    if (this.#abort.signal.aborted || isReason(error, "NotFound")) return;
    this.#parts.log.error({ error, pod: this.#pod.metadata.name }, "A Pod's life ended");
  }

  /** Waits; false where the Pod ends meanwhile. */
  #wait(ms: number): Promise<boolean> {
    const { signal } = this.#ending;
    if (signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const stop = (): void => {
        cancel();
        resolve(false);
      };
      const cancel = this.#parts.clock.after(ms, () => {
        signal.removeEventListener("abort", stop);
        resolve(true);
      });
      signal.addEventListener("abort", stop, { once: true });
    });
  }

  #pass(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#parts.clock.after(ms, resolve);
    });
  }

  /** Resolves when the Pod is gone, or the cluster stops. */
  #aborted(): Promise<void> {
    const { signal } = this.#abort;
    return new Promise((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  #now(): string {
    return rfc3339(this.#parts.clock.now());
  }

  async #write(change: Partial<Told>): Promise<void> {
    if (this.#abort.signal.aborted) return;
    Object.assign(this.#told, change);
    const { namespace = "", name, uid } = this.#pod.metadata;
    const target = { kind: Pod, namespace, name, subresource: "status" } as const;
    const status = podStatus(this.#pod, this.#told, this.#now());
    await this.#parts.service.patch(systemContext(), target, {
      type: "strategic",
      body: { metadata: { uid }, status },
    });
  }

  async #tell(reason: string, message: string, type: "Normal" | "Warning" = "Normal"): Promise<void> {
    if (this.#abort.signal.aborted) return;
    for (const { name } of containersOf(this.#pod).slice(0, 1)) {
      const what = { type, reason, message, component, fieldPath: `spec.containers{${name}}` };
      await tell(this.#parts, Pod, { object: this.#pod, what });
    }
  }

  async #live(): Promise<void> {
    const fate = this.#parts.fate(this.#pod) ?? goodFate;
    await this.#write({});
    if (!(await this.#wait(fate.startMs))) return;
    if (fate.kind === "no image") return this.#pullForEver();
    if (this.#told.address === undefined) this.#told.address = nextAddress(this.#parts.podNetwork);
    if (!(await this.#configured())) return;
    if (fate.kind === "runs") return this.#run(fate);
    return this.#crashForEver(fate);
  }

  /** Waits until there is what its variables come from; false where it ends meanwhile. */
  async #configured(): Promise<boolean> {
    for (;;) {
      const message = missingValue(this.#parts, this.#pod);
      if (message === undefined) return true;
      await this.#pulled();
      await this.#tell("Failed", `Error: ${message}`, "Warning");
      await this.#write({ state: { waiting: { reason: "CreateContainerConfigError", message } } });
      if (!(await this.#wait(this.#parts.secondMs))) return false;
    }
  }

  async #pulled(): Promise<void> {
    const [{ image } = { image: "" }] = containersOf(this.#pod);
    await this.#tell("Pulled", `Container image "${image}" already present on machine`);
  }

  async #created(): Promise<void> {
    await this.#pulled();
    await this.#tell("Created", `Created container ${containersOf(this.#pod)[0]?.name ?? ""}`);
  }

  async #run({ readyMs }: Extract<Fate, { kind: "runs" }>): Promise<void> {
    await this.#created();
    await this.#tell("Started", `Started container ${containersOf(this.#pod)[0]?.name ?? ""}`);
    this.#startedAt = this.#now();
    await this.#write({ phase: "Running", state: { running: { startedAt: this.#startedAt } }, started: true });
    if (readyMs === undefined) await this.#tellUnhealthy();
    else if (await this.#wait(readyMs)) await this.#write({ ready: true });
  }

  /** A readiness probe that nobody answers. */
  async #tellUnhealthy(): Promise<void> {
    const get = containersOf(this.#pod)[0]?.readinessProbe?.httpGet;
    if (get === undefined) return;
    const where = `${this.#told.address ?? ""}:${get.port}`;
    const why = `Get "http://${where}${get.path ?? "/"}": dial tcp ${where}: connect: connection refused`;
    await this.#tell("Unhealthy", `Readiness probe failed: ${why}`, "Warning");
  }

  async #pullForEver(): Promise<void> {
    const [{ image } = { image: "" }] = containersOf(this.#pod);
    const words = `rpc error: code = NotFound desc = failed to pull and unpack image "${image}": failed to resolve reference "${image}": ${image}: not found`;
    const backoff = `Back-off pulling image "${image}"`;
    this.#told.address = nextAddress(this.#parts.podNetwork);
    for (let seconds = firstBackoffSeconds; ; seconds = Math.min(maxBackoffSeconds, seconds * 2)) {
      await this.#tell("Pulling", `Pulling image "${image}"`);
      await this.#tell("Failed", `Failed to pull image "${image}": ${words}`, "Warning");
      await this.#tell("Failed", "Error: ErrImagePull", "Warning");
      await this.#write({ state: { waiting: { reason: "ErrImagePull", message: words } } });
      if (!(await this.#wait(this.#parts.secondMs))) return;
      await this.#tell("BackOff", backoff);
      await this.#tell("Failed", "Error: ImagePullBackOff", "Warning");
      await this.#write({ state: { waiting: { reason: "ImagePullBackOff", message: backoff } } });
      if (!(await this.#wait(seconds * this.#parts.secondMs))) return;
    }
  }

  async #crashForEver(fate: Extract<Fate, { kind: "no start" | "exits" }>): Promise<void> {
    const { name, namespace = "", uid = "" } = this.#pod.metadata;
    const container = containersOf(this.#pod)[0]?.name ?? "";
    let seconds = firstBackoffSeconds;
    for (let attempt = 0; ; attempt += 1) {
      await this.#created();
      const ended = await this.#crash(fate, attempt);
      // It is tried again at once the first time.
      if (!(await this.#wait(this.#parts.secondMs))) return;
      if (attempt === 0) continue;
      await this.#tell(
        "BackOff",
        `Back-off restarting failed container ${container} in pod ${name}_${namespace}(${uid})`,
        "Warning",
      );
      const message = `back-off ${seconds}s restarting failed container=${container} pod=${name}_${namespace}(${uid})`;
      const state = { waiting: { reason: "CrashLoopBackOff", message } };
      await this.#write({ state, last: ended });
      if (!(await this.#wait(seconds * this.#parts.secondMs))) return;
      seconds = Math.min(maxBackoffSeconds, seconds * 2);
    }
  }

  /** One start that fails; gives the state in which it ended. */
  async #crash(fate: Extract<Fate, { kind: "no start" | "exits" }>, attempt: number): Promise<ContainerState> {
    const now = this.#now();
    const common = { phase: "Running", restarts: attempt, started: false } as const;
    if (fate.kind === "no start") {
      await this.#tell("Failed", `Error: ${fate.message}`, "Warning");
      const terminated = {
        exitCode: 128,
        reason: "StartError",
        message: fate.message,
        startedAt: now,
        finishedAt: now,
      };
      await this.#write({
        ...common,
        state: { waiting: { reason: "RunContainerError", message: fate.message } },
        last: { terminated },
      });
      return { terminated };
    }
    await this.#tell("Started", `Started container ${containersOf(this.#pod)[0]?.name ?? ""}`);
    const { exitCode, reason, message } = fate;
    const terminated = {
      exitCode,
      reason,
      ...(message === undefined ? {} : { message }),
      startedAt: now,
      finishedAt: now,
    };
    const last = attempt === 0 ? {} : { last: this.#told.state };
    await this.#write({ ...common, ...last, state: { terminated } });
    return { terminated };
  }

  /** The graceful end: the container is stopped, told as ended, and the Pod taken away. */
  async #stop(): Promise<void> {
    if (this.#abort.signal.aborted) return;
    const fate = this.#parts.fate(this.#pod) ?? goodFate;
    const { namespace = "", name, uid = "" } = this.#pod.metadata;
    const container = containersOf(this.#pod)[0]?.name ?? "";
    if (this.#startedAt !== undefined) {
      await this.#tell("Killing", `Stopping container ${container}`);
      await this.#pass(fate.kind === "runs" ? fate.stopMs : 0);
      if (fate.kind === "runs") await Promise.race([fate.endsAfter, this.#aborted()]);
      const times = { startedAt: this.#startedAt, finishedAt: this.#now() };
      const terminated = { exitCode: 0, reason: "Completed", ...times };
      await this.#write({ ready: false, started: false, state: { terminated } });
      // Whoever watches sees the end before the Pod is gone.
      await this.#pass(this.#parts.secondMs);
    }
    const options = { gracePeriodSeconds: 0, preconditions: { uid } };
    await this.#parts.service.delete(systemContext(), { kind: Pod, namespace, name }, options);
  }
}

function nextAddress(network: string): string {
  lastAddress += 1;
  return `${network}.${(lastAddress >> 8) & 255}.${lastAddress & 255}`;
}
