/**
 * The gradual shift from one Revision of a followed Configuration to its next: linear over `duration`, in steps of whole seconds
 * since it started, so that it goes on where it was after a crash. Pure.
 *
 * One shift runs at a time; a second Configuration's waits for its turn. A Revision that becomes ready during a shift takes it
 * over: traffic goes back to the Revision that it was leaving, and is shifted from there to the newest.
 */
import { parseDuration } from "../../api/meta/duration.ts";
import type { Route, RouteStatus, ServedTarget } from "../../api/route.ts";
import type { ResolvedTarget, RouteNeighbours } from "./resolve.ts";

const stepMs = 1_000;

export type Rollout = NonNullable<RouteStatus["rollout"]>;

export interface Shifted {
  /** What should be served now, in the order of the spec. */
  served: ServedTarget[];
  /** The shift under way, if one is. */
  rollout?: Rollout;
  /** Milliseconds until its next step. */
  nextStepMs?: number;
}

export interface ShiftInput {
  route: Route;
  targets: readonly ResolvedTarget[];
  seen: RouteNeighbours;
  /** What is served now. */
  current: readonly ServedTarget[];
}

/** The split of the targets, with a shift where a new Revision is to come in gradually. Targets without a Revision are left out. */
export function shift(input: ShiftInput, now: number): Shifted {
  const { route, targets } = input;
  const durationMs = parseDuration(route.spec.rollout.duration ?? "0s") ?? 0;
  const waiting = durationMs > 0 ? pendingShifts(input, now, durationMs) : [];
  const active = waiting[0];
  const from = new Map(waiting.map((rollout) => [rollout.to, rollout.from]));

  let nextStepMs: number | undefined;
  const served = targets.flatMap(({ target, revision, takenFrom }): ServedTarget[] => {
    if (revision === undefined) return [];
    const whole = entry(revision, target.percent, target.name);
    if (takenFrom !== undefined) {
      // The name stays with its Revision, for whoever looks for what was wrong.
      const named = target.name === undefined ? [] : [entry(takenFrom, 0, target.name)];
      return [entry(revision, target.percent), ...named];
    }
    const leaving = target.configurationName === undefined ? undefined : from.get(revision);
    if (leaving === undefined) return [whole];
    const elapsedMs = active?.to === revision ? now - Date.parse(active.startedAt) : 0;
    const moved = movedPercent(target.percent, elapsedMs, durationMs);
    if (active?.to === revision) {
      const next = untilNextStep(target.percent, elapsedMs, durationMs);
      nextStepMs = Math.min(nextStepMs ?? next, next);
    }
    return [entry(leaving, target.percent - moved), entry(revision, moved, target.name)];
  });
  return {
    served,
    ...(active === undefined ? {} : { rollout: active }),
    ...(nextStepMs === undefined ? {} : { nextStepMs }),
  };
}

/** How much of `percent` has moved after `elapsedMs`. */
export function movedPercent(percent: number, elapsedMs: number, durationMs: number): number {
  if (elapsedMs >= durationMs) return percent;
  const stepped = Math.floor(Math.max(0, elapsedMs) / stepMs) * stepMs;
  return Math.floor((percent * stepped) / durationMs);
}

/** Milliseconds until `movedPercent` changes, or the shift ends. */
function untilNextStep(percent: number, elapsedMs: number, durationMs: number): number {
  const moved = movedPercent(percent, elapsedMs, durationMs);
  const exact = percent === 0 ? durationMs : ((moved + 1) * durationMs) / percent;
  const at = Math.min(durationMs, Math.ceil(exact / stepMs) * stepMs);
  return Math.max(1, at - elapsedMs);
}

/** The shifts that the followed Configurations ask for, the one under way first. */
function pendingShifts({ route, targets, seen, current }: ShiftInput, now: number, durationMs: number): Rollout[] {
  const running = route.status?.rollout;
  const shifts = new Map<string, Rollout>();
  for (const { target, revision: to, takenFrom } of targets) {
    if (target.configurationName === undefined || to === undefined || target.percent === 0 || shifts.has(to)) continue;
    // Back is at once.
    if (takenFrom !== undefined) continue;
    if (running?.to === to) {
      const over = now - Date.parse(running.startedAt) >= durationMs;
      if (!over && seen.revisions.has(running.from)) shifts.set(to, running);
      continue;
    }
    const from = leavingRevision(target.configurationName, to, { seen, current, running });
    if (from !== undefined) shifts.set(to, { from, to, startedAt: new Date(now).toISOString() });
  }
  return [...shifts.values()].toSorted((a, b) => Number(b === running) - Number(a === running));
}

/** The Revision of the Configuration that is served now, where `to` isn't served yet. */
function leavingRevision(
  configuration: string,
  to: string,
  { seen, current, running }: { seen: RouteNeighbours; current: readonly ServedTarget[]; running: Rollout | undefined },
): string | undefined {
  if (current.some(({ revisionName, percent }) => revisionName === to && percent > 0)) return undefined;
  const own = current.filter(
    ({ revisionName, percent }) => percent > 0 && seen.revisions.get(revisionName)?.configuration === configuration,
  );
  const left = own.find(({ revisionName }) => revisionName === running?.from);
  return (left ?? own.toSorted((a, b) => b.percent - a.percent)[0])?.revisionName;
}

function entry(revisionName: string, percent: number, name?: string): ServedTarget {
  return name === undefined ? { revisionName, percent } : { revisionName, name, percent };
}
