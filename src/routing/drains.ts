/** Those who wait until an instance takes no request any more. */
import type { Clock } from "../lib/clock.ts";

export interface DrainsOptions {
  clock: Clock;
  /** Longest wait, milliseconds. */
  maxMs: number;
  /** Whether the last published table has the instance. */
  isPresent(instance: string): boolean;
  /** Whether nobody sends the instance anything; `goneIn` is the first table version without it, undefined while it is in the table. */
  isDrained(instance: string, goneIn: number | undefined): boolean;
}

interface Waiting {
  goneIn: number | undefined;
  promise: Promise<void>;
  end(): void;
}

/** Keeps the waiting ones; `check` after anything that may have drained an instance. */
export function createDrains(options: DrainsOptions) {
  const waiting = new Map<string, Waiting>();
  const check = () => {
    for (const [instance, one] of waiting) if (options.isDrained(instance, one.goneIn)) one.end();
  };
  return {
    check,
    /** A new table went out. */
    published(version: number) {
      for (const [instance, one] of waiting) {
        one.goneIn = options.isPresent(instance) ? undefined : (one.goneIn ?? version);
      }
    },
    /** @param version of the last published table */
    wait(instance: string, version: number, maxMs = options.maxMs): Promise<void> {
      const known = waiting.get(instance);
      if (known !== undefined) return known.promise;
      const done = Promise.withResolvers<void>();
      const cancel = options.clock.after(maxMs, () => waiting.get(instance)?.end());
      waiting.set(instance, {
        goneIn: options.isPresent(instance) ? undefined : version,
        promise: done.promise,
        end() {
          cancel();
          waiting.delete(instance);
          done.resolve();
        },
      });
      check();
      return done.promise;
    },
  };
}
