/**
 * How many instances a Revision should have, by what its gateways saw: Knative's algorithm (KPA) with its stable and its panic window,
 * then the bounds that the Revision and the platform set. Pure: what must be remembered from one decision to the next goes in and out as
 * `ScaleMemory`, and each decision carries the figures and the rule that it follows from, for the question "why 3?" (explain.ts).
 *
 * Load is requests at once (or a second), in flight and waiting, averaged over a window. The stable window (60 s) decides; when the short
 * panic window (6 s) asks for at least twice of what is ready, panic begins: the larger of both counts, and none is taken away until a
 * stable window after the last such moment.
 */
import type { ScaleSpec } from "./spec.ts";

/** What is remembered between decisions. */
export interface ScaleMemory {
  /** The last moment at which the panic window asked for so much; absent outside of panic. */
  readonly panicAt?: number;
  /** The most that was wanted in this panic. */
  readonly panicMost: number;
  /** Since when nothing is wanted; absent while something is. */
  readonly zeroSince?: number;
  /** With a scale-down delay: what was wanted in that time, each entry less than the one before it. */
  readonly recent: readonly { readonly at: number; readonly count: number }[];
}

export const freshMemory: ScaleMemory = { panicMost: 0, recent: [] };

export interface ScaleStats {
  /** Whether an instance was ever ready. */
  readonly wasReady: boolean;
  /** Whether a Route leads to it, with 0 percent too, or is about to. */
  readonly routed: boolean;
  /** How many instances are ready. */
  readonly ready: number;
  /** How many were wanted last. */
  readonly current: number;
  /** Averages over the stable and the panic window; undefined while no gateway tells. */
  readonly load: { readonly stable: number; readonly panic: number } | undefined;
  /** Requests wait or waited a moment ago: at least one instance. */
  readonly woken: boolean;
  /** The initial scale isn't reached yet. */
  readonly beginning: boolean;
  /** What was seen doesn't reach back over a stable window: none is taken away. */
  readonly held: boolean;
  readonly memory: ScaleMemory;
}

/** What a decision follows from: the last rule that changed the number, else the load's. */
export type ScaleRule =
  | "initial-scale"
  | "unrouted"
  | "unseen"
  | "load"
  | "panic"
  | "scale-up-rate"
  | "scale-down-rate"
  | "panic-keeps"
  | "scale-down-delay"
  | "woken"
  | "min-scale"
  | "held"
  | "retention"
  | "max-scale";

export interface Decision {
  readonly count: number;
  readonly rule: ScaleRule;
  /** What the load alone asks for, by the stable and by the panic window. */
  readonly wanted: { readonly stable: number; readonly panic: number };
  readonly stats: ScaleStats;
  readonly spec: ScaleSpec;
  readonly memory: ScaleMemory;
}

/** Decides. `now` in milliseconds. */
export function decide(stats: ScaleStats, spec: ScaleSpec, now: number): Decision {
  const none = { stable: 0, panic: 0 };
  if (!stats.wasReady) {
    const count = Math.min(spec.initialScale, spec.maxScale);
    return { count, rule: "initial-scale", wanted: none, stats, spec, memory: freshMemory };
  }
  if (!stats.routed) return { count: 0, rule: "unrouted", wanted: none, stats, spec, memory: freshMemory };
  if (stats.load === undefined) {
    const { count, rule } = bounded({ count: stats.current, rule: "unseen" }, stats, spec);
    return { count, rule, wanted: none, stats, spec, memory: stats.memory };
  }

  const base = Math.max(1, stats.ready);
  const wanted = {
    stable: needed(stats.load.stable, spec.perInstance),
    panic: needed(stats.load.panic, spec.perInstance),
  };
  const panics = panicOf(stats.memory, {
    over: wanted.panic / base >= spec.panicThreshold,
    now,
    windowMs: spec.windowMs,
  });
  let choice = byLoad(wanted, base, { spec, panics: panics.panicAt !== undefined });
  let { panicMost } = panics;
  if (panics.panicAt !== undefined) {
    panicMost = Math.max(panicMost, choice.count);
    choice = raise(choice, panicMost, "panic-keeps");
  }
  const recent = remember(stats.memory.recent, { at: now, count: choice.count }, spec.scaleDownDelayMs);
  choice = raise(choice, recent[0]?.count ?? 0, "scale-down-delay");
  choice = bounded(choice, stats, spec);

  let zeroSince: number | undefined;
  if (choice.count === 0) {
    zeroSince = stats.memory.zeroSince ?? now;
    if (stats.current > 0 && now - zeroSince < spec.retentionMs) choice = raise(choice, 1, "retention");
  }
  const memory: ScaleMemory = {
    panicMost,
    recent,
    ...(panics.panicAt === undefined ? {} : { panicAt: panics.panicAt }),
    ...(zeroSince === undefined ? {} : { zeroSince }),
  };
  return { ...choice, wanted, stats, spec, memory };
}

interface Choice {
  readonly count: number;
  readonly rule: ScaleRule;
}

function raise(choice: Choice, least: number, rule: ScaleRule): Choice {
  return choice.count < least ? { count: least, rule } : choice;
}

/** Instances that the load needs; a hair more than a whole number, from rounding, is that number. */
function needed(load: number, perInstance: number): number {
  return Math.max(0, Math.ceil(load / perInstance - 1e-9));
}

/** What the load asks for, within what may be changed at once. */
function byLoad(
  wanted: { stable: number; panic: number },
  base: number,
  { spec, panics }: { spec: ScaleSpec; panics: boolean },
): Choice {
  const most = Math.ceil(spec.maxScaleUpRate * base);
  const least = Math.floor(base / spec.maxScaleDownRate);
  const byPanic = panics && wanted.panic > wanted.stable;
  const want = byPanic ? wanted.panic : wanted.stable;
  if (want > most) return { count: most, rule: "scale-up-rate" };
  if (want < least) return { count: least, rule: "scale-down-rate" };
  return { count: want, rule: byPanic ? "panic" : "load" };
}

/** Begins, extends or ends the panic. */
function panicOf(
  { panicAt, panicMost }: ScaleMemory,
  { over, now, windowMs }: { over: boolean; now: number; windowMs: number },
): { panicAt?: number; panicMost: number } {
  if (over) return { panicAt: now, panicMost };
  if (panicAt === undefined || panicAt + windowMs < now) return { panicMost: 0 };
  return { panicAt, panicMost };
}

/** Adds what is wanted now and forgets what is older than the delay, or less than what came later. */
function remember(
  recent: ScaleMemory["recent"],
  entry: { at: number; count: number },
  delayMs: number,
): ScaleMemory["recent"] {
  if (delayMs === 0) return [];
  const alive = recent.filter(({ at, count }) => at > entry.at - delayMs && count > entry.count);
  return [...alive, entry];
}

/** The bounds that hold whatever the load. */
function bounded(choice: Choice, stats: ScaleStats, spec: ScaleSpec): Choice {
  let next = choice;
  if (stats.woken) next = raise(next, 1, "woken");
  if (stats.beginning) next = raise(next, spec.initialScale, "initial-scale");
  next = raise(next, spec.minScale, "min-scale");
  if (stats.held) next = raise(next, stats.current, "held");
  return next.count > spec.maxScale ? { count: spec.maxScale, rule: "max-scale" } : next;
}
