/**
 * Pods whose container is a program of this machine: each a process with a network and files of its own, in place of an image that would first have
 * to be made. Elafros' own Pods run so, from this checkout. No confinement of theirs is tried here.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { mkdir, open, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import type { Clock } from "../../../../src/lib/clock.ts";
import { probeOnce } from "../../../../src/runtime/oci/probe.ts";
import { startProbing } from "../../../../src/runtime/oci/prober.ts";
import { restartDelayMs } from "../../../../src/runtime/oci/restart.ts";
import type { InstanceState, VolumeFile, WorkloadKey } from "../../../../src/runtime/workloads.ts";
import { containerOf, expand, specParts } from "./instance-spec.ts";
import type { PodNetwork } from "./pod-network.ts";
import type { PodRuntime, RealPod } from "./types.ts";
import { accountFiles, filesOf, type ValueParts, variablesOf } from "./values.ts";

interface Options {
  dir: string;
  network: PodNetwork;
  clock: Clock;
  values: ValueParts;
  /** The program that stands for an image, with its first arguments. */
  programs: Readonly<Record<string, readonly string[]>>;
  /** Further variables, such as where the API server is. */
  env(): Readonly<Record<string, string>>;
  /** The file that stands for the cluster's DNS. */
  hosts: string;
}

/** Volumes change while a Pod runs: so often they are looked at. */
const refreshMs = 500;

/** Gives each program its files where its Pod says, hidden from all others: arguments are the hosts file, pairs of directories, `--`, the program. */
const enter = `set -e
mount --bind "$1" /etc/hosts; shift
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
while [ "$1" != -- ]; do mkdir -p "$2"; mount --bind "$1" "$2"; shift 2; done
shift
exec "$@"`;

