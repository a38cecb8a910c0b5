/** What stands behind the builds port, played: level-triggered like the real one, and told by the test how each build goes. */
import type { Clock } from "../../src/lib/clock.ts";
import type {
  BuildFailure,
  BuildKey,
  BuildSpec,
  BuildState,
  BuildsPort,
  SourceFound,
} from "../../src/runtime/builds.ts";

export interface PlayedBuilds extends BuildsPort {
  /** Whether builds succeed by themselves. Default true. */
  endsByItself: boolean;
  /** The spec that was started last under this name. */
  specOf(name: string): BuildSpec | undefined;
  /** Lets it wait. */
  queue(name: string, message: string): void;
  /** Lets it run, its first steps done and the next one running. */
  run(name: string, done?: number): void;
  succeed(name: string, digest?: string, source?: SourceFound): void;
  fail(name: string, failure: BuildFailure): void;
  /** Forgets it, as a machine that lost its disk does. */
  lose(name: string): void;
  /** Uids of builds that were started, each once for every time that it really began. */
  readonly began: readonly string[];
  readonly cancelled: readonly string[];
  readonly removed: readonly string[];
}

export function playBuilds(clock: Clock): PlayedBuilds {
  const entries = new Map<string, { spec: BuildSpec; state: BuildState }>();
  const listeners = new Set<(key: BuildKey) => void>();
  const began: string[] = [];
  const cancelled: string[] = [];
  const removed: string[] = [];
  const id = ({ namespace, name }: BuildKey) => `${namespace}/${name}`;
  const tell = (key: BuildKey) => {
    for (const listener of listeners) listener(key);
  };
  const change = (name: string, how: (state: BuildState) => void) => {
    const entry = [...entries.values()].find(({ state }) => state.key.name === name);
    if (entry === undefined) throw new Error(`There is no build "${name}"`);
    how(entry.state);
    tell(entry.state.key);
  };
  const isOver = ({ phase }: BuildState) => phase === "succeeded" || phase === "failed";
  const advance = (state: BuildState, done: number, running: boolean) => {
    state.startedAt ??= clock.now();
    state.steps.forEach((step, position) => {
      if (position < done)
        Object.assign(step, { phase: "ended", exitCode: 0, startedAt: clock.now(), endedAt: clock.now() });
      else if (position === done && running) Object.assign(step, { phase: "running", startedAt: clock.now() });
    });
  };

  const builds: PlayedBuilds = {
    endsByItself: true,
    start(key, spec) {
      if (entries.get(id(key))?.spec.uid === spec.uid) return;
      const names = [...(spec.source === undefined ? [] : ["source"]), ...spec.steps.map(({ name }) => name)];
      const state: BuildState = {
        key,
        uid: spec.uid,
        phase: "queued",
        createdAt: clock.now(),
        steps: names.map((name) => ({ name, phase: "waiting" })),
        labels: spec.labels,
      };
      entries.set(id(key), { spec, state });
      began.push(spec.uid);
      tell(key);
      if (builds.endsByItself) setImmediate(() => entries.get(id(key))?.state === state && builds.succeed(key.name));
    },
    cancel(key) {
      const entry = entries.get(id(key));
      if (entry === undefined || isOver(entry.state)) return;
      cancelled.push(key.name);
      builds.fail(key.name, { reason: "BuildCancelled", message: "It was cancelled" });
    },
    remove(key) {
      if (!entries.delete(id(key))) return;
      removed.push(key.name);
      tell(key);
    },
    get: (key) => structuredClone(entries.get(id(key))?.state),
    list: () => [...entries.values()].map(({ state }) => structuredClone(state)),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    logs: () => {
      throw new Error("Cannot read logs: none are played");
    },
    specOf: (name) => [...entries.values()].find(({ state }) => state.key.name === name)?.spec,
    queue: (name, message) => change(name, (state) => Object.assign(state, { phase: "queued", message })),
    run: (name, done = 0) =>
      change(name, (state) => {
        delete state.message;
        state.phase = "running";
        advance(state, done, true);
      }),
    succeed: (name, digest = "b".repeat(64), source) =>
      change(name, (state) => {
        advance(state, state.steps.length, false);
        const image = entries.get(id(state.key))?.spec.image ?? "unnamed";
        Object.assign(state, {
          phase: "succeeded",
          endedAt: clock.now(),
          imageDigest: `${image.replace(/:[^:/]*$/, "")}@sha256:${digest}`,
          ...(source === undefined ? {} : { source }),
        });
      }),
    fail: (name, failure) =>
      change(name, (state) => Object.assign(state, { phase: "failed", endedAt: clock.now(), failure })),
    lose(name) {
      for (const [key, { state }] of entries) if (state.key.name === name) entries.delete(key);
    },
    began,
    cancelled,
    removed,
  };
  return builds;
}
