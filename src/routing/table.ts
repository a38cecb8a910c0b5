import type { Affinity, RequestTest } from "./traffic.ts";

/**
 * The route table: everything that a gateway knows. Plain JSON, its entries immutable, acknowledged by version, kept in one file from which a
 * gateway starts when control is away. It holds hosts, splits, revisions, instance addresses and limits: no API objects. From version to version
 * a gateway is told the differences (changes.ts), or the whole.
 */
export interface RouteTable {
  /** Grows with every table of this installation, also over restarts of control. */
  version: number;
  /**
   * By host name in lower case without port: `my-service.default.localhost`, `next.my-service.default.localhost`, `my-service.default`,
   * `www.example.com`; `*.example.com` stands for the hosts one label below that have no entry.
   */
  hosts: Record<string, HostEntry>;
  /** By `namespace/name` of the Revision. */
  revisions: Record<string, RevisionEntry>;
}

export interface HostEntry {
  /** `namespace/name` of the Route, for metrics and logs. */
  route: string;
  /** `namespace/name` of a Revision and its percent; together 100. A named address has one target with 100. */
  targets: { revision: string; percent: number }[];
  /** Requests that go to one Revision, `namespace/name`, before all else: the first entry of which any test holds. */
  match?: { revision: string; tests: RequestTest[] }[];
  /** Requests with a key that don't match go to their key's target, all others by the split. */
  affinity?: Affinity;
  /** Requests are counted for a guard; `slowMs` as in the assignment. */
  guard?: { slowMs: number };
}

export interface RevisionEntry {
  /** `namespace/name` of the Configuration. */
  configuration: string;
  protocol: "http1" | "h2c";
  /** Most requests at once per instance; 0 is no limit. */
  concurrency: number;
  /** Until the response begins. */
  timeoutMs: number;
  /** Those that take requests. One that left the table is drained by the gateway. */
  instances: { id: string; host: string; port: number }[];
  /** Why it has no instance, as a reason word for `elafros-reason`; absent while it is starting. */
  problem?: { reason: string; message: string };
}

/** An empty table, for a gateway that was never told anything. */
export const emptyTable: RouteTable = { version: 0, hosts: {}, revisions: {} };

/** The same table as maps: what is worked on, as a name may be one that objects have already (`__proto__`). */
export interface TableMaps {
  version: number;
  hosts: ReadonlyMap<string, HostEntry>;
  revisions: ReadonlyMap<string, RevisionEntry>;
}

export function mapsOf({ version, hosts, revisions }: RouteTable): TableMaps {
  return { version, hosts: new Map(Object.entries(hosts)), revisions: new Map(Object.entries(revisions)) };
}

export function tableOf({ version, hosts, revisions }: TableMaps): RouteTable {
  return { version, hosts: Object.fromEntries(hosts), revisions: Object.fromEntries(revisions) };
}
