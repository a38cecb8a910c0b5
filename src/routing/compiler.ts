/**
 * Compiles what has changed, and only that: keeps who claims each host and which Revisions are led to, so that a Route's change costs what that
 * Route has and not what all have. What it holds is at each `take` what `compile` makes of everything (compiler.test.ts).
 */
import { applyChanges, type Changes, isSameEntry } from "./changes.ts";
import { type Claim, claimsOf, compareClaims, type RevisionInstances, revisionEntry, revisionsOf } from "./compile.ts";
import type { HostEntry, RevisionEntry } from "./table.ts";
import type { RevisionTraffic, RouteAssignment } from "./traffic.ts";

export class Compiler {
  /** What was compiled last. */
  readonly hosts = new Map<string, HostEntry>();
  readonly revisions = new Map<string, RevisionEntry>();
  readonly #assignments = new Map<string, RouteAssignment>();
  readonly #limits = new Map<string, RevisionTraffic>();
  readonly #instances = new Map<string, RevisionInstances>();
  /** By host, who wants it: the first has it. */
  readonly #claims = new Map<string, Claim[]>();
  /** By Revision, how often Routes lead to it. */
  readonly #uses = new Map<string, number>();
  /** By id, in how many Revisions of the table the instance is. */
  readonly #places = new Map<string, number>();
  /** What may have changed since the last `take`. */
  readonly #dirtyHosts = new Set<string>();
  readonly #dirtyRevisions = new Set<string>();

  assignment(route: string): RouteAssignment | undefined {
    return this.#assignments.get(route);
  }

  limits(revision: string): RevisionTraffic | undefined {
    return this.#limits.get(revision);
  }

  instances(revision: string): RevisionInstances | undefined {
    return this.#instances.get(revision);
  }

  /** Whether the instance is in the table that was compiled last. */
  has(instance: string): boolean {
    return this.#places.has(instance);
  }

  /** Undefined: the Route is gone. */
  setAssignment(route: string, assignment: RouteAssignment | undefined): void {
    const before = this.#assignments.get(route);
    if (before !== undefined) this.#unclaim(before);
    if (assignment === undefined) {
      this.#assignments.delete(route);
      return;
    }
    this.#assignments.set(route, assignment);
    for (const claim of claimsOf(assignment)) {
      const others = this.#claims.get(claim.host) ?? [];
      this.#claims.set(claim.host, [...others, claim].toSorted(compareClaims));
      this.#dirtyHosts.add(claim.host);
    }
    for (const revision of revisionsOf(assignment)) this.#use(revision, 1);
  }

  setLimits(revision: string, limits: RevisionTraffic | undefined): void {
    if (limits === undefined) this.#limits.delete(revision);
    else this.#limits.set(revision, limits);
    this.#dirtyRevisions.add(revision);
  }

  setInstances(revision: string, instances: RevisionInstances | undefined): void {
    if (instances === undefined) this.#instances.delete(revision);
    else this.#instances.set(revision, instances);
    this.#dirtyRevisions.add(revision);
  }

  /** Compiles what has changed since the last time, and says what differs in the table. */
  take(): Changes {
    const changes: Changes = { hosts: new Map(), revisions: new Map() };
    for (const host of this.#dirtyHosts) {
      const entry = this.#claims.get(host)?.[0]?.entry;
      if (!isSameEntry(this.hosts.get(host), entry)) changes.hosts.set(host, entry);
    }
    for (const revision of this.#dirtyRevisions) {
      const limits = this.#uses.has(revision) ? this.#limits.get(revision) : undefined;
      const entry = limits && revisionEntry(limits, this.#instances.get(revision));
      const before = this.revisions.get(revision);
      if (isSameEntry(before, entry)) continue;
      changes.revisions.set(revision, entry);
      for (const { id } of entry?.instances ?? []) count(this.#places, id, 1);
      for (const { id } of before?.instances ?? []) count(this.#places, id, -1);
    }
    this.#dirtyHosts.clear();
    this.#dirtyRevisions.clear();
    applyChanges(this, changes);
    return changes;
  }

  #unclaim(assignment: RouteAssignment): void {
    for (const host of new Set(claimsOf(assignment).map((claim) => claim.host))) {
      const others = this.#claims.get(host)?.filter(({ entry }) => entry.route !== assignment.route) ?? [];
      if (others.length === 0) this.#claims.delete(host);
      else this.#claims.set(host, others);
      this.#dirtyHosts.add(host);
    }
    for (const revision of revisionsOf(assignment)) this.#use(revision, -1);
  }

  #use(revision: string, by: 1 | -1): void {
    count(this.#uses, revision, by);
    this.#dirtyRevisions.add(revision);
  }
}

function count(counts: Map<string, number>, name: string, by: 1 | -1): void {
  const next = (counts.get(name) ?? 0) + by;
  if (next === 0) counts.delete(name);
  else counts.set(name, next);
}
