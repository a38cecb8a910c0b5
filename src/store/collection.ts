import type { Change, CollectionView, Entry } from "./store.ts";

/** A change with what forgetting it needs. */
export interface Logged<V extends object> extends Change<V> {
  /** The version that it superseded; 0 where there was none. */
  readonly previousRevision: number;
  readonly previousCreated: number;
}

/** The first index of `list`, ordered by `at`, from `first` on whose element isn't before `wanted`. */
function lowerBound<T, K extends string | number>(
  list: readonly T[],
  wanted: K,
  at: (element: T) => K,
  first = 0,
): number {
  let low = first;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const element = list[middle];
    if (element !== undefined && at(element) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

const byKey = <V extends object>(a: Entry<V>, b: Entry<V>): number => (a.key < b.key ? -1 : 1);

/** Two lists in key order as one. */
function mergeSorted<V extends object>(left: readonly Entry<V>[], right: readonly Entry<V>[]): Entry<V>[] {
  const merged: Entry<V>[] = [];
  let at = 0;
  for (const entry of left) {
    for (let next = right[at]; next !== undefined && next.key < entry.key; next = right[at]) {
      merged.push(next);
      at += 1;
    }
    merged.push(entry);
  }
  return [...merged, ...right.slice(at)];
}

const keyOf = <V extends object>(entry: Entry<V>): string => entry.key;
const revisionOf = <V extends object>(change: Change<V>): number => change.revision;

/**
 * A collection that changes are applied to: the newest entries in key order, and a log. The log is an array with a moving
 * start, so that forgetting the oldest change costs nothing.
 */
export class Collection<V extends object> implements CollectionView<V> {
  readonly #entries = new Map<string, Entry<V>>();
  #ordered: Entry<V>[] = [];
  #log: Logged<V>[] = [];
  #start = 0;
  #forgotten: number;
  readonly #listeners = new Set<() => void>();

  constructor(forgotten: number) {
    this.#forgotten = forgotten;
  }

  get size(): number {
    return this.#entries.size;
  }

  get forgotten(): number {
    return this.#forgotten;
  }

  get(key: string): Entry<V> | undefined {
    return this.#entries.get(key);
  }

  range(prefix: string): readonly Entry<V>[] {
    if (prefix === "") return this.#ordered.slice();
    const first = lowerBound(this.#ordered, prefix, keyOf);
    // U+FFFF is greater than any code unit of a key, so this is the first key after those with the prefix.
    return this.#ordered.slice(first, lowerBound(this.#ordered, `${prefix}\uffff`, keyOf));
  }

  rangeAt(prefix: string, revision: number): readonly Entry<V>[] | undefined {
    const undo = this.changesAfter(revision, Number.POSITIVE_INFINITY);
    if (undo === undefined) return undefined;
    // What each touched key held at `revision` is what its first change after that replaced.
    const before = new Map<string, Entry<V> | undefined>();
    for (const { key, previous, previousRevision, previousCreated } of undo) {
      if (!key.startsWith(prefix) || before.has(key)) continue;
      const entry = { key, revision: previousRevision, created: previousCreated };
      before.set(key, previous === undefined ? undefined : { ...entry, value: previous });
    }
    const now = this.range(prefix);
    if (before.size === 0) return now;
    const kept = now.filter(({ key }) => !before.has(key));
    const restored = [...before.values()].filter((entry) => entry !== undefined).sort(byKey);
    return mergeSorted(kept, restored);
  }

  changesAfter(revision: number, limit: number): readonly Logged<V>[] | undefined {
    if (revision < this.#forgotten) return undefined;
    // Asked by each watch with each change: what is read must be what is new, and not what is kept.
    const first = lowerBound(this.#log, revision + 1, revisionOf, this.#start);
    return this.#log.slice(first, Math.min(this.#log.length, first + limit));
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Makes the change; nobody is told yet. */
  apply(change: { key: string; revision: number; value: V; deleted: boolean }): Logged<V> {
    const before = this.#entries.get(change.key);
    const index = lowerBound(this.#ordered, change.key, keyOf);
    if (change.deleted) {
      this.#entries.delete(change.key);
      if (before !== undefined) this.#ordered.splice(index, 1);
    } else {
      const created = before?.created ?? change.revision;
      const entry = { key: change.key, value: change.value, revision: change.revision, created };
      this.#entries.set(change.key, entry);
      this.#place(index, entry, before === undefined);
    }
    const logged = {
      ...change,
      previous: before?.value,
      previousRevision: before?.revision ?? 0,
      previousCreated: before?.created ?? 0,
    };
    this.#log.push(logged);
    return logged;
  }

  /**
   * Takes in a version read from disk that is older than the kept history. Gives the revisions that the file could drop:
   * the version that it superseded, and itself if it is a deletion.
   */
  restore(version: { key: string; revision: number; value: V; deleted: boolean }, created: number): number[] {
    const before = this.#entries.get(version.key);
    const needless = before === undefined ? [] : [before.revision];
    const index = lowerBound(this.#ordered, version.key, keyOf);
    if (version.deleted) {
      this.#entries.delete(version.key);
      if (before !== undefined) this.#ordered.splice(index, 1);
      return [...needless, version.revision];
    }
    const entry = { key: version.key, value: version.value, revision: version.revision, created };
    this.#entries.set(version.key, entry);
    this.#place(index, entry, before === undefined);
    return needless;
  }

  /** Puts an entry where it stands in order: in place of its last version, unless it is `fresh`. */
  #place(index: number, entry: Entry<V>, fresh: boolean): void {
    if (!fresh) this.#ordered[index] = entry;
    else if (index === this.#ordered.length) this.#ordered.push(entry);
    else this.#ordered.splice(index, 0, entry);
  }

  /** Forgets the oldest change. */
  forget(): Logged<V> | undefined {
    const oldest = this.#log[this.#start];
    if (oldest === undefined) return undefined;
    this.#start += 1;
    this.#forgotten = oldest.revision;
    if (this.#start > 256 && this.#start * 2 > this.#log.length) {
      this.#log = this.#log.slice(this.#start);
      this.#start = 0;
    }
    return oldest;
  }

  /** Tells the subscribers. */
  notify(): void {
    for (const listener of this.#listeners) listener();
  }
}
