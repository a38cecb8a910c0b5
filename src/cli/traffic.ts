/**
 * How the rollout commands change a Route's targets: plain functions from targets to targets. Percentages in and out total 100.
 */
import type { Route, TrafficTarget } from "./objects.ts";

/** The target that gets requests, by convention. */
const currentName = "current";
/** The target that is being tried, by convention. */
export const nextName = "next";

/** The strategy is manual exactly when a target names a Revision. */
export function isManual(traffic: readonly TrafficTarget[]): boolean {
  return traffic.some((target) => target.revisionName !== undefined);
}

/** Targets that follow a Configuration. */
export function automatic(configurationName: string, name?: string): TrafficTarget[] {
  return [{ configurationName, ...(name === undefined ? {} : { name }), percent: 100 }];
}

/** What is served now, with Revisions pinned; empty where nothing is served. */
export function pinned(served: readonly TrafficTarget[]): TrafficTarget[] {
  const targets: TrafficTarget[] = [];
  for (const { revisionName, name, percent } of served) {
    if (revisionName === undefined || (percent === 0 && name === undefined)) continue;
    const same = targets.find((one) => one.revisionName === revisionName && one.name === name);
    if (same === undefined) targets.push({ revisionName, ...(name === undefined ? {} : { name }), percent });
    else same.percent += percent;
  }
  return targets.reduce((sum, target) => sum + target.percent, 0) === 100 ? targets : [];
}

/** Adds a Revision at 0 percent under `name`; what is served stays as it is, and the largest unnamed share becomes `current`. */
export function withNext(traffic: readonly TrafficTarget[], revisionName: string, name = nextName): TrafficTarget[] {
  const old = traffic.find((target) => target.name === name);
  // All traffic is on the last `next`: that rollout is over, so it is what `current` means now.
  const base = old?.percent === 100 ? finished(traffic, name) : traffic;
  const kept = unnamed(base, name).filter((target) => target.percent > 0 || target.name !== undefined);
  if (name === nextName && !kept.some((target) => target.name === currentName)) {
    const largest = kept
      .filter((target) => target.name === undefined)
      .reduce<TrafficTarget | undefined>(
        (best, one) => (best === undefined || one.percent > best.percent ? one : best),
        undefined,
      );
    if (largest !== undefined) {
      kept[kept.indexOf(largest)] = named(largest, currentName);
    }
  }
  return withMatches([...kept, { revisionName, name, percent: 0 }], traffic);
}

/** Requests that matched a target by some name go on to whatever has that name. */
export function withMatches(after: readonly TrafficTarget[], before: readonly TrafficTarget[]): TrafficTarget[] {
  return after.map((target) => {
    const old = target.name === undefined ? undefined : before.find(({ name }) => name === target.name);
    return old?.match === undefined ? target : { ...target, match: old.match };
  });
}

/** The Route's targets without the shares that its guard has taken back: these are where the guard has put them. */
export function afterGuard({ spec, status, metadata }: Route): TrafficTarget[] {
  let targets = spec.rollout.traffic.map((target) => ({ ...target }));
  for (const { to, from, trippedAt, generation } of status?.guard ?? []) {
    if (trippedAt === undefined || generation !== metadata.generation) continue;
    const bad = targets.filter((target) => target.revisionName === to);
    const share = bad.reduce((sum, { percent }) => sum + percent, 0);
    if (share === 0) continue;
    for (const target of bad) target.percent = 0;
    const good = targets.find((target) => target.revisionName === from);
    if (good === undefined) targets = [{ revisionName: from, percent: share }, ...targets];
    else good.percent += share;
  }
  return targets;
}

/** Takes the name from its target, and the target away where it has no share. */
function unnamed(traffic: readonly TrafficTarget[], name: string): TrafficTarget[] {
  return traffic
    .filter((target) => target.name !== name || target.percent > 0)
    .map((target) => (target.name === name ? reference(target, target.percent) : { ...target }));
}

function reference(target: TrafficTarget, percent: number): TrafficTarget {
  return target.revisionName === undefined
    ? { configurationName: target.configurationName ?? "", percent }
    : { revisionName: target.revisionName, percent };
}

function named(target: TrafficTarget, name: string, percent = target.percent): TrafficTarget {
  const { percent: share, ...ref } = reference(target, percent);
  return { ...ref, name, percent: share };
}

/**
 * Gives the target called `name` that percentage; the others share the rest in the proportion that they have now, or all of it
 * goes to `current` where they have none. Undefined where there is no such target, or nobody to take the rest.
 */
export function withPercent(
  traffic: readonly TrafficTarget[],
  name: string,
  percent: number,
): TrafficTarget[] | undefined {
  const index = traffic.findIndex((target) => target.name === name);
  if (index === -1) return undefined;
  const others = traffic.map((target, at) => (at === index ? 0 : target.percent));
  const sum = others.reduce((total, one) => total + one, 0);
  const heirs = sum > 0 ? others : traffic.map((target, at) => (at !== index && target.name === currentName ? 1 : 0));
  const shares = apportion(100 - percent, heirs);
  if (shares === undefined) return undefined;
  return traffic.map((target, at) => ({ ...target, percent: at === index ? percent : (shares[at] ?? 0) }));
}

/** Splits `total` in proportion to `weights`, in whole numbers (largest remainder). Undefined where all weights are 0 and something is to be split. */
function apportion(total: number, weights: readonly number[]): number[] | undefined {
  const sum = weights.reduce((all, one) => all + one, 0);
  if (sum === 0) return total === 0 ? weights.map(() => 0) : undefined;
  const exact = weights.map((weight) => (total * weight) / sum);
  const shares = exact.map(Math.floor);
  let left = total - shares.reduce((all, one) => all + one, 0);
  const byRemainder = exact
    .map((value, index) => ({ index, remainder: value - Math.floor(value) }))
    .sort((a, b) => b.remainder - a.remainder || a.index - b.index);
  for (const { index } of byRemainder) {
    if (left === 0) break;
    shares[index] = (shares[index] ?? 0) + 1;
    left -= 1;
  }
  return shares;
}

/** All traffic to the target called `name`, which is now `current`; it keeps its own name too, at 0 percent. */
export function finished(traffic: readonly TrafficTarget[], name = nextName): TrafficTarget[] {
  const next = traffic.find((target) => target.name === name);
  if (next === undefined) return [...traffic];
  const others = traffic
    .filter((target) => target.name !== undefined && target.name !== name && target.name !== currentName)
    .map((target) => ({ ...target, percent: 0 }));
  return withMatches([named(next, currentName, 100), named(next, name, 0), ...others], traffic);
}

/** Whether both name the same targets in the same order with the same shares. */
export function sameTraffic(a: readonly TrafficTarget[], b: readonly TrafficTarget[]): boolean {
  const key = (traffic: readonly TrafficTarget[]) =>
    JSON.stringify(traffic.map((one) => [one.configurationName, one.revisionName, one.name, one.percent]));
  return key(a) === key(b);
}
