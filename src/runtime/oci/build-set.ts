/** All builds of a driver: what is declared, whose turn it is, and who wants to know. */
import type { BuildKey, BuildSpec, BuildsPort, BuildState } from "../builds.ts";
import { cancelledFailure } from "../build-words.ts";
import { adoptBuilds } from "./build-adopt.ts";
import { Build } from "./build.ts";
import type { BuildContext } from "./build-context.ts";
import { BuildFailed } from "./build-end.ts";
import { stepLog } from "./build-logs.ts";
import { type BuildRecord, buildState, newBuild, saveState, storedBuild, type StoredBuild } from "./build-record.ts";
import { removeBuild } from "./build-remove.ts";
import { removeOldCaches, shortOfSpace } from "./build-space.ts";
import { cacheOf } from "./build-steps.ts";
import { createTurns } from "./build-turns.ts";
import type { Run } from "./container.ts";
import { containerId, newInstanceId } from "./record.ts";

/** A build that is known: with a life of its own until it is over. */
interface Entry {
  state: StoredBuild;
  build?: Build;
}

export interface BuildSet extends BuildsPort {
  /** What goes on, and is therefore none of the instances' leftovers. */
  readonly adopted: { ids: ReadonlySet<string>; containers: ReadonlySet<string> };
  /** Lets adopted builds go on, and others begin. */
  open(): void;
  /** Lets go of all builds. */
  close(): Promise<void>;
  /** Ends what runs and puts it back to its beginning, to be declared again. */
  stopAll(): Promise<void>;
}

const checkMs = 1_000;
/** Of those further behind in the queue nobody is told how far: each is told again at each turn. */
const mostCounted = 100;
/** In one check of so many what is kept between builds is looked at. */
const housekeepingEvery = 3_600;
const suspended = "Waits to begin again: what ran of it went with this machine's last start, or with its platform";

