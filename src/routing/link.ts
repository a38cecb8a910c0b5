/**
 * What control and a gateway say to each other: one stream per gateway over a local socket, one JSON message a line (NDJSON).
 * The gateway connects, says hello, and reconnects for ever; control answers with its table and then with what changes in it, or with each new
 * one whole to a gateway that doesn't say that it takes changes. A gateway says hello before it serves anything, and counts from then on.
 */
import type { CertificateUpdate } from "./certificates.ts";
import type { HostEntry, RevisionEntry, RouteTable } from "./table.ts";

/** The lease of a member, renewed by each message; a gateway says something at least every `leaseRenewMs`. */
export const leaseMs = 10_000;
export const leaseRenewMs = 2_000;
/** A gateway without control tries to connect at least this often. */
export const reconnectMs = 1_000;

export type GatewayMessage =
  /**
   * First on each connection. `serving` is the version that all its threads serve (0 before any table). `changes`: it takes them; a gateway of
   * an earlier version doesn't say so. `shares`: it uses only slots of limited instances that it was given (shares.ts), and has these.
   */
  | {
      type: "hello";
      gateway: string;
      pid: number;
      serving: number;
      draining: string[];
      changes?: boolean;
      shares?: HeldShares;
    }
  /** All threads serve this version. `draining`: instances that left the table and still have requests. */
  | { type: "ack"; version: number; draining: string[] }
  /** All threads have the certificates of this version. */
  | { type: "certified"; version: number }
  /** An instance that left the table has no request any more. */
  | { type: "drained"; instance: string }
  /** Renews the lease. Control answers the same to a gateway elsewhere, which finds out by it that a connection leads nowhere. */
  | { type: "alive" }
  /** It serves nothing any more and exits: the last on a connection. */
  | { type: "ended" }
  /** An instance holds a slot whose client was answered or has gone, for longer than allowed: replace it. */
  | { type: "hung"; revision: string; instance: string }
  /**
   * The first request waits for a Revision without instances. Said again on each connection, as long as one waits. `trace`: that request's
   * span, as `traceparent` writes it, where it is traced.
   */
  | { type: "demand"; revision: string; trace?: string }
  /** Slots that it has no more: requests that it was asked to give them up for have ended, or their instance has left its table. */
  | { type: "gave"; slots: InstanceSlots[] }
  /** Where requests wait for limited Revisions, how many do and how many are under way: said at once, as it changes, and when none waits any more. */
  | { type: "wants"; revisions: [revision: string, waiting: number, busy: number][] }
  /** Each second: what each Revision had to do in the `ms` before, over all threads. Those without a request are left out. */
  | { type: "load"; ms: number; revisions: RevisionLoad[] }
  /** What became of the requests that ended since the last such message, and what is under way; not said where there is neither. */
  | { type: "outcomes"; outcomes: Outcome[] }
  /** Of the access log and of traces, since the last such message; not said where nothing was lost or sent. */
  | { type: "seen"; linesDropped: number; spansSent: number; spansDropped: number };

/** Slots of an instance. */
export type InstanceSlots = [instance: string, slots: number];

export interface HeldShares {
  /** Names where it runs. No two gateways run there at a time: who says hello from there has taken the place of who was there before. */
  place: string;
  slots: InstanceSlots[];
}

/** Requests of a Route that go to a Revision; empty names where none was found. */
export interface Outcome {
  route: string;
  revision: string;
  /** How many, by status. */
  codes: Record<string, number>;
  /** How many took no longer than each of `latencySteps`, but longer than the one before; the last: longer than all. */
  steps: number[];
  /** How long all took together. */
  ms: number;
  /** How many have begun and not ended, and how many of those wait for an instance. */
  running: number;
  waiting: number;
  /** Only of Routes with a guard: how many count for it, how many of these failed, how many were slow. */
  guard?: [requests: number, errors: number, slow: number];
}

/** Seconds, from a request's arrival to the end of its answer. */
export const latencySteps = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/** In this order, as there may be many: `namespace/name`, requests in flight and waiting on average, requests that came, requests that wait now. */
export type RevisionLoad = [revision: string, concurrency: number, requests: number, waiting: number];

/**
 * What differs in `version` from the one that was said before on this connection: `from`. By name the new entry, null where it has gone. A gateway
 * that has another version ends the connection: hello brings the whole.
 */
export interface TableChange {
  type: "change";
  from: number;
  version: number;
  hosts: [name: string, entry: HostEntry | null][];
  revisions: [name: string, entry: RevisionEntry | null][];
}

/**
 * `more`: slots that the gateway may use besides those that it has, of instances of the table's `version` and perhaps not of later ones. `keep`: by
 * Revision how many of its slots it should keep, the others are to be given up as requests end; null: all. What was said before stays in force for
 * Revisions that aren't named, until the connection ends.
 */
export interface SharesMessage {
  type: "shares";
  version: number;
  more: InstanceSlots[];
  keep: [revision: string, most: number | null][];
}

export type ControlMessage =
  | { type: "table"; table: RouteTable }
  | TableChange
  /** Only to gateways that said `shares`. */
  | SharesMessage
  /** In answer to hello: control has just started and has no table yet. Until it has, it gives up no instance: serve what you have. */
  | { type: "later" }
  /** In answer to the same, to gateways elsewhere. */
  | { type: "alive" }
  /** The first on a connection is whole. */
  | { type: "certificates"; update: CertificateUpdate }
  /** Control is about to end the gateway: end streaming and upgraded connections that are older than this. */
  | { type: "shed"; maxConnectionAgeMs: number };
