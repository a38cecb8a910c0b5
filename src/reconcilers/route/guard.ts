/**
 * The guard of a Route: which new Revisions it watches, and when it takes their traffic back. Pure.
 *
 * A Revision is watched from its first share or match on, as long as it shares traffic with an older one and for one window after. The watch says where its traffic
 * goes back to; that Revision is held meanwhile. When it trips, that is written into the status first, and only what the status says moves traffic: so it
 * trips once, whenever control ends. It holds for the Route's generation, so that each change of the spec tries anew, and until no target leads to
 * that Revision any more.
 */
import { parseDuration } from "../../api/meta/duration.ts";
import { defaultGuardWindow, guardMinRequests, type GuardRule, type Watch } from "../../api/route-guard.ts";
import type { Route, ServedTarget } from "../../api/route.ts";
import type { GuardCount } from "../../routing/traffic.ts";
import type { ResolvedTarget, RouteNeighbours } from "./resolve.ts";
import type { SplitDecision } from "./split.ts";

/** 95 of 100 requests may be no slower than the limit: 5 may. */
const slowPercent = 5;

/** Watches of the status that hold: whose traffic was taken back in this generation of the spec. */
function trippedIn({ spec, status, metadata }: Route): Watch[] {
  if (spec.rollout.guard === undefined) return [];
  return (status?.guard ?? []).filter(
    ({ trippedAt, generation }) => trippedAt !== undefined && generation === (metadata.generation ?? 1),
  );
}

/** The targets, with the Revisions that traffic goes back to in place of those that did badly. */
export function takeBack(targets: readonly ResolvedTarget[], route: Route, seen: RouteNeighbours): ResolvedTarget[] {
  const tripped = trippedIn(route);
  return targets.map((target) => {
    const { revision } = target;
    const from = revision === undefined ? undefined : beforeTripped(revision, tripped);
    if (revision === undefined || from === revision || from === undefined) return target;
    return seen.revisions.get(from)?.wasReady === true ? { ...target, revision: from, takenFrom: revision } : target;
  });
}

/** Where a Revision's traffic goes: to itself, or back as often as it must. */
function beforeTripped(revision: string, tripped: readonly Watch[]): string | undefined {
  let at = revision;
  for (const _ of tripped) at = tripped.find(({ to }) => to === at)?.from ?? at;
  return tripped.some(({ to }) => to === at) ? undefined : at;
}

export interface GuardInput {
  route: Route;
  decision: SplitDecision;
  /** What is served now. */
  current: readonly ServedTarget[];
  seen: RouteNeighbours;
  /** Every gateway has confirmed the decided split. */
  confirmed: boolean;
  /** Requests that ended at the Revision after `at`. */
  counted: (revision: string, at: number) => GuardCount;
}

export interface Guarded {
  watches: Watch[];
  /** Why traffic was taken back, where it was. */
  tripped?: string;
  /** Milliseconds until a watch is over. */
  nextMs?: number;
}

/** What the guard watches from now on. */
export function planGuard(input: GuardInput, now: number): Guarded {
  const { route, decision } = input;
  const rule = route.spec.rollout.guard;
  if (rule === undefined) return { watches: [] };
  const windowMs = parseDuration(rule.window ?? defaultGuardWindow) ?? 60_000;
  const tripped = trippedIn(route).filter(({ to }) => decision.leadsTo.includes(to));
  const running = (route.status?.guard ?? []).flatMap((watch) => goOn(watch, input, { windowMs, now }));
  const judged = [...running, ...newWatches(input, [...tripped, ...running], now)].map((watch) =>
    judge(watch, input, { rule, windowMs, now }),
  );
  const watches = [...tripped, ...judged];
  const ends = judged.flatMap(({ settledAt, trippedAt }) =>
    settledAt === undefined || trippedAt !== undefined ? [] : [Date.parse(settledAt) + windowMs - now],
  );
  const message = watches.find(({ trippedAt }) => trippedAt !== undefined)?.message;
  return {
    watches,
    ...(message === undefined ? {} : { tripped: message }),
    ...(ends.length === 0 ? {} : { nextMs: Math.max(1, Math.min(...ends)) }),
  };
}

/**
 * A watch, unless it is over: its Revision has no share any more, or has had all of it for a window. One that tripped for an earlier generation begins
 * anew: its Revision may still serve, because the spec changed before the traffic was back.
 */
function goOn(watch: Watch, input: GuardInput, { windowMs, now }: { windowMs: number; now: number }): Watch[] {
  const { decision, seen, confirmed, route } = input;
  const generation = route.metadata.generation ?? 1;
  if (watch.trippedAt !== undefined && watch.generation === generation) return [];
  if (!watched(decision).includes(watch.to) || seen.revisions.get(watch.from)?.wasReady !== true) return [];
  const { to, from, startedAt, settledAt } = watch;
  if (watch.trippedAt !== undefined) return [{ to, from, startedAt: new Date(now).toISOString(), generation }];
  const next = { to, from, startedAt, generation };
  if (hasShare(decision.served, watch.from)) return [next];
  if (settledAt !== undefined) return now - Date.parse(settledAt) >= windowMs ? [] : [{ ...next, settledAt }];
  return [confirmed ? { ...next, settledAt: new Date(now).toISOString() } : next];
}

