/**
 * The counters that must be exact over threads, in memory that all threads of a gateway share: requests in flight per instance, the place in
 * each split, who waits. Every change is one atomic operation, so taking a slot is synchronous and needs no other thread.
 *
 * An instance, a split and a Revision each have an index here; the hub hands indices out (see indices.ts) and takes one back only when
 * no thread can use it any more. Pages that no index touched cost no memory.
 */
const instances = 1 << 16;
const splits = 1 << 18;
const revisions = 1 << 16;

/** Most of each that one table may name. */
export const capacity = { instances, splits, revisions } as const;

/** Positions count to here and start again; a multiple of 100, so the split goes on without a seam. */
const turn = 1_000_000_000;

/** More tickets than are drawn while one request waits, and less than half of how far two may be apart. */
const headStart = 2 ** 29;

export interface SharedMemory {
  readonly buffer: SharedArrayBuffer;
  readonly threads: number;
}

export function createSharedMemory(threads: number): SharedMemory {
  const words = 2 * instances + splits + revisions * (1 + threads) + threads + 1;
  return { buffer: new SharedArrayBuffer(words * 4), threads };
}

/** The operations on the shared counters. Each thread makes its own over the same memory. */
export class Counters {
  readonly threads: number;
  readonly #inFlight: Int32Array;
  readonly #leaving: Int32Array;
  readonly #positions: Int32Array;
  readonly #waiting: Int32Array;
  readonly #heads: Int32Array;
  readonly #wakes: Int32Array;
  readonly #ticket: Int32Array;

  constructor({ buffer, threads }: SharedMemory) {
    let offset = 0;
    const take = (length: number): Int32Array => {
      const view = new Int32Array(buffer, offset, length);
      offset += length * 4;
      return view;
    };
    this.threads = threads;
    this.#inFlight = take(instances);
    this.#leaving = take(instances);
    this.#positions = take(splits);
    this.#waiting = take(revisions);
    this.#heads = take(revisions * threads);
    this.#wakes = take(threads);
    this.#ticket = take(1);
  }

  /** Requests that the instance has now, over all threads. */
  inFlight(instance: number): number {
    return Atomics.load(this.#inFlight, instance);
  }

  /** Takes a slot of the instance, if fewer than `limit` are taken (0: no limit). Says whether it did. */
  tryAcquire(instance: number, limit: number): boolean {
    if (limit === 0) {
      Atomics.add(this.#inFlight, instance, 1);
      return true;
    }
    for (let seen = Atomics.load(this.#inFlight, instance); seen < limit;) {
      const before = Atomics.compareExchange(this.#inFlight, instance, seen, seen + 1);
      if (before === seen) return true;
      seen = before;
    }
    return false;
  }

  /** Takes `count` slots whatever the limit: work that another gateway process has on the instance. */
  occupy(instance: number, count: number): void {
    Atomics.add(this.#inFlight, instance, count);
  }

  /** Gives `count` slots back; returns how many are still taken. */
  release(instance: number, count = 1): number {
    return Atomics.sub(this.#inFlight, instance, count) - count;
  }

  /** Marks whether the instance has left the table: whoever gives its last slot back then says so. */
  setLeaving(instance: number, leaving: boolean): void {
    Atomics.store(this.#leaving, instance, leaving ? 1 : 0);
  }

  isLeaving(instance: number): boolean {
    return Atomics.load(this.#leaving, instance) === 1;
  }

  /** The next position of a split; every 100 that follow each other are 100 different ones modulo 100. */
  nextPosition(split: number): number {
    const position = Atomics.add(this.#positions, split, 1);
    if (position === turn - 1) Atomics.sub(this.#positions, split, turn);
    return position % 100;
  }

  /** Requests that wait for the Revision, over all threads. */
  waiting(revision: number): number {
    return Atomics.load(this.#waiting, revision);
  }

  /** Takes a place among those who wait, if fewer than `most` do. */
  tryWait(revision: number, most: number): boolean {
    for (let seen = Atomics.load(this.#waiting, revision); seen < most;) {
      const before = Atomics.compareExchange(this.#waiting, revision, seen, seen + 1);
      if (before === seen) return true;
      seen = before;
    }
    return false;
  }

  /** Takes a place among those who wait, however many do. */
  startWaiting(revision: number): void {
    Atomics.add(this.#waiting, revision, 1);
  }

  stopWaiting(revision: number): void {
    Atomics.sub(this.#waiting, revision, 1);
  }

  /** A number for a request's place in the order of arrival over all threads; never 0. Compare with `isEarlier`. */
  ticket(): number {
    return (Atomics.add(this.#ticket, 0, 1) + 1) | 0 || this.ticket();
  }

  /** A ticket before those of all requests that wait now; never 0. */
  earlyTicket(): number {
    return (Atomics.load(this.#ticket, 0) - headStart) | 0 || -1;
  }

  /** Publishes the ticket of the first request that waits in `thread`; 0 when none does. */
  setHead(revision: number, thread: number, ticket: number): void {
    Atomics.store(this.#heads, revision * this.threads + thread, ticket);
  }

  /** The thread whose first waiting request came before all others'; -1 when none waits. */
  firstThread(revision: number): number {
    let first = -1;
    let earliest = 0;
    for (let thread = 0; thread < this.threads; thread++) {
      const head = Atomics.load(this.#heads, revision * this.threads + thread);
      if (head !== 0 && (first === -1 || isEarlier(head, earliest))) {
        first = thread;
        earliest = head;
      }
    }
    return first;
  }

  /** Says that `thread` should look at its queues; true if it isn't told already. */
  raiseWake(thread: number): boolean {
    return Atomics.exchange(this.#wakes, thread, 1) === 0;
  }

  /** The thread begins to look. */
  clearWake(thread: number): void {
    Atomics.store(this.#wakes, thread, 0);
  }

  /** Makes counters ready for a new user of the index. */
  resetSplit(split: number): void {
    Atomics.store(this.#positions, split, 0);
  }
}

/** Whether ticket `a` was drawn before `b`; they wrap around, and are never 2³¹ apart. */
export function isEarlier(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}
