/**
 * Pods that run to their end, such as those of builds: each of their containers is started as the OCI driver starts steps of builds, one after the other, with the
 * network and the volumes of its Pod. In which order, and what becomes of one that fails, the kubelet's stand-in says.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { ApiError } from "../../../../src/api/meta/errors.ts";
import type { Clock } from "../../../../src/lib/clock.ts";
import { silentLog } from "../../../../src/lib/log.ts";
import { oomScores } from "../../../../src/runtime/oci/bundle.ts";
import type { Tools } from "../../../../src/runtime/oci/build-tools.ts";
import { isInGroup, oomKills, signal } from "../../../../src/runtime/oci/cgroup.ts";
import { cleanContainer, containerGroup, endContainer, runContainer } from "../../../../src/runtime/oci/container.ts";
import { openContext } from "../../../../src/runtime/oci/context-open.ts";
import type { DriverContext } from "../../../../src/runtime/oci/context.ts";
import type { RunEnd } from "../../../../src/runtime/oci/exits.ts";
import { readEnd } from "../../../../src/runtime/oci/files.ts";
import { needImage } from "../../../../src/runtime/oci/launch.ts";
import { readLog } from "../../../../src/runtime/oci/logs.ts";
import type { ImageStore, InstanceNetwork } from "../../../../src/runtime/oci/parts.ts";
import { type ContainerPaths, containerPaths } from "../../../../src/runtime/oci/record.ts";
import { removeTree } from "../../../../src/runtime/oci/rootfs.ts";
import type { LogOptions, WorkloadKey } from "../../../../src/runtime/workloads.ts";
import { containerOf, containerParts, expand } from "./instance-spec.ts";
import { makeOwnImage } from "./own-image.ts";
import type { RealContainer, RealPod } from "./types.ts";
import { pullSecretsOf, type ValueParts, variablesOf } from "./values.ts";
import { mountsOf, type Volumes, volumesOf } from "./volumes.ts";

/** How a container ended. */
export interface ContainerEnd {
  exitCode: number;
  oomKilled: boolean;
  /** Its termination message, by its policy. */
  message: string;
}

/** One that runs. */
export interface RunningContainer {
  ended: Promise<ContainerEnd>;
  signal(name: NodeJS.Signals): Promise<void>;
}

/** Where the containers of one Pod run, one at a time. */
export interface PodSandbox {
  /** Takes its place on the network; gives its address. */
  open(): Promise<string>;
  /** Makes its volumes. @throws UnresolvedError where what one is made from isn't there */
  mount(): Promise<void>;
  /** The exact image of a container, which is there then. @throws ImageError */
  image(container: RealContainer): Promise<string>;
  /** Starts a container. @throws UnresolvedError, or what says why its program can't be started */
  start(container: RealContainer, image: string): Promise<RunningContainer>;
  /** Lines of a container, by default the one behind the init containers. @throws ApiError where the Pod has none of that name, or it hasn't begun */
  logs(container: string | undefined, options: LogOptions): AsyncIterable<string>;
  /** Gives back what running took; files that were written are gone with it, what was said stays. */
  end(): Promise<void>;
  /** Leaves nothing of it. */
  remove(): Promise<void>;
}

export interface Sandboxes {
  of(pod: RealPod): PodSandbox;
  /** That of a Pod by its name, where it has begun and isn't removed. */
  find(key: WorkloadKey): PodSandbox | undefined;
  /** Nothing runs any more by then. */
  close(): Promise<void>;
}

interface Options {
  dir: string;
  network: InstanceNetwork;
  images: ImageStore;
  clock: Clock;
  values: ValueParts;
  /** The names of Elafros' own images. */
  own: readonly string[];
  /** Registries without TLS, as ports of each Pod's loopback. */
  plain: readonly number[];
}

/** Of a termination message out of a log, as Kubernetes has it. */
const mostLines = 80;
const mostLogBytes = 2048;
const mostMessageBytes = 4096;
/** Where nobody knows how it ended. */
const unknownCode = 255;

export async function openSandboxes(options: Options): Promise<Sandboxes> {
  const { dir, network, images, clock, own, plain } = options;
  const place = { dir: join(dir, "jobs"), runDir: join(dir, "jobs-run") };
  const drain = () => Promise.resolve();
  const opened = await openContext({ ...place, network, images, drain, clock, log: silentLog });
  const { ctx } = opened;
  const ownImage = await makeOwnImage(join(dir, "own"), ctx.upper === "disk" ? "overlay" : "vfs", plain);
  const sandboxes = new Map<string, Sandbox>();
  const idOf = ({ namespace = "", name }: Partial<WorkloadKey>): string => `${namespace}/${name}`;
  return {
    of(pod) {
      const id = idOf(pod.metadata);
      const parts = { ctx, values: options.values, own: { names: own, image: ownImage } };
      const sandbox: Sandbox = new Sandbox(parts, pod, () => {
        if (sandboxes.get(id) === sandbox) sandboxes.delete(id);
      });
      sandboxes.set(id, sandbox);
      return sandbox;
    },
    find: (key) => sandboxes.get(idOf(key)),
    async close() {
      await opened.clear();
      opened.close();
    },
  };
}

interface Parts {
  ctx: DriverContext;
  values: ValueParts;
  own: { names: readonly string[]; image: Tools };
}

