/** Which split a Route should serve now. Pure. */
import type { MissingTarget } from "../../api/route.conditions.ts";
import type { Route, ServedTarget } from "../../api/route.ts";
import { takeBack } from "./guard.ts";
import { type Matches, matchesMeanwhile, matchesOf } from "./requests.ts";
import { type ResolvedTarget, type RouteNeighbours, resolveTargets } from "./resolve.ts";
import { type Rollout, shift } from "./shift.ts";

export interface SplitDecision {
  /** The split to serve; empty where there is nothing that was ever ready. */
  served: ServedTarget[];
  /** Where requests wait while nothing was ever ready: Revisions that may become so. Percents total 100, or there are none. */
  candidates: ServedTarget[];
  /** Where requests that match go. */
  matches: Matches;
  /** The first target that can't take its share. */
  missing?: MissingTarget;
  /** The shift under way. */
  rollout?: Rollout;
  /** Traffic that waits for the first instance of its next Revision. */
  waitingFor?: { from: string; to: string };
  nextStepMs?: number;
  /** Every Revision that traffic goes to or should go to, by name. */
  wanted: string[];
  /** Revisions that targets lead to by the spec, whatever the guard says. */
  leadsTo: string[];
}

/** @param current what is served now: told last, or after a restart what the status says. */
export function decideSplit(
  route: Route,
  seen: RouteNeighbours,
  current: readonly ServedTarget[],
  now: number,
): SplitDecision {
  const resolved = resolveTargets(route, seen);
  const leadsTo = resolved.flatMap(({ revision }) => revision ?? []);
  const targets = takeBack(resolved, route, seen);
  const missing = targets.find((target) => target.missing !== undefined)?.missing;
  const wanted = targets.flatMap(({ revision, candidate }) => revision ?? candidate ?? []);
  const matches = matchesOf(targets);
  const common = { wanted, leadsTo, matches, candidates: [], ...(missing === undefined ? {} : { missing }) };

  if (targets.some(({ target, revision }) => target.percent > 0 && revision === undefined)) {
    // The last good split goes on.
    if (current.length > 0) return { ...common, served: [...current] };
    return { ...common, ...provisional(targets) };
  }
  const shifted = shift({ route, targets, seen, current }, now);
  const waitingFor = notYetRunning(shifted.served, current, seen, shifted.rollout);
  if (waitingFor !== undefined) {
    const meanwhile = matchesMeanwhile(matches, waitingFor, { seen, current });
    return { ...common, served: [...current], matches: meanwhile, waitingFor };
  }
  return { ...common, ...shifted, served: [...shifted.served, ...reachable(targets)] };
}

/** Names of targets at 0 percent whose Revision was never ready: requests to them wait, or are told why not. */
function reachable(targets: readonly ResolvedTarget[]): ServedTarget[] {
  return targets.flatMap(({ target, candidate }) =>
    candidate === undefined || target.name === undefined
      ? []
      : [{ revisionName: candidate, name: target.name, percent: 0 }],
  );
}

/** A Revision that is to get traffic for the first time, and has no ready instance yet: what served until now serves on. */
function notYetRunning(
  next: readonly ServedTarget[],
  current: readonly ServedTarget[],
  seen: RouteNeighbours,
  rollout: Rollout | undefined,
): { from: string; to: string } | undefined {
  const from = current.find(({ percent }) => percent > 0)?.revisionName;
  if (from === undefined) return undefined;
  const serves = new Set(current.filter(({ percent }) => percent > 0).map(({ revisionName }) => revisionName));
  const to = next.find(
    ({ revisionName, percent }) =>
      (percent > 0 || revisionName === rollout?.to) &&
      !serves.has(revisionName) &&
      (seen.revisions.get(revisionName)?.readyInstances ?? 0) === 0,
  )?.revisionName;
  return to === undefined ? undefined : { from, to };
}

/** Before there is any good split: all traffic to what works, else to what may. */
function provisional(targets: readonly ResolvedTarget[]): { served: ServedTarget[]; candidates: ServedTarget[] } {
  const works = targets.flatMap(({ target, revision }) =>
    revision === undefined ? [] : [entry(revision, target.percent, target.name)],
  );
  if (works.some(({ percent }) => percent > 0)) return { served: toHundred(works), candidates: [] };
  const may = targets.flatMap(({ target, candidate }) =>
    candidate === undefined ? [] : [entry(candidate, target.percent, target.name)],
  );
  return { served: [], candidates: may.some(({ percent }) => percent > 0) ? toHundred(may) : [] };
}

/** The same proportions, in whole percents that total 100 (largest remainder). */
export function toHundred(targets: readonly ServedTarget[]): ServedTarget[] {
  const total = targets.reduce((sum, { percent }) => sum + percent, 0);
  const shares = targets.map((target) => ({ target, exact: (target.percent * 100) / total }));
  let left = 100 - shares.reduce((sum, { exact }) => sum + Math.floor(exact), 0);
  const extra = new Set<ServedTarget>();
  for (const { target } of shares.toSorted((a, b) => (b.exact % 1) - (a.exact % 1))) {
    if (left === 0) break;
    extra.add(target);
    left -= 1;
  }
  return shares.map(({ target, exact }) => ({ ...target, percent: Math.floor(exact) + (extra.has(target) ? 1 : 0) }));
}

function entry(revisionName: string, percent: number, name: string | undefined): ServedTarget {
  return name === undefined ? { revisionName, percent } : { revisionName, name, percent };
}
