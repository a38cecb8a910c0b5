import { Worker } from "node:worker_threads";
import { ApiError } from "../api/meta/errors.ts";
import type { KubeObject } from "../api/meta/types.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { Collection } from "./collection.ts";
import { writeFailure } from "./failure.ts";
import { deepFreeze } from "./freeze.ts";
import { formGroup } from "./group.ts";
import type { Group, Pending } from "./group.ts";
import { HistoryKeeper } from "./history.ts";
import type { Reply, Row, WorkerOptions } from "./protocol.ts";
import { defaultHistory } from "./store.ts";
import type { CollectionView, Entry, History, Store, Write } from "./store.ts";

/** How long a turn of the event loop may take for rows that are read, in milliseconds: what else it has to do is not held up for longer. */
const turnMs = 0.5;

export interface StoreOptions {
  /** The SQLite file; made where it isn't there. Its directory must exist. */
  path: string;
  log: Log;
  clock: Clock;
  history?: History;
  /** The most bytes that the file may grow to; writes beyond are refused like on a full disk. */
  maxBytes?: number;
  /** Told once where the store can't go on (its thread died): restart the process. */
  onFatal?: (error: Error) => void;
}

/**
 * Opens the store, reading all of it into memory.
 * Rejects with an Error that says in a sentence why the file can't be used: a newer schema, damage, no rights.
 */
export async function openStore<V extends object = KubeObject>(options: StoreOptions): Promise<Store<V>> {
  const file = import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js";
  const workerData: WorkerOptions = {
    path: options.path,
    ...(options.maxBytes === undefined ? {} : { maxBytes: options.maxBytes }),
  };
  const worker = new Worker(new URL(file, import.meta.url), { workerData, name: "store" });
  const store = new SqliteStore<V>(worker, options);
  await store.loaded;
  return store;
}

class SqliteStore<V extends object> implements Store<V> {
  /** Resolves once the file's content is in memory. */
  readonly loaded: Promise<void>;
  readonly #worker: Worker;
  readonly #options: StoreOptions;
  readonly #history: HistoryKeeper<V>;
  readonly #collections = new Map<string, Collection<V>>();
  readonly #closed = Promise.withResolvers<void>();
  #queue: Pending<V>[] = [];
  #group: Group<V> | undefined;
  #groups = 0;
  #scheduled = false;
  #closing = false;
  #fatal: Error | undefined;
  #revision = 0;

