/**
 * The autoscaler: keeps what gateways report of each Revision's load, decides with each report how many instances it should have, and tells
 * the workloads port at once. Between a request that waits and `scale` stands nothing else: no write to the API, no file. The Revision
 * controller says what an instance is made from, and shows in the status what was decided.
 *
 * It has nothing to remember over a restart. Until reports reach back over a stable window, no instance is taken away; the same after a time
 * without any report, when gateways were away. A request that waits is served at any time.
 */
import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { InstanceSpec, Standby, WorkloadKey, WorkloadsPort } from "../runtime/workloads.ts";
import { type Decision, decide, freshMemory, type ScaleMemory } from "./decide.ts";
import { explain, gist } from "./explain.ts";
import { LoadWindow } from "./load-window.ts";
import type { ScaleInput, ScalingPort, ScalingStep } from "./port.ts";
import { type ScaleSpec, scaleSpec } from "./spec.ts";

/** What one gateway saw in the time before now: Revisions without any request are left out. */
interface LoadReport {
  /** How long the time was, milliseconds. */
  ms: number;
  /** `namespace/name`, requests in flight and waiting on average, requests that came, requests that wait now. */
  revisions: readonly (readonly [revision: string, concurrency: number, requests: number, waiting: number])[];
}

export interface Autoscaler extends ScalingPort {
  /** A gateway reports; each does so every second. */
  report(report: LoadReport): void;
}

export interface AutoscalerOptions {
  workloads: Pick<WorkloadsPort, "get" | "scale" | "remove">;
  clock: Clock;
  log: Log;
  /** The most instances of a Revision that sets no max-scale. */
  mostInstances: number;
}

/** Without a report for so long, the load isn't known. */
const blindMs = 3_500;
/** An instance that is started for a request may take so long, whoever still waits. */
const wakePatienceMs = 120_000;
const keptSteps = 10;
/** Revisions that are looked at in one turn of the loop: about half a millisecond. */
const settledAtOnce = 64;
/** Of Revisions that nobody has declared yet. */
const keptDemands = 10_000;

interface Entry {
  readonly revision: string;
  input: ScaleInput;
  scale: ScaleSpec;
  /** What instances are made from; undefined while nothing can run. */
  spec: InstanceSpec | undefined;
  /** Nothing more may be started. */
  holds: boolean;
  count: number;
  memory: ScaleMemory;
  /** While there is or should be an instance. */
  load: LoadWindow | undefined;
  /** An instance at least until then. */
  wokenUntil: number;
  /** None was ready since it was woken. */
  waking: boolean;
  /** The initial scale isn't reached. */
  beginning: boolean;
  steps: ScalingStep[];
  /** What the workloads port was told last. */
  told: { spec: InstanceSpec; count: number; standby: Standby } | undefined;
}

