/** What stands behind the workloads and images ports, played: level-triggered like the real ones, and told by the test how it goes. */
import type { Clock } from "../../src/lib/clock.ts";
import { ImageError, type ImagesPort } from "../../src/runtime/images.ts";
import type {
  Drain,
  InstanceSpec,
  InstanceState,
  Standby,
  WorkloadKey,
  WorkloadProblem,
  WorkloadState,
  WorkloadsPort,
} from "../../src/runtime/workloads.ts";

export interface PlayedWorkloads extends WorkloadsPort {
  drain: Drain;
  /** Whether new instances become ready by themselves. Default true. */
  startsByItself: boolean;
  /** Makes the workload's instances ready. */
  becomeReady(name: string): void;
  /** Lets every start fail in this way. */
  fail(name: string, problem: Omit<WorkloadProblem, "at">): void;
  /** The spec that was asked for last. */
  specOf(name: string): InstanceSpec | undefined;
  /** What was to stand by at zero, as it was asked for last. */
  standbyOf(name: string): Standby | undefined;
  /** How many instances there are, draining ones too. */
  count(name: string): number;
  /** Instances that were stopped, in order. */
  readonly stopped: readonly string[];
}

export function playWorkloads(clock: Clock): PlayedWorkloads {
  const states = new Map<string, { spec: InstanceSpec; state: WorkloadState; removed: boolean; standby: Standby }>();
  const listeners = new Set<(key: WorkloadKey) => void>();
  const stopped: string[] = [];
  let made = 0;
  const id = ({ namespace, name }: WorkloadKey) => `${namespace}/${name}`;
  const tell = (key: WorkloadKey) => {
    for (const listener of listeners) listener(key);
  };
  const find = (name: string) => states.get(`default/${name}`);

  const stopOne = (state: WorkloadState, instance: InstanceState) => {
    instance.phase = "draining";
    void workloads.drain(state.key, instance.id).then(() => {
      state.instances = state.instances.filter((other) => other !== instance);
      stopped.push(instance.id);
      if (states.get(id(state.key))?.removed === true && state.instances.length === 0) states.delete(id(state.key));
      tell(state.key);
    });
  };
  const startOne = (state: WorkloadState) => {
    made += 1;
    state.instances.push({
      id: `${state.key.name}-${made}`,
      phase: "starting",
      image: "localhost/app@sha256:0",
      labels: {},
      address: { host: `10.0.0.${made % 250}`, port: 8080 },
      createdAt: clock.now(),
      restarts: 0,
    });
    if (workloads.startsByItself) setImmediate(() => workloads.becomeReady(state.key.name));
  };

  const workloads: PlayedWorkloads = {
    drain: () => Promise.resolve(),
    startsByItself: true,
    scale(key, spec, count, standby = "none") {
      const entry = states.get(id(key)) ?? { spec, state: { key, desired: 0, instances: [] }, removed: false, standby };
      states.set(id(key), entry);
      entry.spec = spec;
      entry.removed = false;
      entry.standby = standby;
      if (entry.state.desired === 0 && count > 0) delete entry.state.problem;
      entry.state.desired = count;
      const running = entry.state.instances.filter(({ phase }) => phase !== "draining");
      for (const extra of running.slice(count)) stopOne(entry.state, extra);
      for (let missing = running.length; missing < count; missing += 1) startOne(entry.state);
      // At once, also when nothing changed by it, as the real driver does.
      tell(key);
    },
    remove(key) {
      const entry = states.get(id(key));
      if (entry === undefined) return;
      entry.state.desired = 0;
      entry.removed = true;
      for (const one of entry.state.instances) if (one.phase !== "draining") stopOne(entry.state, one);
      if (entry.state.instances.length === 0) states.delete(id(key));
      // At once, also when nothing changed by it, as the real driver does.
      tell(key);
    },
    get: (key) => {
      const state = states.get(id(key))?.state;
      return state === undefined ? undefined : structuredClone(state);
    },
    list: () => [...states.values()].map(({ state }) => structuredClone(state)),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    logs: () => {
      throw new Error("Cannot read logs: none are played");
    },
    becomeReady(name) {
      const entry = find(name);
      if (entry === undefined) return;
      for (const one of entry.state.instances)
        if (one.phase === "starting" || one.phase === "waiting") one.phase = "ready";
      delete entry.state.problem;
      tell(entry.state.key);
    },
    fail(name, problem) {
      const entry = find(name);
      if (entry === undefined) return;
      for (const one of entry.state.instances) one.phase = "waiting";
      entry.state.problem = { ...problem, at: clock.now() };
      tell(entry.state.key);
    },
    specOf: (name) => find(name)?.spec,
    standbyOf: (name) => find(name)?.standby,
    count: (name) => find(name)?.state.instances.length ?? 0,
    stopped,
  };
  return workloads;
}

export interface PlayedImages extends ImagesPort {
  /** What the registry says; undefined: it has every image. */
  refuses: string | undefined;
  /** How often a tag was resolved. */
  resolved: number;
  /** The digest that tags have now, hexadecimal. */
  digest: string;
}

export function playImages(): PlayedImages {
  const images: PlayedImages = {
    refuses: undefined,
    resolved: 0,
    digest: "a".repeat(64),
    resolve(reference) {
      images.resolved += 1;
      if (images.refuses !== undefined) return Promise.reject(new ImageError(images.refuses));
      return Promise.resolve(`${reference.split(":")[0] ?? ""}@sha256:${images.digest}`);
    },
    pull: () => Promise.resolve(),
  };
  return images;
}