  constructor(worker: Worker, options: StoreOptions) {
    this.#worker = worker;
    this.#options = options;
    this.#history = new HistoryKeeper(options.history ?? defaultHistory, options.clock, () => this.#flush(true));
    const loaded = Promise.withResolvers<void>();
    this.loaded = loaded.promise;
    worker.on("message", (reply: Reply) => this.#receive(reply, loaded));
    worker.on("error", (error) => this.#die(new Error("The store's thread failed", { cause: error }), loaded));
    worker.on("exit", () => {
      if (this.#closing && this.#queue.length === 0) this.#closed.resolve();
      else this.#die(new Error("The store's thread stopped"), loaded);
    });
  }

  get revision(): number {
    return this.#revision;
  }

  collection(name: string): CollectionView<V> {
    return this.#collection(name);
  }

  collections(): readonly string[] {
    return [...this.#collections.keys()];
  }

  write(write: Write<V>): Promise<Entry<V>> {
    if (this.#fatal !== undefined || this.#closing) {
      const message = "Cannot store the object: the store is closed. Try again in a moment";
      return Promise.reject(new ApiError("ServiceUnavailable", message, { cause: this.#fatal }));
    }
    const { promise, resolve, reject } = Promise.withResolvers<Entry<V>>();
    this.#queue.push({ write, resolve, reject });
    this.#schedule();
    return promise;
  }

  async close(): Promise<void> {
    if (!this.#closing) {
      this.#closing = true;
      this.#history.stop();
      if (this.#group === undefined && this.#queue.length === 0 && !this.#fatal)
        this.#worker.postMessage({ do: "close" });
    }
    await this.#closed.promise;
  }

  #collection(name: string): Collection<V> {
    let collection = this.#collections.get(name);
    if (collection === undefined) {
      // A name without a collection was not written to since the last start: only what came before that is unknown.
      collection = new Collection<V>(this.#history.forgottenAtStart);
      this.#collections.set(name, collection);
    }
    return collection;
  }

  /** The writes of one tick go together. */
  #schedule(): void {
    if (this.#scheduled || this.#group !== undefined) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  /** Sends the next group. `tidy` makes one even where nothing is to be written, to remove versions. */
  #flush(tidy = false): void {
    if (this.#group !== undefined || this.#fatal !== undefined) return;
    if (this.#queue.length === 0 && !tidy) {
      if (this.#closing) this.#worker.postMessage({ do: "close" });
      return;
    }
    const drop = this.#history.takeDropped(this.#queue.length === 0 ? 4096 : 256);
    const read = (collection: string, key: string): Entry<V> | undefined => this.#collections.get(collection)?.get(key);
    const { group, rest } = formGroup(this.#queue, { read, revision: this.#revision, drop });
    this.#queue = rest;
    if (group.prepared.length === 0 && drop.length === 0) {
      this.#settle(group);
      return;
    }
    this.#group = group;
    this.#groups += 1;
    this.#worker.postMessage({
      do: "commit",
      id: this.#groups,
      rows: group.prepared.map(({ row }) => row),
      drop,
      revision: group.revision,
      forgotten: this.#history.forgotten,
    });
  }

  #receive(reply: Reply, loaded: PromiseWithResolvers<void>): void {
    switch (reply.is) {
      case "opened":
        this.#revision = reply.revision;
        this.#history.begin(reply.forgotten);
        this.#worker.postMessage({ do: "next" });
        break;
      case "rows":
        // Not here: what the thread says meanwhile would be taken in the same turn of the loop.
        setImmediate(() => this.#take(reply.rows, 0, loaded));
        break;
      case "ready":
        loaded.resolve();
        break;
      case "unusable":
        this.#fatal = new Error(reply.message);
        this.#history.stop();
        loaded.reject(this.#fatal);
        void this.#worker.terminate();
        break;
      case "settled":
        this.#settled(reply);
        break;
      case "closed":
        this.#closed.resolve();
        break;
    }
  }

  /** Takes a part of the file in, from a row on, for as long as a turn of the loop may last; asks for the next part with the last row. */
  #take(rows: readonly Row[], first: number, loaded: PromiseWithResolvers<void>): void {
    try {
      const until = performance.now() + turnMs;
      let at = first;
      do {
        const row = rows[at++];
        if (row !== undefined) this.#load(row);
      } while (at < rows.length && performance.now() < until);
      if (at < rows.length) setImmediate(() => this.#take(rows, at, loaded));
      else this.#worker.postMessage({ do: "next" });
    } catch (error) {
      loaded.reject(error);
    }
  }

  /** Rebuilds an entry and history from a row; they come in the order of their revisions. */
  #load(row: Row): void {
    const collection = this.#collection(row.collection);
    const value = deepFreeze(JSON.parse(row.value) as V);
    const change = { key: row.key, revision: row.revision, value, deleted: row.deleted === 1 };
    if (row.revision > this.#history.forgottenAtStart) {
      this.#history.add(collection, collection.apply(change), row.value.length);
    } else {
      this.#history.drop(collection.restore(change, row.created));
    }
  }

  #settled(reply: Extract<Reply, { is: "settled" }>): void {
    const group = this.#group;
    if (group === undefined || reply.id !== this.#groups) return;
    this.#group = undefined;
    const { failure } = reply;
    // A commit whose sync failed may still stand in the file: then memory follows the file, not the error.
    const stands = group.prepared.length > 0 && reply.revision === group.revision;
    if (failure !== undefined && !stands) this.#fail(group, failure);
    else this.#apply(group);
    this.#schedule(); // not at once: what was just told has its consequences first
  }

  #apply(group: Group<V>): void {
    const touched = new Set<Collection<V>>();
    for (const { row, value } of group.prepared) {
      const collection = this.#collection(row.collection);
      const change = { key: row.key, revision: row.revision, value, deleted: row.deleted === 1 };
      this.#history.add(collection, collection.apply(change), row.value.length);
      touched.add(collection);
    }
    this.#revision = group.revision;
    this.#history.trim();
    this.#settle(group);
    for (const collection of touched) collection.notify();
  }

  #settle(group: Group<V>): void {
    for (const { pending, row, value } of group.prepared) {
      pending.resolve({ key: row.key, value, revision: row.revision, created: row.created });
    }
    for (const { pending, error } of group.refused) pending.reject(error);
    if (group.prepared.length === 0 && this.#group === undefined) this.#schedule();
  }

  #fail(group: Group<V>, failure: { message: string; code?: number }): void {
    const error = writeFailure(this.#options.path, failure);
    this.#options.log.error({ error, code: failure.code }, "store cannot write");
    this.#history.drop(group.drop);
    for (const { pending } of [...group.prepared, ...group.refused]) pending.reject(error);
  }

  #die(error: Error, loaded: PromiseWithResolvers<void>): void {
    if (this.#fatal !== undefined) return;
    this.#fatal = error;
    loaded.reject(error);
    const answer = new ApiError("ServiceUnavailable", "Cannot store the object: the store stopped", { cause: error });
    const group = this.#group;
    this.#group = undefined;
    for (const { pending } of [...(group?.prepared ?? []), ...(group?.refused ?? [])]) pending.reject(answer);
    for (const pending of this.#queue.splice(0)) pending.reject(answer);
    this.#history.stop();
    this.#closed.resolve();
    this.#options.onFatal?.(error);
  }
}