class Sandbox implements PodSandbox {
  readonly #parts: Parts;
  readonly #pod: RealPod;
  readonly #removed: () => void;
  /** Names its place on the network and its control group; a host's name. */
  readonly #id: string;
  readonly #paths: ContainerPaths;
  #attempt = 0;
  /** The newest run of each container. */
  readonly #attempts = new Map<string, number>();
  #runs: number | undefined;
  #address = "";
  #volumes: Volumes = new Map();

  constructor(parts: Parts, pod: RealPod, removed: () => void) {
    this.#parts = parts;
    this.#pod = pod;
    this.#removed = removed;
    const { name, uid = "" } = pod.metadata;
    this.#id = `${name.slice(0, 50)}-${uid.slice(0, 8)}`;
    const { memory, disk } = parts.ctx.places;
    this.#paths = containerPaths(join(memory, "p", this.#id), join(disk, this.#id));
  }

  async open(): Promise<string> {
    this.#address = (await this.#parts.ctx.network.attach(this.#id)).address;
    return this.#address;
  }

  async mount(): Promise<void> {
    this.#volumes = await volumesOf(this.#parts.values, this.#pod);
  }

  async image({ image, imagePullPolicy }: RealContainer): Promise<string> {
    const { ctx, values, own } = this.#parts;
    if (own.names.includes(image)) return image;
    const pullSecrets = pullSecretsOf(values, this.#pod);
    const exact = await ctx.images.resolve(image, pullSecrets, imagePullPolicy);
    await needImage(ctx, { image: exact, pullSecrets });
    return exact;
  }

  async start(container: RealContainer, exact: string): Promise<RunningContainer> {
    const { ctx, values, own } = this.#parts;
    const { command, args } = container;
    const variables = variablesOf(values, this.#pod, { container, address: this.#address });
    const expanded = (words: readonly string[]): string[] => words.map((word) => expand(word, variables));
    const mounts = mountsOf(this.#pod, container, this.#volumes);
    const isOwn = own.names.includes(exact);
    const image = isOwn ? own.image.image : await needImage(ctx, { image: exact, pullSecrets: [] });
    const attempt = ++this.#attempt;
    const [id, paths] = [this.#id, this.#paths];
    await mkdir(paths.bundle, { recursive: true, mode: 0o700 });
    const plan = {
      id,
      attempt,
      paths,
      image,
      ...(isOwn ? { mounts: own.image.mounts } : {}),
      spec: {
        ...containerParts(container),
        mounts,
        env: [...variables].map(([name, value]) => ({ name, value })),
        ...(command === undefined ? {} : { command: expanded(command) }),
        ...(args === undefined ? {} : { args: expanded(args) }),
      },
      terminationMessagePath: container.terminationMessagePath,
      pids: ctx.limits.pids,
      oomScore: oomScores.build,
      programs32Bit: true,
    };
    try {
      const run = await runContainer(ctx, plan);
      this.#attempts.set(container.name, attempt);
      this.#runs = attempt;
      return {
        ended: ctx.exits.wait(run.cid, run.monitor).then((end) => this.#ended(container, attempt, end)),
        signal: async (name) => {
          if (await isInGroup(run.pid, containerGroup(ctx, id))) signal(run.pid, name);
        },
      };
    } catch (error) {
      await cleanContainer(ctx, plan);
      throw error;
    }
  }

  async #ended(
    { terminationMessagePolicy }: RealContainer,
    attempt: number,
    { code = unknownCode }: RunEnd,
  ): Promise<ContainerEnd> {
    const { ctx } = this.#parts;
    const [id, paths] = [this.#id, this.#paths];
    const kills = await oomKills(ctx.cgroups, containerGroup(ctx, id));
    const written = (await readEnd(paths.termination, mostMessageBytes)).toString("utf8");
    const fromLog = written === "" && code !== 0 && terminationMessagePolicy === "FallbackToLogsOnError";
    const message = fromLog ? await this.#lastLines(attempt) : written;
    await cleanContainer(ctx, { id, attempt, paths });
    this.#runs = undefined;
    return { exitCode: code, oomKilled: code !== 0 && kills > 0, message };
  }

  async #lastLines(attempt: number): Promise<string> {
    const { signal: never } = new AbortController();
    const tail = { tailLines: mostLines, follow: false, timestamps: false, previous: false, signal: never };
    let text = "";
    for await (const line of readLog(this.#paths.log(attempt), { ...tail, running: () => false })) text += line;
    return Buffer.from(text).subarray(-mostLogBytes).toString("utf8");
  }

  logs(asked: string | undefined, options: LogOptions): AsyncIterable<string> {
    const { metadata, spec } = this.#pod;
    const container = asked ?? containerOf(this.#pod).name;
    const known = [...(spec.initContainers ?? []), ...spec.containers].some(({ name }) => name === container);
    if (!known) throw new ApiError("BadRequest", `container ${container} is not valid for pod ${metadata.name}`);
    const attempt = this.#attempts.get(container);
    if (attempt === undefined) {
      const words = `container "${container}" in pod "${metadata.name}" is waiting to start: PodInitializing`;
      throw new ApiError("BadRequest", words);
    }
    return readLog(this.#paths.log(attempt), { ...options, running: () => this.#runs === attempt });
  }

  async end(): Promise<void> {
    await endContainer(this.#parts.ctx, { id: this.#id, attempt: undefined, paths: this.#paths });
  }

  async remove(): Promise<void> {
    await this.end();
    for (const path of [this.#paths.disk, this.#paths.base]) await removeTree(this.#parts.ctx.launcher, path);
    this.#removed();
  }
}