/** The runtime; it makes what it needs as Pods come. */
export function processRuntime(options: Options): PodRuntime {
  const pods = new Map<string, ProcessPod>();
  const listeners = new Set<(key: WorkloadKey) => void>();
  const idOf = ({ namespace, name }: WorkloadKey): string => `${namespace}/${name}`;
  const changed = (key: WorkloadKey): void => {
    for (const listener of listeners) listener(key);
  };
  return {
    async start(key, pod) {
      const made = new ProcessPod(options, pod, {
        changed: () => changed(key),
        gone: () => {
          pods.delete(idOf(key));
          changed(key);
        },
      });
      pods.set(idOf(key), made);
      try {
        await made.start();
      } catch (error) {
        // It is tried again.
        pods.delete(idOf(key));
        await options.network.release(pod.metadata.uid ?? "");
        throw error;
      }
    },
    exec: async (key, command, signal) => pods.get(idOf(key))?.exec(command, signal),
    crash: async (key, lost) => {
      const pod = pods.get(idOf(key));
      if (pod === undefined) throw new Error(`No program of Pod "${key.name}" runs`);
      if (lost) await pod.kill();
      else pod.crash();
    },
    remove: (key) => pods.get(idOf(key))?.stop(),
    get(key) {
      const pod = pods.get(idOf(key));
      return pod === undefined ? undefined : { key, desired: 1, instances: [pod.state()] };
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    logs(id) {
      const pod = [...pods.values()].find((one) => one.state().id === id);
      if (pod === undefined) throw new Error(`There is no process "${id}"`);
      return pod.lines();
    },
    async stop() {
      await Promise.all([...pods.values()].map((pod) => pod.kill()));
    },
  };
}

class ProcessPod {
  readonly #options: Options;
  readonly #pod: RealPod;
  readonly #events: { changed(): void; gone(): void };
  readonly #dir: string;
  readonly #state: InstanceState;
  readonly #ended = Promise.withResolvers<void>();
  #netns = "";
  #child: ChildProcess | undefined;
  #stopping = false;
  #failures = 0;
  #making: Promise<void> = Promise.resolve();
  #endProbing = (): void => {};
  #cancel = (): void => {};

  constructor(options: Options, pod: RealPod, events: { changed(): void; gone(): void }) {
    this.#options = options;
    this.#pod = pod;
    this.#events = events;
    const { uid = "", name, labels = {} } = pod.metadata;
    this.#dir = join(options.dir, "pods", uid);
    const { image } = containerOf(pod);
    this.#state = { id: name, phase: "creating", image, labels, createdAt: options.clock.now(), restarts: 0 };
  }

  state(): InstanceState {
    return { ...this.#state };
  }

  /** It is made to its end also where it is to be stopped meanwhile, and taken away then. */
  start(): Promise<void> {
    this.#making = this.#make();
    return this.#making;
  }

  async #make(): Promise<void> {
    const { netns, address } = await this.#options.network.attach(this.#pod.metadata.uid ?? "");
    this.#netns = netns;
    this.#state.address = { host: address, port: specParts(this.#pod).port };
    await this.#refresh();
    if (this.#stopping) return;
    this.#refreshLater();
    await this.#run();
  }

  async *lines(): AsyncIterable<string> {
    const input = createReadStream(join(this.#dir, "log"));
    for await (const line of createInterface({ input })) yield `${line}\n`;
  }

  /** Where each mount's files are on this machine, and where the program finds them. */
  #mounts(): [string, string][] {
    const mounts = (containerOf(this.#pod).volumeMounts ?? []).map(({ name, mountPath }): [string, string] => [
      this.#volume(name),
      mountPath,
    ]);
    return this.#hasAccount() ? [...mounts, [this.#volume("account"), accountMount]] : mounts;
  }

  #hasAccount(): boolean {
    return this.#pod.spec.automountServiceAccountToken !== false;
  }

  #volume(name: string): string {
    return join(this.#dir, "volumes", name);
  }

  /** Writes the volumes as they are to be now. */
  async #refresh(): Promise<void> {
    const { values } = this.#options;
    for (const volume of this.#pod.spec.volumes ?? []) {
      await writeFiles(this.#volume(volume.name), (await filesOf(values, this.#pod, volume)) ?? []);
    }
    if (this.#hasAccount()) await writeFiles(this.#volume("account"), await accountFiles(values, this.#pod));
  }

  #refreshLater(): void {
    this.#options.clock.after(refreshMs, () => {
      if (this.#stopping) return;
      // What isn't there now may be the next time; a Pod that goes has no token any more.
      void this.#refresh()
        .catch(() => {})
        .then(() => this.#refreshLater());
    });
  }

  /** Starts a program in the Pod's place. */
  #spawn(command: readonly string[], output: number | "ignore"): ChildProcess {
    const { hosts, values: _, ...options } = this.#options;
    const mounts = this.#mounts().flat();
    const inside = ["sh", "-c", enter, "sh", hosts, ...mounts, "--", ...command];
    const args = [`--net=${this.#netns}`, "--", "unshare", "--mount", "--propagation", "private", "--", ...inside];
    const env = {
      PATH: `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`,
      ...options.env(),
      ...Object.fromEntries(variablesOf(this.#options.values, this.#pod, { address: this.#state.address?.host })),
    };
    // A process group: what the program has started ends with it, as in a container.
    const child = spawn("nsenter", args, { env, cwd: "/", stdio: ["ignore", output, output], detached: true });
    child.once("exit", () => killGroup(child));
    return child;
  }

  async #run(): Promise<void> {
    const { clock, programs } = this.#options;
    const { image, args = [] } = containerOf(this.#pod);
    const variables = variablesOf(this.#options.values, this.#pod, { address: this.#state.address?.host });
    const log = await open(join(this.#dir, "log"), "a");
    if (this.#stopping) return log.close();
    const child = this.#spawn([...(programs[image] ?? []), ...args.map((arg) => expand(arg, variables))], log.fd);
    this.#child = child;
    const startedAt = clock.now();
    child.once("exit", (code, signal) => void this.#exited(code ?? (signal === "SIGKILL" ? 137 : 143), startedAt));
    await log.close();
    this.#set({ phase: "starting", startedAt });
    this.#endProbing = startProbing({
      spec: specParts(this.#pod),
      clock,
      ask: (probe, timeoutMs) => probeOnce(probe.action, this.#target(), timeoutMs),
      startedAt,
      ready: false,
      onReady: () => this.#set({ phase: "ready", readyAt: clock.now() }),
      onUnready: (probeFailure) => this.#set({ phase: "starting", probeFailure }),
      onFailure: (probeFailure) => void (this.#state.probeFailure = probeFailure),
      onDead: () => killGroup(child),
    });
  }

  #target() {
    const exec = () => Promise.reject(new Error("probes that run in a process aren't here"));
    return { host: this.#state.address?.host ?? "", exec };
  }

  #set(change: Partial<InstanceState>): void {
    Object.assign(this.#state, change);
    this.#events.changed();
  }

  async #exited(code: number, startedAt: number): Promise<void> {
    const { clock } = this.#options;
    this.#endProbing();
    this.#child = undefined;
    const at = clock.now();
    delete this.#state.startedAt;
    delete this.#state.readyAt;
    this.#failures += 1;
    const delay = restartDelayMs(this.#failures, true);
    const lastExit = { code, oomKilled: false, message: "", at };
    if (this.#stopping) return this.#finish();
    this.#set({ phase: "waiting", lastExit, restarts: this.#state.restarts + 1, nextStartAt: at + delay });
    this.#cancel = clock.after(at - startedAt > 10_000 ? 10 : delay, () => {
      this.#making = this.#run();
    });
  }

  async exec(command: readonly string[], signal: AbortSignal): Promise<void> {
    const child = this.#spawn(command, "ignore");
    const kill = (): void => killGroup(child);
    signal.addEventListener("abort", kill);
    await new Promise((resolve) => child.once("exit", resolve));
    signal.removeEventListener("abort", kill);
  }

  crash(): void {
    killGroup(this.#child);
  }

  /** SIGTERM, and SIGKILL once the grace is over. */
  stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#cancel();
    const { terminationGraceMs } = specParts(this.#pod);
    if (this.#child === undefined) return void this.#finish();
    this.#set({ phase: "stopping" });
    this.#child.kill("SIGTERM");
    this.#cancel = this.#options.clock.after(terminationGraceMs, () => killGroup(this.#child));
  }

  async kill(): Promise<void> {
    this.#stopping = true;
    this.#cancel();
    if (this.#child === undefined) await this.#finish();
    else killGroup(this.#child);
    await this.#ended.promise;
  }

  async #finish(): Promise<void> {
    this.#cancel();
    await this.#making.catch(() => {});
    // It was started at the last moment: its end leads here again.
    if (this.#child !== undefined) return killGroup(this.#child);
    await this.#options.network.release(this.#pod.metadata.uid ?? "");
    await rm(this.#dir, { recursive: true, force: true, maxRetries: 3 });
    this.#events.gone();
    this.#ended.resolve();
  }
}

function killGroup(child: ChildProcess | undefined): void {
  if (child?.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // Nothing of it runs any more.
  }
}

const accountMount = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Each file at once whole, as the kubelet does. */
async function writeFiles(dir: string, files: readonly VolumeFile[]): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const { path, data, mode } of files) {
    const temporary = join(dir, `.${path}.new`);
    await writeFile(temporary, Buffer.from(data, "base64"), { mode });
    await rename(temporary, join(dir, path));
  }
}
