/**
 * Which Revisions of a Configuration are garbage, by age and count, with Knative's well-tried defaults. Pure. Never one that a Route
 * names, nor the latest created or latest ready one. And whether the Configuration itself is: one that says when it expires.
 */
import type { Configuration } from "../../api/configuration.ts";
import { expiresAtAnnotation } from "../../api/labels.ts";
import { findCondition } from "../../api/meta/conditions.ts";
import type { Revision } from "../../api/revision.ts";
import type { Plan } from "../../controller/plan.ts";
import { generationOf } from "../configuration/names.ts";

/** Times in milliseconds. */
export interface GarbageRules {
  /** A Revision is kept for so long after it was created. */
  retainSinceCreateMs: number;
  /** And for so long after it last had traffic. */
  retainSinceActiveMs: number;
  /** So many without traffic are kept, however old. */
  keep: number;
  /** More than so many without traffic are never kept, however young. */
  atMost: number;
}

const hour = 3_600_000;

export const defaultGarbageRules: GarbageRules = {
  retainSinceCreateMs: 48 * hour,
  retainSinceActiveMs: 15 * hour,
  keep: 20,
  atMost: 1000,
};

export interface GarbageObserved {
  readonly configuration: Configuration;
  /** The Configuration's Revisions. */
  readonly revisions: readonly Revision[];
  /** Whether a Route leads to the Revision, or will. */
  isRouted(revision: Revision): boolean;
  readonly rules: GarbageRules;
}

export type GarbageAction =
  | { do: "deleteRevision"; revision: Revision }
  /** What it owns goes with it. */
  | { do: "deleteConfiguration"; configuration: Configuration };

export function planGarbage(seen: GarbageObserved, now: number): Plan<undefined, GarbageAction> {
  const { configuration, rules } = seen;
  if (configuration.metadata.deletionTimestamp !== undefined) return { actions: [], events: [] };
  const expiresAt = Date.parse(configuration.metadata.annotations?.[expiresAtAnnotation] ?? "");
  if (expiresAt <= now) return { actions: [{ do: "deleteConfiguration", configuration }], events: [] };
  const { latestCreatedRevisionName, latestReadyRevisionName } = configuration.status ?? {};
  const idle = seen.revisions
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .filter(({ metadata }) => metadata.name !== latestCreatedRevisionName && metadata.name !== latestReadyRevisionName)
    .filter((revision) => !seen.isRouted(revision))
    .toSorted((a, b) => generationOf(a) - generationOf(b));

  const surplus = idle.slice(0, Math.max(0, idle.length - rules.atMost));
  const beyondKept = idle.slice(surplus.length, Math.max(surplus.length, idle.length - rules.keep));
  const garbage = [...surplus, ...beyondKept.filter((revision) => expiryOf(revision, rules) <= now)];
  const expiries = [expiresAt || Infinity, ...beyondKept.map((revision) => expiryOf(revision, rules))];
  const next = Math.min(...expiries.filter((at) => at > now));
  return {
    actions: garbage.map((revision) => ({ do: "deleteRevision", revision })),
    events: [],
    ...(Number.isFinite(next) ? { requeueAfterMs: Math.min(next - now, 24 * hour) } : {}),
  };
}

/** When a Revision is old enough, milliseconds since the epoch. */
function expiryOf(revision: Revision, rules: GarbageRules): number {
  const created = Date.parse(revision.metadata.creationTimestamp ?? "");
  const active = findCondition(revision.status?.conditions, "Active");
  const lastActive = active?.status === "False" ? Date.parse(active.lastTransitionTime ?? "") : created;
  return Math.max((created || 0) + rules.retainSinceCreateMs, (lastActive || 0) + rules.retainSinceActiveMs);
}
