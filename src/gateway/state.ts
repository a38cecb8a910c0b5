/** A route table as a thread uses it: maps of what requests need, made once per table, with what stays carried over from the last one. */
import type { HostEntry, RevisionEntry, RouteTable } from "../routing/table.ts";
import { type Load, newLoad } from "./load.ts";
import type { TableUpdate } from "./messages.ts";
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
  readonly version: number;
  readonly hosts: ReadonlyMap<string, HostState>;
  /** Whether some host begins with `*.`. */
  readonly wildcards: boolean;
  readonly revisions: ReadonlyMap<string, RevisionState>;
  /** Some Revision's app speaks HTTP/2. */
  readonly anyHttp2: boolean;
}

export const noTable: ThreadTable = {
  version: 0,
  hosts: new Map(),
  wildcards: false,
  revisions: new Map(),
  anyHttp2: false,
};

/**
 * Makes the next table. Revisions that stay are the same objects with their new entry; `gone` are the instances that the new table doesn't
 * have, `left` its Revisions. The update was checked by the hub.
 */
export function nextTable(update: TableUpdate, before: ThreadTable): NextTable {
  const source = JSON.parse(update.json) as RouteTable;
  const gone: Instance[] = [];
  const revisions = new Map<string, RevisionState>();
  let next = 0;
  let anyHttp2 = false;
  for (const [i, [name, entry]] of Object.entries(source.revisions).entries()) {
    const index = update.revisions[i] ?? 0;
    const revision = before.revisions.get(name) ?? makeRevision(name, index, entry);
    revision.entry = entry;
    anyHttp2 ||= entry.protocol === "h2c";
    const numbers = update.instances.subarray(next, next + entry.instances.length);
    next += entry.instances.length;
    gone.push(...replaceInstances(revision, numbers));
    revisions.set(name, revision);
  }
  const left: RevisionState[] = [];
  for (const [name, revision] of before.revisions) {
    if (revisions.has(name)) continue;
    left.push(revision);
    gone.push(...revision.instances);
    revision.instances = [];
    revision.present = false;
  }
  const hosts = makeHosts(source, update);
  const wildcards = [...hosts.keys()].some((name) => name.startsWith("*."));
  return { table: { version: update.version, hosts, wildcards, revisions, anyHttp2 }, gone, left };
}

export interface NextTable {
  table: ThreadTable;
  gone: Instance[];
  left: RevisionState[];
}

/** Gives the Revision the instances of its entry; those that stay are the same objects. Returns those that don't. */
function replaceInstances(revision: RevisionState, numbers: Int32Array): Instance[] {
  const given = revision.entry.instances;
  const before = revision.instances;
  const isSame = (instance: Instance | undefined, i: number): instance is Instance => {
    const one = given[i];
    if (one === undefined || instance === undefined || instance.index !== numbers[i]) return false;
    return instance.id === one.id && instance.host === one.host && instance.port === one.port;
  };
  // The usual case: most Revisions of a table are as they were.
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

function makeHosts(source: RouteTable, update: TableUpdate): Map<string, HostState> {
  const hosts = new Map<string, HostState>();
  for (const [i, [name, entry]] of Object.entries(source.hosts).entries()) {
    hosts.set(name, { entry, split: update.splits[i] ?? -1, order: undefined });
  }
  return hosts;
}

/** The split's order, for the first request that needs it. */
export function orderOf(host: HostState): Uint8Array {
  host.order ??= splitSequence(host.entry.targets.map((target) => target.percent));
  return host.order;
}
