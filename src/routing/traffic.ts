/**
 * The traffic port: what the Route controller tells the gateways, and what they have confirmed. Plain values.
 */

/** What one Route serves: its targets after resolution, and the addresses. */
export interface RouteAssignment {
  /** `namespace/name`. */
  route: string;
  /** The hosts that split by percent. */
  hosts: string[];
  /** Revisions by name in the Route's namespace; percents total 100, or no target at all (the hosts then answer 503). */
  targets: { revision: string; percent: number }[];
  /** Hosts that go to one Revision alone. */
  named: { host: string; revision: string }[];
}

/** What the gateways need to know of a Revision besides its instances. */
export interface RevisionTraffic {
  /** `namespace/name`. */
  revision: string;
  configuration: string;
  protocol: "http1" | "h2c";
  concurrency: number;
  timeoutMs: number;
  /** Why it can't be served, as the reason word of a 503 and its detail; counts while it has no instance. */
  problem?: { reason: string; message: string };
}

export interface TrafficPort {
  /** Declares what a Route serves; returns the table version that says so. Unchanged assignments return the version that already did. */
  assign(assignment: RouteAssignment): number;
  /** The Route is gone. */
  unassign(route: string): number;
  /** Declares a Revision's limits; without it, a Revision isn't in the table. */
  setRevision(revision: RevisionTraffic): void;
  removeRevision(revision: string): void;
  /** Whether every member gateway serves this version or a later one. False while there is no member. */
  confirmed(version: number): boolean;
  /** Called whenever `confirmed` may answer differently. Returns the unsubscribing function. */
  subscribe(listener: () => void): () => void;
}