/** Creates it; it knows no Revision yet. */
export function createAutoscaler({ workloads, clock, log, mostInstances }: AutoscalerOptions): Autoscaler {
  const entries = new Map<string, Entry>();
  const listeners = new Set<(revision: string) => void>();
  const demands = new Set<string>();
  const removed = new Set<string>();
  /** Since when reports come without a gap, and when the last one came. */
  let sight: { since: number; last: number } | undefined;

  const readyOf = (revision: string) =>
    workloads.get(keyOf(revision))?.instances.filter(({ phase }) => phase === "ready").length ?? 0;
  const isBlind = (now: number) => sight === undefined || now - sight.last > blindMs;

  const consider = (entry: Entry, now: number): Decision => {
    const ready = readyOf(entry.revision);
    const { scale, load, memory } = entry;
    const upTo = sight?.last ?? now;
    const averages = {
      stable: load?.average(upTo, scale.windowMs) ?? 0,
      panic: load?.average(upTo, scale.panicWindowMs) ?? 0,
    };
    const stats = {
      wasReady: entry.input.wasReady,
      routed: entry.input.routed,
      ready,
      current: entry.count,
      load: isBlind(now) ? undefined : averages,
      woken: now < entry.wokenUntil,
      beginning: entry.beginning,
      held: sight === undefined || now < sight.since + scale.windowMs,
      memory,
    };
    return decide(stats, scale, now);
  };

  const settle = (entry: Entry, now: number): void => {
    const ready = readyOf(entry.revision);
    if (entry.waking && ready > 0) wake(entry, now, entry.scale.windowMs);
    if (ready >= entry.scale.initialScale) entry.beginning = false;
    const decision = consider(entry, now);
    entry.memory = decision.memory;
    const count = entry.holds ? Math.min(entry.count, decision.count) : decision.count;
    const before = entry.count;
    entry.count = count;
    if (count === 0 && !isAwake(entry, now)) entry.load = undefined;
    else entry.load ??= new LoadWindow(entry.scale.windowMs, now);
    // Said before it is written down: a request may wait for it.
    tell(entry);
    if (count === before) return;
    note(entry, decision, { now, count, before });
    for (const listener of listeners) listener(entry.revision);
  };

  const note = (
    entry: Entry,
    decision: Decision,
    { now, count, before }: Record<"now" | "count" | "before", number>,
  ): void => {
    // A new Revision's first instances are no news.
    if (decision.rule === "initial-scale" && before === 0) return;
    const step: ScalingStep = {
      at: Math.max(now, (entry.steps.at(-1)?.at ?? 0) + 1),
      from: before,
      to: count,
      why: explain(decision),
      gist: gist(decision),
      limited: decision.rule === "max-scale" && count > before,
    };
    entry.steps = [...entry.steps, step].slice(-keptSteps);
    log.info({ revision: entry.revision, from: step.from, to: step.to, rule: decision.rule, why: step.why }, "Scaling");
  };

  /** Only what the port wasn't told already: a spec may hold megabytes of files to compare, and each word is answered with a change. */
  const tell = (entry: Entry): void => {
    const { spec, count, told } = entry;
    if (spec === undefined) return;
    const standby = standbyOf(entry.input);
    const same = told !== undefined && told.count === count && told.standby === standby;
    if (same && (told.spec === spec || isDeepStrictEqual(told.spec, spec))) {
      // Compared once, and not each second.
      told.spec = spec;
      return;
    }
    entry.told = { spec, count, standby };
    // A Revision that never ran here and shall not run is nothing to the port.
    const key = keyOf(entry.revision);
    if (count > 0 || workloads.get(key) !== undefined) workloads.scale(key, spec, count, standby);
  };

  const wake = (entry: Entry, now: number, ms: number): void => {
    entry.waking = readyOf(entry.revision) === 0;
    entry.wokenUntil = now + (entry.waking ? Math.max(ms, wakePatienceMs) : ms);
  };

  /** What is left to look at, while that is under way. */
  let looking: Iterator<Entry> | undefined;

  /** Settles what may change with time alone: a part in each turn of the loop, since there may be thousands. */
  const look = (left: Iterator<Entry>): void => {
    const now = clock.now();
    for (let settled = 0; settled < settledAtOnce;) {
      const next = left.next();
      if (next.done === true) {
        looking = undefined;
        return;
      }
      if (!isAwake(next.value, now)) continue;
      settle(next.value, now);
      settled += 1;
    }
    setImmediate(() => look(left));
  };

  const newEntry = (revision: string, input: ScaleInput): Entry => ({
    revision,
    input,
    scale: scaleSpec(input.settings, input.concurrency, mostInstances),
    spec: undefined,
    holds: false,
    // What an earlier run of control has started goes on.
    count: workloads.get(keyOf(revision))?.desired ?? 0,
    memory: freshMemory,
    load: undefined,
    wokenUntil: 0,
    waking: false,
    beginning: !input.wasReady,
    steps: [],
    told: undefined,
  });

  /** Takes in what the controller says now. */
  const update = (entry: Entry, input: ScaleInput, now: number): void => {
    const { scale, input: before } = entry;
    entry.input = input;
    entry.scale = scaleSpec(input.settings, input.concurrency, mostInstances);
    if (scale.metric !== entry.scale.metric || scale.windowMs !== entry.scale.windowMs) {
      entry.load = undefined;
      entry.memory = freshMemory;
    }
    const isNew = input.wasReady && !before.wasReady;
    const isRouted = input.routed && !before.routed;
    // Its first request is about to come.
    if (input.wasReady && input.routed && (isNew || isRouted)) wake(entry, now, entry.scale.windowMs);
  };

  return {
    decide(revision, input) {
      const known = entries.get(revision);
      const entry = known === undefined ? newEntry(revision, input) : { ...known };
      const now = clock.now();
      if (known !== undefined) update(entry, input, now);
      return consider(entry, now).count;
    },
    declare(revision, input, spec) {
      const now = clock.now();
      removed.delete(revision);
      let entry = entries.get(revision);
      if (entry === undefined) {
        entry = newEntry(revision, input);
        entries.set(revision, entry);
      } else update(entry, input, now);
      entry.spec = spec;
      entry.holds = false;
      if (demands.delete(revision)) wake(entry, now, entry.scale.windowMs);
      settle(entry, now);
      // An old Revision that no Route leads to is told to go to none once, and its spec is kept no longer.
      if (input.wasReady && !input.routed) entry.spec = undefined;
    },
    hold(revision) {
      const entry = entries.get(revision);
      if (entry !== undefined) entry.holds = true;
    },
    remove(revision) {
      entries.delete(revision);
      const isThere = workloads.get(keyOf(revision)) !== undefined;
      if (!isThere || removed.has(revision)) {
        if (!isThere) removed.delete(revision);
        return;
      }
      removed.add(revision);
      workloads.remove(keyOf(revision));
    },
    steps: (revision) => entries.get(revision)?.steps ?? [],
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    report({ ms, revisions }) {
      const now = clock.now();
      if (sight === undefined || isBlind(now)) {
        sight = { since: now, last: now };
        for (const entry of entries.values()) if (entry.load !== undefined) entry.load = undefined;
      } else sight.last = now;
      for (const [revision, concurrency, requests, waiting] of revisions) {
        const entry = entries.get(revision);
        if (entry === undefined) continue;
        entry.load ??= new LoadWindow(entry.scale.windowMs, now - ms);
        const value = entry.scale.metric === "rps" ? (requests * 1000) / Math.max(1, ms) : concurrency;
        entry.load.record(now - ms, now, value);
        if (waiting > 0 && entry.count === 0) wake(entry, now, entry.scale.windowMs);
      }
      if (looking !== undefined) return;
      looking = entries.values();
      look(looking);
    },
    wake(revision) {
      const now = clock.now();
      const entry = entries.get(revision);
      if (entry === undefined) {
        if (demands.size < keptDemands) demands.add(revision);
        return;
      }
      wake(entry, now, entry.scale.windowMs);
      settle(entry, now);
    },
  };
}

/** What is to stand by at zero: nothing of a Revision that no Route leads to. */
function standbyOf({ routed, wasReady, settings }: ScaleInput): Standby {
  if (!routed || !wasReady) return "none";
  return settings.idle === "freeze" ? "frozen" : "prepared";
}

/** Whether something may change with time alone. */
function isAwake(entry: Entry, now: number): boolean {
  return entry.count > 0 || now < entry.wokenUntil || (entry.input.routed && entry.scale.minScale > 0);
}

function keyOf(revision: string): WorkloadKey {
  const slash = revision.indexOf("/");
  return { namespace: revision.slice(0, slash), name: revision.slice(slash + 1) };
}
