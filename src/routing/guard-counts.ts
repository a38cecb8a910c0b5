/**
 * What guards ask of the Revisions of their Routes: how many requests ended lately, and how. Gateways report each second over all their threads;
 * this adds the gateways up. In memory: after a restart of control it begins anew.
 */
import type { Clock } from "../lib/clock.ts";
import type { Outcome } from "./link.ts";
import type { GuardCount, OutcomesPort } from "./traffic.ts";

interface Second extends GuardCount {
  at: number;
}

interface Series {
  /** Oldest first. */
  seconds: Second[];
  /** Older seconds are forgotten, milliseconds. */
  keepMs: number;
}

/** Beyond what was asked for last, which may be asked for again a little later. */
const spareMs = 60_000;

export interface GuardCounts extends OutcomesPort {
  /** A gateway says what became of requests. */
  add(outcomes: readonly Outcome[]): void;
}

export function createGuardCounts(clock: Clock): GuardCounts {
  const series = new Map<string, Series>();
  const listeners = new Set<(route: string) => void>();
  const forget = (one: Series, now: number): void => {
    const old = one.seconds.findIndex(({ at }) => at > now - one.keepMs);
    one.seconds.splice(0, old < 0 ? one.seconds.length : old);
  };

  return {
    add(outcomes) {
      const now = clock.now();
      const routes = new Set<string>();
      for (const { route, revision, guard } of outcomes) {
        if (guard === undefined) continue;
        const key = keyOf(route, revision);
        let one = series.get(key);
        if (one === undefined) series.set(key, (one = { seconds: [], keepMs: spareMs }));
        const [requests, errors, slow] = guard;
        const last = one.seconds.at(-1);
        if (last?.at === now) {
          last.requests += requests;
          last.errors += errors;
          last.slow += slow;
        } else one.seconds.push({ at: now, requests, errors, slow });
        routes.add(route);
      }
      if (routes.size === 0) return;
      for (const [key, one] of series) {
        forget(one, now);
        if (one.seconds.length === 0) series.delete(key);
      }
      for (const route of routes) for (const listener of listeners) listener(route);
    },
    since(route, revision, at) {
      const sum: GuardCount = { requests: 0, errors: 0, slow: 0 };
      const one = series.get(keyOf(route, revision));
      if (one === undefined) return sum;
      one.keepMs = clock.now() - at + spareMs;
      for (const second of one.seconds) {
        if (second.at <= at) continue;
        sum.requests += second.requests;
        sum.errors += second.errors;
        sum.slow += second.slow;
      }
      return sum;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function keyOf(route: string, revision: string): string {
  return `${route} ${revision}`;
}