/** Watches of Revisions that have a share beside, or in place of, what served before, and aren't watched yet. */
function newWatches({ route, decision, current, seen }: GuardInput, known: readonly Watch[], now: number): Watch[] {
  const names = new Set(known.map(({ to }) => to));
  const found: Watch[] = [];
  for (const to of watched(decision)) {
    if (names.has(to)) continue;
    const from = predecessor(to, { decision, current, seen, bad: names });
    if (from === undefined || seen.revisions.get(from)?.wasReady !== true) continue;
    names.add(to);
    const generation = route.metadata.generation ?? 1;
    found.push({ to, from, startedAt: new Date(now).toISOString(), generation });
  }
  return found;
}

/**
 * What a Revision's traffic goes back to: the one that it is shifted from; else the largest older one of its Configuration; else, where its
 * Configuration is new to the Route, the largest of all. None for one that isn't new.
 */
function predecessor(
  to: string,
  { decision, current, seen, bad }: Pick<GuardInput, "decision" | "current" | "seen"> & { bad: ReadonlySet<string> },
): string | undefined {
  if (decision.rollout?.to === to) return decision.rollout.from;
  const own = seen.revisions.get(to);
  const others = sharesOf(current).filter(({ revision }) => revision !== to && !bad.has(revision));
  const kin = others.filter(({ revision }) => seen.revisions.get(revision)?.configuration === own?.configuration);
  const older = kin.filter(({ revision }) => (seen.revisions.get(revision)?.generation ?? 0) < (own?.generation ?? 0));
  if (older.length > 0 || kin.length > 0 || hasShare(current, to)) return older[0]?.revision;
  return others[0]?.revision;
}

/** The watch, with the reason if its Revision did worse than the rule allows. */
function judge(
  watch: Watch,
  { route, counted }: GuardInput,
  { rule, windowMs, now }: { rule: GuardRule; windowMs: number; now: number },
): Watch {
  const since = Math.max(now - windowMs, Date.parse(watch.startedAt));
  const count = counted(watch.to, since);
  const faults = count.requests < guardMinRequests ? [] : faultsOf(rule, count);
  if (faults.length === 0) return watch;
  const seconds = Math.max(1, Math.round((now - since) / 1_000));
  const message = `Revision "${watch.to}" did worse than spec.rollout.guard allows: of ${count.requests} requests in ${seconds} s, ${faults.join(", and ")}. Its traffic goes to "${watch.from}" until the Route's spec changes or another Revision takes its place`;
  return { ...watch, trippedAt: new Date(now).toISOString(), message, generation: route.metadata.generation ?? 1 };
}

function faultsOf({ errorPercent, p95Milliseconds }: GuardRule, { requests, errors, slow }: GuardCount): string[] {
  const percent = (part: number) => `${Math.round((part / requests) * 1_000) / 10}%`;
  const faults: string[] = [];
  if (errorPercent !== undefined && errors * 100 > errorPercent * requests) {
    faults.push(
      `${errors} (${percent(errors)}) ended with a status of 500 or more, where errorPercent is ${errorPercent}`,
    );
  }
  if (p95Milliseconds !== undefined && slow * 100 > slowPercent * requests) {
    faults.push(
      `${slow} (${percent(slow)}) took longer than ${p95Milliseconds} ms to begin, where p95Milliseconds allows ${slowPercent}%`,
    );
  }
  return faults;
}

/**
 * Revisions that get requests, by a share or because these match, as the targets want it: not those that only serve on until another can take
 * their place.
 */
function watched({ served, matches, leadsTo }: SplitDecision): string[] {
  const split = served.filter(({ percent }) => percent > 0).map(({ revisionName }) => revisionName);
  return [...new Set([...split, ...matches.map(({ revision }) => revision)])].filter((one) => leadsTo.includes(one));
}

function hasShare(served: readonly ServedTarget[], revision: string): boolean {
  return served.some(({ revisionName, percent }) => revisionName === revision && percent > 0);
}

/** Each Revision's whole share, the largest first. */
function sharesOf(served: readonly ServedTarget[]): { revision: string; percent: number }[] {
  const shares = new Map<string, number>();
  for (const { revisionName, percent } of served) shares.set(revisionName, (shares.get(revisionName) ?? 0) + percent);
  return [...shares]
    .map(([revision, percent]) => ({ revision, percent }))
    .filter(({ percent }) => percent > 0)
    .toSorted((a, b) => b.percent - a.percent);
}
