/**
 * A clock for deadlines that are nearly always cancelled, one per request: those of the same length stand in one list in the order in which they
 * end, with one timer for the first, so setting and cancelling one costs a few pointers.
 */
import type { Clock } from "../../lib/clock.ts";

interface Deadline {
  due: number;
  callback: (() => void) | undefined;
  before: Deadline;
  after: Deadline;
}

class Line {
  readonly #clock: Clock;
  /** Stands before the first and after the last. */
  readonly #ends: Deadline;
  #armed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    const ends = { due: 0, callback: undefined } as Partial<Deadline> as Deadline;
    ends.before = ends.after = ends;
    this.#ends = ends;
  }

  add(ms: number, callback: () => void): () => void {
    const ends = this.#ends;
    const deadline: Deadline = { due: this.#clock.now() + ms, callback, before: ends.before, after: ends };
    ends.before.after = deadline;
    ends.before = deadline;
    if (!this.#armed) this.#arm(ms);
    return () => remove(deadline);
  }

  #arm(ms: number): void {
    this.#armed = true;
    this.#clock.after(Math.max(1, ms), () => this.#fire());
  }

  #fire(): void {
    const now = this.#clock.now();
    const ends = this.#ends;
    // Armed until all have been called: what a callback adds stands behind those that are left, whose time comes first.
    for (let next = ends.after; next !== ends && next.due <= now; next = ends.after) {
      const { callback } = next;
      remove(next);
      callback?.();
    }
    this.#armed = false;
    if (ends.after !== ends) this.#arm(ends.after.due - now);
  }
}

function remove(deadline: Deadline): void {
  if (deadline.callback === undefined) return;
  deadline.callback = undefined;
  deadline.before.after = deadline.after;
  deadline.after.before = deadline.before;
}

/** A clock over `clock` with such deadlines. */
export function deadlineClock(clock: Clock): Clock {
  const lines = new Map<number, Line>();
  return {
    now: () => clock.now(),
    after(ms, callback) {
      let line = lines.get(ms);
      if (line === undefined) lines.set(ms, (line = new Line(clock)));
      return line.add(ms, callback);
    },
  };
}
