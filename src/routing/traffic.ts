/**
 * The traffic port: what the Route controller tells the gateways, and what they have confirmed. Plain values.
 */

/** A test of a request: a header field (its name in lower case) that is, or begins with, a text; or a cookie. */
export type RequestTest =
  | { header: string; exact: string }
  | { header: string; prefix: string }
  | { cookie: string; exact: string };

/** What of a request tells clients apart: a header field, its name in lower case, or a cookie, which the gateway gives to who has none. */
export type AffinityKey =
  | { header: string }
  /** For how long the client keeps it; 0: until its session ends. */
  | { cookie: string; maxAgeSeconds: number };

/** Which target a key's requests go to. */
export interface Affinity {
  key: AffinityKey;
  /** For each hundredth of all keys an index into the targets; each target has as many as its percent. */
  slots: number[];
}

/** What one Route serves: its targets after resolution, and the addresses. */
export interface RouteAssignment {
  /** `namespace/name`. */
  route: string;
  /** The hosts that split by percent. */
  hosts: string[];
  /** Further hosts that split by percent, and `*.` hosts; they never take one that a Route has by its name. */
  domains?: string[];
  /** Revisions by name in the Route's namespace; percents total 100, or no target at all (the hosts then answer 503). */
  targets: { revision: string; percent: number }[];
  /** Hosts that go to one Revision alone. */
  named: { host: string; revision: string }[];
  /** Requests that go to one Revision whatever the percents: the first entry of which any test holds. */
  match?: { revision: string; tests: RequestTest[] }[];
  /** Clients that stay with their target; not there without targets. */
  affinity?: Affinity;
  /** Requests are counted for a guard. `slowMs`: until its answer begins, a request may take so long; 0 is any time. */
  guard?: { slowMs: number };
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

/** Requests that ended, those of them with a status of 500 or more, and those that took longer than the guard's limit until their answer began. */
export interface GuardCount {
  requests: number;
  errors: number;
  slow: number;
}

/** What gateways say of requests of Routes with a guard. */
export interface OutcomesPort {
  /** Requests of the Route that ended at the Revision (both `namespace/name`) after `at`, milliseconds since the epoch, as far as is known. */
  since(route: string, revision: string, at: number): GuardCount;
  /** Called with a Route of which there is news. Returns the unsubscribing function. */
  subscribe(listener: (route: string) => void): () => void;
}
