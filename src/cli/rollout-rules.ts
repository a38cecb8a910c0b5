/** What a Route says of single requests, clients and new Revisions, in words. */
import type { Watch } from "../api/route-guard.ts";
import type { Route, TrafficTarget } from "./objects.ts";

/** Label and value of each rule that the Route has. */
export function rolloutRules({ spec, status }: Route): [string, string][] {
  const { traffic, affinity, guard } = spec.rollout;
  const matches = traffic.flatMap((target) => (target.match === undefined ? [] : [matchText(target)]));
  return [
    ...(matches.length === 0 ? [] : [["Match", matches.join("; ")] satisfies [string, string]]),
    ...(affinity === undefined ? [] : [["Affinity", affinityText(affinity)] satisfies [string, string]]),
    ...(guard === undefined ? [] : [["Guard", guardText(guard, status?.guard ?? [])] satisfies [string, string]]),
  ];
}

function matchText({ match = [], name, revisionName, configurationName = "" }: TrafficTarget): string {
  const tests = match.map(({ header, cookie }) => {
    if (cookie !== undefined) return `cookie ${cookie.name}=${cookie.exact}`;
    const { name: field = "", exact, prefix = "" } = header ?? {};
    return exact === undefined ? `${field}: ${prefix}…` : `${field}: ${exact}`;
  });
  return `${tests.join(" or ")} → ${name ?? revisionName ?? configurationName}`;
}

function affinityText({ cookie, header }: NonNullable<Route["spec"]["rollout"]["affinity"]>): string {
  if (header !== undefined) return `header ${header.name}`;
  const { name = "", ttl = "0s" } = cookie ?? {};
  return `cookie ${name}${ttl === "0s" ? "" : ` for ${ttl}`}`;
}

function guardText(guard: NonNullable<Route["spec"]["rollout"]["guard"]>, watches: readonly Watch[]): string {
  const { errorPercent, p95Milliseconds, window = "1m" } = guard;
  const limits = [
    ...(errorPercent === undefined ? [] : [`errors over ${errorPercent}%`]),
    ...(p95Milliseconds === undefined ? [] : [`p95 over ${p95Milliseconds} ms`]),
  ];
  const doing = watches.map(({ to, from, trippedAt }) =>
    trippedAt === undefined
      ? `watches ${to} (back to ${from})`
      : `took traffic back from ${to} to ${from} at ${trippedAt}`,
  );
  return [`${limits.join(" or ")} within ${window}`, ...doing].join("; ");
}
