/**
 * A kubelet for builds' Pods in a cluster in memory: their init containers run one after the other as processes of this machine, with their deadline, and the Pod's status is
 * told as Kubernetes 1.26 tells it. What their commands write is their log. The last container says that there is no image.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout } from "node:timers/promises";
import { Secret } from "../../src/api/secret.ts";
import { startInformer } from "../../src/client/informer.ts";
import { Pod } from "../../src/kubernetes/kinds/pod.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLog } from "../../src/lib/log.ts";
import type { MemoryCluster } from "./memory-cluster.ts";

type Status = NonNullable<Pod["status"]>;
type ContainerStatuses = NonNullable<Status["initContainerStatuses"]>;

const pollMs = 5;
const now = () => new Date().toISOString();
const base = (name: string) => ({ name, ready: false, restartCount: 0, image: "", imageID: "" });

/** Runs Pods until the function that comes back is called, which ends their processes. */
export function runBuildPods(cluster: MemoryCluster): () => Promise<void> {
  const lives = new Map<string, Life>();
  const pods = startInformer<Pod>({ client: cluster.client, clock: systemClock, log: silentLog, kind: Pod });
  pods.subscribe(({ type, object }) => {
    const { uid = "" } = object.metadata;
    let life = lives.get(uid);
    if (type === "deleted") return life?.end("deleted");
    if (life === undefined) {
      lives.set(uid, (life = new Life(cluster, object)));
      void life.run();
    }
    return life.deadline(object.spec?.activeDeadlineSeconds);
  });
  return async () => {
    for (const life of lives.values()) life.end("deleted");
    await pods.stop();
  };
}

class Life {
  readonly #cluster: MemoryCluster;
  readonly #pod: Pod;
  readonly #statuses: ContainerStatuses;
  #child: ChildProcess | undefined;
  #ended: "DeadlineExceeded" | "deleted" | undefined;
  #timer: NodeJS.Timeout | undefined;
  #limit = Infinity;
  readonly #began = Date.now();

  constructor(cluster: MemoryCluster, pod: Pod) {
    this.#cluster = cluster;
    this.#pod = pod;
    const waiting = { waiting: { reason: "PodInitializing" } };
    this.#statuses = (pod.spec?.initContainers ?? []).map(({ name }) => ({ ...base(name), state: waiting }));
  }

  async run(): Promise<void> {
    await this.#mounted();
    if (this.#ended !== undefined) return this.#tell({ phase: "Failed" });
    for (const [index, container] of (this.#pod.spec?.initContainers ?? []).entries()) {
      const startedAt = now();
      this.#state(index, { running: { startedAt } });
      this.#tell({ phase: "Pending" });
      const { code, words } = await this.#process(container.command ?? []);
      const reason = code === 0 ? "Completed" : "Error";
      this.#state(index, { terminated: { exitCode: code, reason, message: words, startedAt, finishedAt: now() } });
      if (this.#ended !== undefined || code !== 0) return this.#tell({ phase: "Failed" });
    }
    const terminated = { exitCode: 0, reason: "Completed", message: "{}", startedAt: now(), finishedAt: now() };
    return this.#tell({ phase: "Succeeded", containerStatuses: [{ ...base("elafros-image"), state: { terminated } }] });
  }

  /** Ends it after so many seconds of its life; later ones don't count. */
  deadline(seconds = Infinity): void {
    if (seconds >= this.#limit) return;
    this.#limit = seconds;
    clearTimeout(this.#timer);
    this.#timer = globalThis.setTimeout(
      () => this.end("DeadlineExceeded"),
      Math.max(0, this.#began + seconds * 1_000 - Date.now()),
    );
    this.#timer.unref();
  }

  end(why: "DeadlineExceeded" | "deleted"): void {
    this.#ended ??= why;
    clearTimeout(this.#timer);
    this.#child?.kill("SIGKILL");
  }

  /** No container begins before the Secrets are there that the Pod mounts. */
  async #mounted(): Promise<void> {
    const { volumes = [] } = this.#pod.spec as { volumes?: { secret?: { secretName: string } }[] };
    const names = volumes.flatMap(({ secret }) => secret?.secretName ?? []);
    const isThere = (name: string) => this.#cluster.get(Secret, name, this.#pod.metadata.namespace) !== undefined;
    while (this.#ended === undefined && !names.every(isThere)) await setTimeout(pollMs);
  }

  #process([program = "", ...args]: readonly string[]): Promise<{ code: number; words: string }> {
    return new Promise((resolve) => {
      const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
      this.#child = child;
      let words = "";
      for (const stream of [child.stdout, child.stderr])
        stream.on("data", (part: Buffer) => (words += part.toString()));
      child.once("close", (code) => resolve({ code: code ?? 137, words }));
      if (this.#ended !== undefined) child.kill("SIGKILL");
    });
  }

  #state(index: number, state: NonNullable<ContainerStatuses[number]["state"]>): void {
    const status = this.#statuses[index];
    if (status !== undefined) this.#statuses[index] = { ...status, state };
  }

  #tell(status: Pick<Status, "phase" | "containerStatuses">): void {
    const stored = this.#cluster.get(Pod, this.#pod.metadata.name, this.#pod.metadata.namespace);
    if (stored === undefined || stored.metadata.uid !== this.#pod.metadata.uid) return;
    const reason = this.#ended === "DeadlineExceeded" ? { reason: this.#ended } : {};
    const spec = { ...stored.spec, nodeName: "node", containers: stored.spec?.containers ?? [] };
    const said = { startTime: now(), initContainerStatuses: [...this.#statuses], ...reason, ...status };
    this.#cluster.put(Pod, { ...stored, spec, status: said });
  }
}
