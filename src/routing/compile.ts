/**
 * What the Routes serve, the Revisions' limits and the instances that are ready, as the table that gateways serve. Pure. `compile` says what the
 * table is; compiler.ts makes the same from one change to the next.
 */
import type { HostEntry, RevisionEntry, RouteTable } from "./table.ts";
import type { RevisionTraffic, RouteAssignment } from "./traffic.ts";

/** The instances of a Revision that take requests, and why there is none. */
export interface RevisionInstances {
  instances: readonly { id: string; host: string; port: number }[];
  problem?: { reason: string; message: string };
}

export interface CompileInput {
  version: number;
  /** By `namespace/name` of the Route. */
  assignments: ReadonlyMap<string, RouteAssignment>;
  /** By `namespace/name` of the Revision. */
  revisions: ReadonlyMap<string, RevisionTraffic>;
  instances: ReadonlyMap<string, RevisionInstances>;
}

/** A host that a Route wants. */
export interface Claim {
  /** In lower case. */
  host: string;
  /** The lower one wins: a host that splits, a named address, a domain. */
  rank: 0 | 1 | 2;
  entry: HostEntry;
}

/**
 * The table. It holds the Revisions that some Route leads to, and no others. Where two Routes claim one host, hosts that split win
 * over named addresses, these over domains, then the Route whose name sorts first: the same input always gives the same table.
 */
export function compile(input: CompileInput): RouteTable {
  const claims = [...input.assignments.values()].flatMap(claimsOf).toSorted(compareClaims);
  const hosts = new Map<string, HostEntry>();
  for (const { host, entry } of claims) if (!hosts.has(host)) hosts.set(host, entry);
  const revisions = new Map<string, RevisionEntry>();
  for (const key of new Set([...input.assignments.values()].flatMap(revisionsOf))) {
    const limits = input.revisions.get(key);
    if (limits !== undefined) revisions.set(key, revisionEntry(limits, input.instances.get(key)));
  }
  return { version: input.version, hosts: Object.fromEntries(hosts), revisions: Object.fromEntries(revisions) };
}

/** All hosts that a Route wants; of one host's with the same rank, the first counts. */
export function claimsOf(assignment: RouteAssignment): Claim[] {
  const { route } = assignment;
  const prefix = prefixOf(route);
  const match = assignment.match?.map(({ revision, tests }) => ({ revision: prefix + revision, tests }));
  const entry: HostEntry = {
    route,
    targets: assignment.targets.map(({ revision, percent }) => ({ revision: prefix + revision, percent })),
    ...(match === undefined ? {} : { match }),
    ...(assignment.affinity === undefined ? {} : { affinity: assignment.affinity }),
    ...(assignment.guard === undefined ? {} : { guard: assignment.guard }),
  };
  return [
    ...assignment.hosts.map((host): Claim => ({ host: host.toLowerCase(), rank: 0, entry })),
    ...assignment.named.map(({ host, revision }): Claim => {
      const targets = [{ revision: prefix + revision, percent: 100 }];
      return { host: host.toLowerCase(), rank: 1, entry: { route, targets } };
    }),
    ...(assignment.domains ?? []).map((host): Claim => ({ host: host.toLowerCase(), rank: 2, entry })),
  ];
}

/** Which of two claims of one host wins: that sorts first. Equal ones keep their order. */
export function compareClaims(a: Claim, b: Claim): number {
  if (a.rank !== b.rank) return a.rank - b.rank;
  return a.entry.route === b.entry.route ? 0 : a.entry.route < b.entry.route ? -1 : 1;
}

/** `namespace/name` of each Revision that a Route leads to, once or more often. */
export function revisionsOf({ route, targets, named, match = [] }: RouteAssignment): string[] {
  const prefix = prefixOf(route);
  return [...targets, ...named, ...match].map(({ revision }) => prefix + revision);
}

export function revisionEntry(limits: RevisionTraffic, known: RevisionInstances | undefined): RevisionEntry {
  const instances = known?.instances ?? [];
  const problem = problemOf(known?.problem, limits.problem);
  return {
    configuration: limits.configuration,
    protocol: limits.protocol,
    concurrency: limits.concurrency,
    timeoutMs: limits.timeoutMs,
    instances: instances.map(({ id, host, port }) => ({ id, host, port })),
    ...(problem === undefined || instances.length > 0 ? {} : { problem }),
  };
}

/** The instances' own reason is the newer one; where the Revision's condition gives the same, it says it in whole sentences. */
function problemOf(newest: RevisionInstances["problem"], told: RevisionTraffic["problem"]): RevisionTraffic["problem"] {
  return newest !== undefined && newest.reason !== told?.reason ? newest : told;
}

function prefixOf(route: string): string {
  return `${route.slice(0, route.indexOf("/"))}/`;
}
