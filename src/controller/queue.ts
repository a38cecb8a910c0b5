/**
 * A work queue of keys. It de-duplicates, never hands out a key that is being worked on, hands a key that was added meanwhile out
 * again afterwards, and keeps first-in-first-out within a lane. There are two lanes: `fast` for changes, `slow` for resync, so
 * that a resync of thousands doesn't delay a user's change; every ninth key comes from the slow lane, so that neither starves.
 */
import { type Backoff, backoffMs } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";

type Lane = "fast" | "slow";

export interface QueueOptions {
  clock: Clock;
  /** Delays of `addFailed`, per key. Default: 5 ms doubling up to 30 s, a tenth of each random. */
  backoff?: Backoff;
  random?: () => number;
}

export interface WorkQueue {
  /** Adds a key, unless it waits already; a key in the slow lane moves to the fast one when added there. */
  add(key: string, lane?: Lane): void;
  /** Adds a key after `ms` milliseconds. Of several such only the earliest counts. */
  addAfter(key: string, ms: number): void;
  /** Adds a key after its back-off, which grows with each failure. Returns the delay in milliseconds. */
  addFailed(key: string): number;
  /** Ends the key's back-off. */
  forget(key: string): void;
  /** The next key, once there is one; undefined after `close`. Each key taken must be given back with `done`. */
  take(): Promise<string | undefined>;
  done(key: string): void;
  /** Keys that wait (not those that are worked on, nor those whose time hasn't come). */
  readonly length: number;
  /** No key waits and none is worked on; later ones may be due. */
  readonly idle: boolean;
  close(): void;
}

const defaultBackoff: Backoff = { baseMs: 5, maxMs: 30_000, jitter: 0.1 };
/** After so many keys of the fast lane in a row, one of the slow lane. */
const fastInARow = 8;

/** Creates an empty queue. */
export function createQueue(options: QueueOptions): WorkQueue {
  const { clock } = options;
  const lanes: Record<Lane, Set<string>> = { fast: new Set(), slow: new Set() };
  const working = new Set<string>();
  const dirty = new Map<string, Lane>();
  const delayed = new Map<string, { at: number; cancel: () => void }>();
  const failures = new Map<string, number>();
  const takers: ((key: string | undefined) => void)[] = [];
  let fastTaken = 0;
  let closed = false;

  const next = (): string | undefined => {
    const slowFirst = lanes.fast.size === 0 || (fastTaken >= fastInARow && lanes.slow.size > 0);
    const lane: Lane = slowFirst ? "slow" : "fast";
    const key = lanes[lane].values().next().value;
    if (key === undefined) return undefined;
    lanes[lane].delete(key);
    fastTaken = lane === "fast" ? fastTaken + 1 : 0;
    working.add(key);
    return key;
  };
  const hand = () => {
    while (takers.length > 0) {
      const key = next();
      if (key === undefined) return;
      takers.shift()?.(key);
    }
  };
  const add = (key: string, lane: Lane = "fast") => {
    if (closed) return;
    if (working.has(key)) {
      if (dirty.get(key) !== "fast") dirty.set(key, lane);
      return;
    }
    if (lanes.fast.has(key)) return;
    if (lane === "fast") lanes.slow.delete(key);
    lanes[lane].add(key);
    hand();
  };
  const addAfter = (key: string, ms: number) => {
    if (closed) return;
    const at = clock.now() + ms;
    const known = delayed.get(key);
    if (known !== undefined) {
      if (known.at <= at) return;
      known.cancel();
    }
    const cancel = clock.after(ms, () => {
      delayed.delete(key);
      add(key);
    });
    delayed.set(key, { at, cancel });
  };

  return {
    add,
    addAfter,
    addFailed(key) {
      const failed = failures.get(key) ?? 0;
      failures.set(key, failed + 1);
      const delay = backoffMs(failed, options.backoff ?? defaultBackoff, options.random);
      addAfter(key, delay);
      return delay;
    },
    forget: (key) => void failures.delete(key),
    take() {
      if (closed) return Promise.resolve(undefined);
      const key = takers.length === 0 ? next() : undefined;
      if (key !== undefined) return Promise.resolve(key);
      return new Promise((resolve) => takers.push(resolve));
    },
    done(key) {
      if (!working.delete(key)) return;
      const lane = dirty.get(key);
      dirty.delete(key);
      if (lane !== undefined) add(key, lane);
    },
    get length() {
      return lanes.fast.size + lanes.slow.size;
    },
    get idle() {
      return lanes.fast.size + lanes.slow.size + working.size === 0;
    },
    close() {
      closed = true;
      for (const { cancel } of delayed.values()) cancel();
      delayed.clear();
      lanes.fast.clear();
      lanes.slow.clear();
      for (const taker of takers.splice(0)) taker(undefined);
    },
  };
}
