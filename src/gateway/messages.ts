/** What the hub (the process's first thread) and its serving threads tell each other, and what a thread is started with. */
import type { MessagePort } from "node:worker_threads";
import type { Span } from "../lib/otlp/span.ts";
import type { CertificateUpdate } from "../routing/certificates.ts";
import type { Outcome } from "../routing/link.ts";
import type { HostEntry, RevisionEntry } from "../routing/table.ts";
import type { SharedMemory } from "./memory.ts";
import type { FullGatewayOptions } from "./options.ts";
import type { LogLine } from "./thread-log.ts";

/**
 * What changes in the table, on its way to the threads: as text of `NumberedChanges`, which each thread parses for itself. `version` is what the
 * table is then.
 */
export interface TableUpdate {
  version: number;
  json: string;
}

/** Changes, each name once, with the indices of the shared counters; entries are null where they have gone. */
export interface NumberedChanges {
  /** `split` is -1 where one target takes everything. */
  hosts: [name: string, entry: HostEntry | null, split: number][];
  /** `instances` in the entry's order. */
  revisions: [name: string, entry: RevisionEntry | null, index: number, instances: number[]][];
}

/** A Revision's load in one thread since its last report. */
export interface RevisionLoad {
  revision: string;
  /** How long requests were in flight and waited, in milliseconds, of all together. */
  area: number;
  /** Requests that came. */
  requests: number;
  /** Requests that wait now. */
  waiting: number;
}

export interface ThreadData {
  thread: number;
  options: FullGatewayOptions;
  memory: SharedMemory;
  /** To each other thread, by number; its own place is null. A message is "look at your queues". */
  ports: (MessagePort | null)[];
}

export type ToThread =
  /** The first: accept connections, with this whole table. */
  | { type: "serve"; table: TableUpdate; certificates: CertificateUpdate | undefined }
  | { type: "table"; table: TableUpdate }
  | { type: "certificates"; update: CertificateUpdate }
  /** Stop accepting; finish what there is; then say `empty`. */
  | { type: "drain" }
  /** End streaming and upgraded connections that are older. */
  | { type: "shed"; maxAgeMs: number }
  /** Ask for slots from now on, and say what you hold; take them yourself again; here is one. See handover.ts. */
  | { type: "ask" }
  | { type: "own" }
  | { type: "granted"; revision: string; instance: string }
  /** The hub freed a slot: look at your queues. */
  | { type: "look" }
  /** Say `load`. */
  | { type: "report" }
  /** Drop everything. */
  | { type: "close" };

export type FromThread =
  /** Ready for `serve`. */
  | { type: "loaded" }
  /** All listeners accept. */
  | { type: "serving" }
  /** This version is in force, for new requests and for those that waited. */
  | { type: "swapped"; version: number }
  /** The certificates of this version are in force. */
  | { type: "certified"; version: number }
  /** The last slot of an instance that left the table was given back. */
  | { type: "idle"; instance: string }
  | { type: "hung"; revision: string; instance: string }
  /** A request waits for a Revision without instances; `trace` is its span. */
  | { type: "demand"; revision: string; trace?: string }
  /** A first request waits for a limited Revision; only where limits are shared with other gateways (slots.ts). */
  | { type: "short"; revision: string }
  /** In answer to `report`; of the access log's lines, how many were dropped. */
  | { type: "load"; revisions: RevisionLoad[]; outcomes: Outcome[]; linesDropped: number }
  /** Spans of requests that have ended, and how many more were dropped. */
  | { type: "spans"; spans: Span[]; dropped: number }
  | LogLine
  /** The hub should look at its queue. */
  | { type: "look" }
  /** In answer to `ask`: slots held by instance; then what is wanted, and what was given back. */
  | { type: "asking"; held: Record<string, number> }
  | { type: "want"; revision: string }
  | { type: "returned"; instance: string }
  /** Drained: no connection is left. */
  | { type: "empty" };
