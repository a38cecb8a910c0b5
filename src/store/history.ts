import type { Clock } from "../lib/clock.ts";
import type { Collection, Logged } from "./collection.ts";
import type { History } from "./store.ts";

const trimIntervalMs = 60_000;

interface Kept<V extends object> {
  collection: Collection<V>;
  revision: number;
  bytes: number;
  at: number;
}

/**
 * Decides how long changes are remembered, over all collections, and gathers the versions that the file no longer needs:
 * what a forgotten change superseded, and a forgotten deletion itself.
 */
export class HistoryKeeper<V extends object> {
  readonly #limits: History;
  readonly #clock: Clock;
  readonly #wake: () => void;
  #kept: Kept<V>[] = [];
  #start = 0;
  #bytes = 0;
  #dropped: number[] = [];
  #forgotten = 0;
  #atStart = 0;
  #cancel: () => void = () => {};

  constructor(limits: History, clock: Clock, wake: () => void) {
    this.#limits = limits;
    this.#clock = clock;
    this.#wake = wake;
  }

  /** Everything up to it is forgotten, in every collection. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** The same when the store was opened. */
  get forgottenAtStart(): number {
    return this.#atStart;
  }

  begin(forgotten: number): void {
    this.#forgotten = forgotten;
    this.#atStart = forgotten;
    this.#tick();
  }

  stop(): void {
    this.#cancel();
  }

  add(collection: Collection<V>, change: Logged<V>, bytes: number): void {
    this.#kept.push({ collection, revision: change.revision, bytes, at: this.#clock.now() });
    this.#bytes += bytes;
  }

  /** Forgets what is beyond the limits. */
  trim(): void {
    const { changes, bytes, ageMs } = this.#limits;
    const oldest = this.#clock.now() - ageMs;
    for (;;) {
      const kept = this.#kept[this.#start];
      if (kept === undefined) break;
      if (this.#kept.length - this.#start <= changes && this.#bytes <= bytes && kept.at >= oldest) break;
      this.#start += 1;
      this.#bytes -= kept.bytes;
      this.#forgotten = kept.revision;
      const change = kept.collection.forget();
      if (change === undefined) continue;
      if (change.previousRevision > 0) this.#dropped.push(change.previousRevision);
      if (change.deleted) this.#dropped.push(change.revision);
    }
    if (this.#start > 1024 && this.#start * 2 > this.#kept.length) {
      this.#kept = this.#kept.slice(this.#start);
      this.#start = 0;
    }
  }

  /** Versions that the next transaction is to remove, at most `count`. */
  takeDropped(count: number): number[] {
    return this.#dropped.splice(0, count);
  }

  /** Further versions to remove; also those of a transaction that failed. */
  drop(revisions: readonly number[]): void {
    this.#dropped.push(...revisions);
  }

  #tick(): void {
    this.#cancel = this.#clock.after(trimIntervalMs, () => {
      this.trim();
      this.#tick();
      if (this.#dropped.length > 0) this.#wake();
    });
  }
}
