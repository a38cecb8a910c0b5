/** What a Route says of single requests and clients, in words. */
import type { Route, TrafficTarget } from "./objects.ts";

/** Label and value of each rule that the Route has. */
export function rolloutRules({ spec }: Route): [string, string][] {
  const { traffic, affinity } = spec.rollout;
  const matches = traffic.flatMap((target) => (target.match === undefined ? [] : [matchText(target)]));
  return [
    ...(matches.length === 0 ? [] : [["Match", matches.join("; ")] satisfies [string, string]]),
    ...(affinity === undefined ? [] : [["Affinity", affinityText(affinity)] satisfies [string, string]]),
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
