/** Groups of writes: which of the waiting ones go together, and what each comes to. */
import { ApiError } from "../api/meta/errors.ts";
import { deepFreeze } from "./freeze.ts";
import type { Row } from "./protocol.ts";
import { RevisionMismatch } from "./store.ts";
import type { Entry, Write } from "./store.ts";

/** As etcd's limit on one request. */
const maxObjectBytes = 1_572_864;
/** One group's limits: what it costs to prepare on the caller's thread, in one turn of its loop, stays below two milliseconds. */
const maxGroup = { writes: 32, bytes: 131_072, ms: 0.5 };

/** A write that somebody waits for. */
export interface Pending<V extends object> {
  write: Write<V>;
  resolve: (entry: Entry<V>) => void;
  reject: (error: unknown) => void;
}

/** One write of a group. */
interface Prepared<V extends object> {
  pending: Pending<V>;
  row: Row;
  value: V;
}

/** What one transaction holds, and the writes that were refused while it was formed. */
export interface Group<V extends object> {
  prepared: Prepared<V>[];
  refused: { pending: Pending<V>; error: unknown }[];
  drop: number[];
  /** The newest revision after it. */
  revision: number;
}

/** The state that a group is applied to. */
interface Base<V extends object> {
  read: (collection: string, key: string) => Entry<V> | undefined;
  revision: number;
  drop: number[];
}

/** Takes writes from the front of the queue, deciding each against the committed state and the writes before it in the group. */
export function formGroup<V extends object>(
  queue: readonly Pending<V>[],
  base: Base<V>,
): { group: Group<V>; rest: Pending<V>[] } {
  const group: Group<V> = { prepared: [], refused: [], drop: base.drop, revision: base.revision };
  const ahead = new Map<string, Entry<V> | undefined>();
  const read = (collection: string, key: string): Entry<V> | undefined => {
    const id = `${collection}\0${key}`;
    return ahead.has(id) ? ahead.get(id) : base.read(collection, key);
  };
  let bytes = 0;
  let taken = 0;
  const until = performance.now() + maxGroup.ms;
  for (const pending of queue) {
    if (taken >= maxGroup.writes || bytes >= maxGroup.bytes || (taken > 0 && performance.now() > until)) break;
    taken += 1;
    try {
      const prepared = prepare(pending, { read, revision: group.revision + 1 });
      const { row, value } = prepared;
      const { collection, key, revision, created } = row;
      group.prepared.push(prepared);
      group.revision = revision;
      ahead.set(`${collection}\0${key}`, row.deleted === 1 ? undefined : { key, value, revision, created });
      bytes += row.value.length;
    } catch (error) {
      group.refused.push({ pending, error });
    }
  }
  return { group, rest: queue.slice(taken) };
}

function prepare<V extends object>(
  pending: Pending<V>,
  { read, revision }: { read: Base<V>["read"]; revision: number },
): Prepared<V> {
  const { collection, key, action, expect, guard, value: make } = pending.write;
  guard?.(read);
  const before = read(collection, key);
  const found = before?.revision ?? 0;
  if (found !== expect) throw new RevisionMismatch(key, expect, found);
  const text = JSON.stringify(make(revision));
  if (text.length > maxObjectBytes) {
    throw new ApiError("RequestEntityTooLarge", `Request entity too large: limit is ${maxObjectBytes}`);
  }
  // Parsed anew, memory holds exactly what a restart would read, and nothing that a caller could still change.
  const value = deepFreeze(JSON.parse(text) as V);
  const created = before?.created ?? revision;
  return {
    pending,
    value,
    row: { revision, collection, key, created, deleted: action === "delete" ? 1 : 0, value: text },
  };
}
