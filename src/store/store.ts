/**
 * The embedded store: versioned JSON objects in one SQLite file.
 *
 * Every write gets the next number of one global counter, its revision. The newest version of each object, and the changes of
 * the last minutes with what was there before each, are held in memory as deeply frozen values; so reads, consistent lists at
 * an earlier revision and watches never wait for the disk. A write is acknowledged, and becomes visible, only after the
 * transaction that holds it has been synced: what was acknowledged survives SIGKILL and power loss at any moment, and nobody
 * has ever read what then got lost.
 *
 * SQLite runs in a worker thread. While it commits one group of writes, the next group gathers: one fsync for all of them.
 * Whether a write may happen (`expect`, `guard`) is decided when its group is formed, against exactly the state that it will
 * be applied to. A group that can't be written (disk full, I/O error) is rejected as a whole, in memory and on disk alike.
 */
import type { KubeObject } from "../api/meta/types.ts";

/** The newest version of one object. */
export interface Entry<V extends object = KubeObject> {
  readonly key: string;
  /** Deeply frozen and shared: copy before changing. */
  readonly value: V;
  /** The revision of the write that made this version. */
  readonly revision: number;
  /** The revision at which the object came into being. */
  readonly created: number;
}

/** One committed write. */
export interface Change<V extends object = KubeObject> {
  readonly key: string;
  readonly revision: number;
  /** The new state; of a deletion the last state, as the deleting write stamped it. */
  readonly value: V;
  readonly deleted: boolean;
  /** What was there before; absent where the write created the object. */
  readonly previous: V | undefined;
}

/** One write. */
export interface Write<V extends object = KubeObject> {
  /** A namespace of keys, such as `elafros.dev/routes`. */
  readonly collection: string;
  readonly key: string;
  /** `delete` removes the object; its `value` is the last state that watches are told. */
  readonly action: "put" | "delete";
  /** The revision that the object must have now; 0: it must not exist. */
  readonly expect: number;
  /** Makes the value once its revision is known. Runs on the caller's thread; what it gives is copied. */
  readonly value: (revision: number) => V;
  /** Refuses the write by throwing, seeing the state that it would be applied to. */
  readonly guard?: (read: (collection: string, key: string) => Entry<V> | undefined) => void;
}

/** `expect` wasn't met. */
export class RevisionMismatch extends Error {
  override readonly name = "RevisionMismatch";
  /** The revision that the object has; 0 where it doesn't exist. */
  readonly found: number;

  constructor(key: string, expected: number, found: number) {
    super(`Cannot write "${key}": expected revision ${expected}, found ${found}`);
    this.found = found;
  }
}

/** The objects of one collection, in memory, with their recent changes. Reads only; keys are ordered by code unit. */
export interface CollectionView<V extends object = KubeObject> {
  readonly size: number;
  /** Changes up to this revision are forgotten: only later revisions can be resumed after or listed at. */
  readonly forgotten: number;
  get(key: string): Entry<V> | undefined;
  /** The entries whose keys start with `prefix`, in order. */
  range(prefix: string): readonly Entry<V>[];
  /** The same as it was at `revision`; undefined where that is forgotten. */
  rangeAt(prefix: string, revision: number): readonly Entry<V>[] | undefined;
  /** The changes after `revision`, oldest first, at most `limit`; undefined where some of them are forgotten. */
  changesAfter(revision: number, limit: number): readonly Change<V>[] | undefined;
  /** Calls back after changes were applied, once for each group; the returned function ends it. */
  subscribe(listener: () => void): () => void;
}

export interface Store<V extends object = KubeObject> {
  /** The newest committed revision. */
  readonly revision: number;
  /** The collection of that name, empty where nothing was ever written to it. */
  collection(name: string): CollectionView<V>;
  /** Names of the collections that hold or held something. */
  collections(): readonly string[];
  /**
   * Resolves with the committed entry, after it is on disk. Rejects with RevisionMismatch, with what `guard` or `value` threw,
   * or with an ApiError: `RequestEntityTooLarge`, `ServiceUnavailable` where the disk is full or fails.
   */
  write(write: Write<V>): Promise<Entry<V>>;
  /** Resolves after every write that was asked for has settled and the file is closed. Later writes are rejected. */
  close(): Promise<void>;
}

/** How much history is kept for watches to resume from and lists to continue at. The oldest goes first, by each measure. */
export interface History {
  changes: number;
  bytes: number;
  ageMs: number;
}

/** 8,192 changes, 16 MiB, 10 minutes: bookmarks come every minute, so a live watch never falls out. */
export const defaultHistory: History = { changes: 8192, bytes: 16 * 1024 * 1024, ageMs: 600_000 };
