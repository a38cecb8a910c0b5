/** The route table as a thread uses it: maps of what requests need. Only what changes is changed, all of it between two requests. */
import type { HostEntry, RevisionEntry } from "../routing/table.ts";
import { type Load, newLoad } from "./load.ts";
import type { NumberedChanges } from "./messages.ts";
import { splitSequence } from "../routing/split.ts";

/** An instance as one thread sees it. */
export interface Instance {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  /** Of its counter of requests in flight. */
  readonly index: number;
  readonly revision: RevisionState;
  /** Takes no request from this thread before this time (milliseconds of the thread's clock): it refused a connection. */
  ejectedUntil: number;
  /** How long the last such time was. */
  ejectedFor: number;
  /** Slots that this thread has taken. */
  mine: number;
  /** How many of them the next gateway counts as taken, while it is the one that gives slots out (see handover.ts). */
  told: number;
  /** Slots of this thread that hung work holds, until the instance has left the table. */
  lost: number;
}

export interface RevisionState {
  readonly name: string;
  readonly index: number;
  entry: RevisionEntry;
  instances: Instance[];
  /** Requests of this thread that wait for an instance, in the order of their tickets. */
  readonly waiters: Waiter[];
  /** Slots that the next gateway was asked for and hasn't given yet. */
  asked: number;
  /** False once it has left the table. */
  present: boolean;
  /** What this thread has to do for it. */
  readonly load: Load;
}

/** A request that waits. Exactly one of the two is called, once. */
export interface Waiter {
  readonly ticket: number;
  /** Memory that it holds while it waits. */
  readonly bytes: number;
  /** Its span, as `traceparent` writes it, where it is traced. */
  readonly trace?: string | undefined;
  granted(instance: Instance): void;
  /** The Revision will not serve it: it has left the table, or has a problem that waiting doesn't solve. */
  dismissed(): void;
}

export interface HostState {
  readonly entry: HostEntry;
  /** Index of the split's position; -1 when one target takes everything. */
  readonly split: number;
  /** For each of 100 positions an index into `entry.targets`; made when first needed. */
  order: Uint8Array | undefined;
}

export interface ThreadTable {
  version: number;
  readonly hosts: Map<string, HostState>;
  readonly revisions: Map<string, RevisionState>;
  /** How many hosts begin with `*.`. */
  wildcards: number;
  /** Of how many Revisions the app speaks HTTP/2. */
  http2: number;
}

export function newThreadTable(): ThreadTable {
  return { version: 0, hosts: new Map(), revisions: new Map(), wildcards: 0, http2: 0 };
}

/**
 * Makes the table's next version. Revisions that stay are the same objects with their new entry; `gone` are the instances that it doesn't have any
 * more, `left` its Revisions. The changes were checked by the hub.
 */
export function changeTable(table: ThreadTable, version: number, changes: NumberedChanges): Departed {
  const gone: Instance[] = [];
  const left: RevisionState[] = [];
  for (const [name, entry, index, numbers] of changes.revisions) {
    const known = table.revisions.get(name);
    table.http2 += (entry?.protocol === "h2c" ? 1 : 0) - (known?.entry.protocol === "h2c" ? 1 : 0);
    if (entry !== null) {
      const revision = known ?? makeRevision(name, index, entry);
      revision.entry = entry;
      gone.push(...replaceInstances(revision, numbers));
      table.revisions.set(name, revision);
    } else if (known !== undefined) {
      table.revisions.delete(name);
      left.push(known);
      gone.push(...known.instances);
      known.instances = [];
      known.present = false;
    }
  }
  for (const [name, entry, split] of changes.hosts) {
    const had = table.hosts.has(name);
    if (name.startsWith("*.")) table.wildcards += (entry === null ? 0 : 1) - (had ? 1 : 0);
    if (entry === null) table.hosts.delete(name);
    else table.hosts.set(name, { entry, split, order: undefined });
  }
  table.version = version;
  return { gone, left };
}

interface Departed {
  gone: Instance[];
  left: RevisionState[];
}

/** Gives the Revision the instances of its entry; those that stay are the same objects. Returns those that don't. */
function replaceInstances(revision: RevisionState, numbers: number[]): Instance[] {
  const given = revision.entry.instances;
  const before = revision.instances;
  const isSame = (instance: Instance | undefined, i: number): instance is Instance => {
    const one = given[i];
    if (one === undefined || instance === undefined || instance.index !== numbers[i]) return false;
    return instance.id === one.id && instance.host === one.host && instance.port === one.port;
  };
  // A change of something else.
  if (before.length === given.length && before.every(isSame)) return [];
  const old = new Map(before.map((instance) => [instance.id, instance]));
  revision.instances = given.map(({ id, host, port }, i) => {
    const known = old.get(id);
    if (isSame(known, i)) {
      old.delete(id);
      return known;
    }
    const index = numbers[i] ?? 0;
    return { id, host, port, index, revision, ejectedUntil: 0, ejectedFor: 0, mine: 0, told: 0, lost: 0 };
  });
  return [...old.values()];
}

function makeRevision(name: string, index: number, entry: RevisionEntry): RevisionState {
  return { name, index, entry, instances: [], waiters: [], asked: 0, present: true, load: newLoad() };
}

/** The split's order, for the first request that needs it. */
export function orderOf(host: HostState): Uint8Array {
  host.order ??= splitSequence(host.entry.targets.map((target) => target.percent));
  return host.order;
}
