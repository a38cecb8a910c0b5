import type { ServedTarget } from "../../api/route.ts";
import type { RouteAssignment } from "../../routing/traffic.ts";

/** A Route's host: `{route}.{namespace}.{domain}`. */
export function hostOf(route: { namespace: string; name: string }, domain: string): string {
  return `${route.name}.${route.namespace}.${domain}`.toLowerCase();
}

/**
 * What the gateways are told. Each address is there twice: below the platform's domain, and without it, as
 * `{route}.{namespace}`, for callers inside the machine.
 */
export function makeAssignment(
  route: { namespace: string; name: string },
  domain: string,
  served: readonly ServedTarget[],
  domains: readonly string[] = [],
): RouteAssignment {
  const hosts = [hostOf(route, domain), `${route.name}.${route.namespace}`.toLowerCase()];
  const percents = new Map<string, number>();
  for (const { revisionName, percent } of served) {
    if (percent > 0) percents.set(revisionName, (percents.get(revisionName) ?? 0) + percent);
  }
  return {
    route: `${route.namespace}/${route.name}`,
    hosts,
    ...(domains.length === 0 ? {} : { domains: [...domains] }),
    targets: [...percents].map(([revision, percent]) => ({ revision, percent })),
    named: served.flatMap(({ name, revisionName }) =>
      name === undefined
        ? []
        : hosts.map((host) => ({ host: `${name}.${host}`.toLowerCase(), revision: revisionName })),
    ),
  };
}
