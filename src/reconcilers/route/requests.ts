/** From a Route's `match` and `affinity` to what gateways are told of them. Pure. */
import { parseDuration } from "../../api/meta/duration.ts";
import type { AffinityRule, MatchTest } from "../../api/route-match.ts";
import type { Route, ServedTarget } from "../../api/route.ts";
import type { Affinity, AffinityKey, RequestTest, RouteAssignment } from "../../routing/traffic.ts";
import type { ResolvedTarget, RouteNeighbours } from "./resolve.ts";
import { assignSlots, type Owners } from "./slots.ts";

export type Matches = NonNullable<RouteAssignment["match"]>;

/**
 * Where requests that match go: to each target's own Revision, the newest of a followed Configuration also during a shift. Targets without a
 * Revision match nothing.
 */
export function matchesOf(targets: readonly ResolvedTarget[]): Matches {
  return targets.flatMap(({ target, revision }) =>
    target.match === undefined || revision === undefined
      ? []
      : [{ revision, tests: target.match.flatMap((test) => testOf(test)) }],
  );
}

/** The same while traffic waits for the first instance of `to`: matching requests wait with it, at what served its Configuration before. */
export function matchesMeanwhile(
  matches: Matches,
  waiting: { from: string; to: string },
  { seen, current }: { seen: RouteNeighbours; current: readonly ServedTarget[] },
): Matches {
  const configuration = seen.revisions.get(waiting.to)?.configuration;
  const before = current.find(
    ({ revisionName, percent }) => percent > 0 && seen.revisions.get(revisionName)?.configuration === configuration,
  );
  const instead = before?.revisionName ?? waiting.from;
  return matches.map((match) => (match.revision === waiting.to ? { ...match, revision: instead } : match));
}

/** What of an assignment is about single requests and their outcome; members that would say nothing are absent. */
export function requestRules(
  route: Route,
  { targets, matches, before }: { targets: RouteAssignment["targets"]; matches: Matches; before: Owners },
): Pick<RouteAssignment, "match" | "affinity" | "guard"> {
  const { guard } = route.spec.rollout;
  const key = keyOf(route.spec.rollout.affinity);
  return {
    ...(matches.length === 0 ? {} : { match: matches }),
    ...(key === undefined || targets.length === 0 ? {} : { affinity: affinityOf(key, targets, before) }),
    ...(guard === undefined ? {} : { guard: { slowMs: guard.p95Milliseconds ?? 0 } }),
  };
}

function affinityOf(key: AffinityKey, targets: RouteAssignment["targets"], before: Owners): Affinity {
  const owners = assignSlots(before, targets);
  return { key, slots: owners.map((owner) => targets.findIndex(({ revision }) => revision === owner)) };
}

function keyOf(rule: AffinityRule | undefined): AffinityKey | undefined {
  if (rule?.header !== undefined) return { header: rule.header.name.toLowerCase() };
  if (rule?.cookie === undefined) return undefined;
  const { name, ttl = "0s" } = rule.cookie;
  return { cookie: name, maxAgeSeconds: Math.floor((parseDuration(ttl) ?? 0) / 1_000) };
}

function testOf({ header, cookie }: MatchTest): RequestTest[] {
  if (cookie !== undefined) return [{ cookie: cookie.name, exact: cookie.exact }];
  if (header === undefined) return [];
  const { exact, prefix = "" } = header;
  const name = header.name.toLowerCase();
  return [exact === undefined ? { header: name, prefix } : { header: name, exact }];
}