/** Finds what there is of builds; nothing begins before `open`. */
export async function createBuildSet(ctx: BuildContext): Promise<BuildSet> {
  const { clock, log } = ctx.driver;
  const entries = new Map<string, Entry>();
  const listeners = new Set<(key: BuildKey) => void>();
  const turns = createTurns<Build>();
  const { running } = turns;
  /** Builds that aren't in `entries` any more and are not gone yet. */
  const going = new Set<Promise<unknown>>();
  let open = false;
  let closed = false;
  const nameOf = (key: BuildKey) => `${key.namespace}/${key.name}`;

  const changed = (key: BuildKey) => {
    for (const listener of listeners) {
      try {
        listener(key);
      } catch (error) {
        log.error({ error, build: nameOf(key) }, "A listener of builds failed");
      }
    }
  };

  /** Lets those begin whose turn it is. */
  const settle = () => {
    if (!open || closed) return;
    for (const next of turns.queue().slice(0, Math.max(0, ctx.limits.builds - running.size))) {
      turns.begin(next);
      next.begin();
    }
    queueMoved();
  };
  /** What those in the queue wait for has changed. */
  const queueMoved = () => {
    for (const { record } of turns.queue().slice(0, mostCounted)) changed(record.key);
  };

  const dequeue = (build: Build) => {
    if (turns.before(build) === undefined) return;
    turns.remove(build);
    queueMoved();
  };

  const add = (record: BuildRecord, run?: Run): Build => {
    const build: Build = new Build(ctx, record, {
      ...(run === undefined ? {} : { run }),
      events: {
        changed: () => changed(record.key),
        over: () => {
          turns.remove(build);
          const entry = entries.get(nameOf(record.key));
          // Without the spec: its secrets aren't kept longer than they are needed.
          if (entry?.build === build) entries.set(nameOf(record.key), { state: storedBuild(record) });
          settle();
        },
      },
    });
    entries.set(nameOf(record.key), { state: record, build });
    if (record.startedAt === undefined) turns.add(build);
    else {
      turns.begin(build);
      build.begin();
    }
    return build;
  };

  const begin = (state: StoredBuild, spec: BuildSpec) => {
    add({ ...state, labels: spec.labels, spec, bootId: ctx.driver.bootId, attempt: 0 }).start();
    settle();
    changed(state.key);
  };

  const forget = (entry: Entry) => {
    const { state, build } = entry;
    entries.delete(nameOf(state.key));
    if (build !== undefined) dequeue(build);
    const gone = (build?.remove() ?? Promise.resolve())
      .then(() => (closed ? undefined : removeBuild(ctx, state)))
      .catch((error: unknown) => log.error({ error, build: state.id }, "Cannot remove a build"))
      .finally(() => {
        going.delete(gone);
        settle();
      });
    going.add(gone);
  };

  const messageOf = ({ state, build }: Entry): string | undefined => {
    if (state.endedAt !== undefined) return undefined;
    if (build === undefined) return suspended;
    const at = turns.before(build);
    if (at === undefined) return build.message;
    if (at >= mostCounted) return `Waiting for more than ${mostCounted} builds before it`;
    const before = Math.max(1, running.size + at - ctx.limits.builds + 1);
    return `Waiting for ${before} ${before === 1 ? "build" : "builds"} before it`;
  };
  const isSuspended = ({ state, build }: Entry) => build === undefined && state.endedAt === undefined;
  const stateOf = (entry: Entry): BuildState => ({
    ...buildState(entry.state, messageOf(entry)),
    ...(isSuspended(entry) ? { phase: "suspended" } : {}),
  });
  const builds = () => [...entries.values()].flatMap(({ build }) => build ?? []);
  const cachesInUse = () => new Set([...running].map(({ record }) => cacheOf(ctx, record)));

  const found = await adoptBuilds(ctx);
  for (const state of found.others) entries.set(nameOf(state.key), { state });
  found.going.sort((a, b) => a.record.createdAt - b.record.createdAt);
  const adopted = {
    ids: new Set(found.going.map(({ record }) => record.id)),
    containers: new Set(found.going.map(({ record }) => containerId(record))),
  };

  let checks = 0;
  const check = async () => {
    checks++;
    if (running.size > 0) {
      const short = await shortOfSpace(ctx, cachesInUse);
      // The youngest goes first: the others may get by with what it leaves.
      if (short !== undefined) [...running].findLast(({ stopping }) => !stopping)?.stop(short);
      await Promise.allSettled([...running].map((build) => build.keepLog()));
    }
    if (checks % housekeepingEvery !== 1 || running.size > 0) return;
    await removeOldCaches(ctx, cachesInUse);
    await ctx.bases.prune();
  };
  const keepChecking = () => {
    clock.after(checkMs, () => {
      if (closed) return;
      void check()
        .catch((error: unknown) => log.error({ error }, "Cannot look after builds"))
        .then(keepChecking);
    });
  };

  return {
    adopted,
    open: () => {
      for (const { record, run } of found.going) add(record, run).start();
      open = true;
      settle();
      keepChecking();
    },

    start: (key, spec) => {
      const entry = entries.get(nameOf(key));
      if (entry !== undefined && entry.state.uid !== spec.uid) forget(entry);
      else if (entry !== undefined) {
        // Its steps by what is declared now: a template may have changed meanwhile.
        if (isSuspended(entry)) begin(newBuild(entry.state.id, { key, spec }, entry.state.createdAt), spec);
        return;
      }
      begin(newBuild(newInstanceId(key.name), { key, spec }, clock.now()), spec);
    },
    cancel: (key) => {
      const entry = entries.get(nameOf(key));
      const why = new BuildFailed(cancelledFailure.reason, cancelledFailure.message);
      if (entry?.build !== undefined) {
        dequeue(entry.build);
        entry.build.stop(why);
      } else if (entry !== undefined && isSuspended(entry)) {
        Object.assign(entry.state, { endedAt: clock.now(), failure: why.failure });
        void saveState(ctx.places, entry.state).catch((error: unknown) =>
          log.error({ error, build: entry.state.id }, "Cannot keep a build's end"),
        );
        changed(key);
      }
    },
    remove: (key) => {
      const entry = entries.get(nameOf(key));
      if (entry === undefined) return;
      forget(entry);
      changed(key);
    },
    get: (key) => {
      const entry = entries.get(nameOf(key));
      return entry === undefined ? undefined : stateOf(entry);
    },
    list: () => [...entries.values()].map(stateOf),
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    logs: (key, step, options) => {
      const build = entries.get(nameOf(key))?.state;
      if (build === undefined) throw new Error(`Cannot read logs: there is no build "${nameOf(key)}"`);
      const index = build.steps.findIndex(({ name }) => name === step);
      if (index < 0) throw new Error(`Cannot read logs: build "${nameOf(key)}" has no step "${step}"`);
      const subscribe = (listener: () => void) => {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      };
      const now = () => {
        const state = entries.get(nameOf(key))?.state;
        return state?.uid === build.uid ? state : undefined;
      };
      return stepLog(ctx, { build: now, index, subscribe }, options);
    },

    close: async () => {
      closed = true;
      await Promise.all(builds().map((build) => build.leave()));
      await Promise.all(going);
    },
    stopAll: async () => {
      closed = true;
      const all = builds();
      for (const build of all) build.stop("suspend");
      await Promise.all([...all.map((build) => build.ended()), ...going]);
    },
  };
}
