/**
 * Compiles what the Routes serve, the Revisions' limits and the instances that are ready into the table that gateways serve. Pure.
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

/**
 * The table. It holds the Revisions that some host leads to, and no others. Where two Routes claim one host, hosts that split win
 * over named addresses, these over domains, then the Route whose name sorts first: the same input always gives the same table.
 */
export function compile(input: CompileInput): RouteTable {
  const hosts = new Map<string, HostEntry>();
  const named: [string, HostEntry][] = [];
  const domains: [string, HostEntry][] = [];
  const used = new Set<string>();
  const assignments = [...input.assignments.values()].toSorted((a, b) => (a.route < b.route ? -1 : 1));

  for (const assignment of assignments) {
    const prefix = `${assignment.route.slice(0, assignment.route.indexOf("/"))}/`;
    const targets = assignment.targets.map(({ revision, percent }) => ({ revision: prefix + revision, percent }));
    for (const { revision } of targets) used.add(revision);
    const match = assignment.match?.map(({ revision, tests }) => ({ revision: prefix + revision, tests }));
    for (const { revision } of match ?? []) used.add(revision);
    const entry: HostEntry = {
      route: assignment.route,
      targets,
      ...(match === undefined ? {} : { match }),
      ...(assignment.affinity === undefined ? {} : { affinity: assignment.affinity }),
      ...(assignment.guard === undefined ? {} : { guard: assignment.guard }),
    };
    for (const host of assignment.hosts) claim(hosts, host, entry);
    for (const domain of assignment.domains ?? []) domains.push([domain, entry]);
    for (const { host, revision } of assignment.named) {
      used.add(prefix + revision);
      named.push([host, { route: assignment.route, targets: [{ revision: prefix + revision, percent: 100 }] }]);
    }
  }
  for (const [host, entry] of [...named, ...domains]) claim(hosts, host, entry);

  const revisions: Record<string, RevisionEntry> = {};
  for (const key of used) {
    const limits = input.revisions.get(key);
    if (limits === undefined) continue;
    const known = input.instances.get(key);
    const instances = known?.instances ?? [];
    const problem = problemOf(known?.problem, limits.problem);
    revisions[key] = {
      configuration: limits.configuration,
      protocol: limits.protocol,
      concurrency: limits.concurrency,
      timeoutMs: limits.timeoutMs,
      instances: instances.map(({ id, host, port }) => ({ id, host, port })),
      ...(problem === undefined || instances.length > 0 ? {} : { problem }),
    };
  }
  return { version: input.version, hosts: Object.fromEntries(hosts), revisions };
}

/** The instances' own reason is the newer one; where the Revision's condition gives the same, it says it in whole sentences. */
function problemOf(newest: RevisionInstances["problem"], told: RevisionTraffic["problem"]): RevisionTraffic["problem"] {
  return newest !== undefined && newest.reason !== told?.reason ? newest : told;
}

function claim(hosts: Map<string, HostEntry>, host: string, entry: HostEntry): void {
  const name = host.toLowerCase();
  if (!hosts.has(name)) hosts.set(name, entry);
}
