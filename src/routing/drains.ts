/** Those who wait until an instance takes no request any more. */
import type { Clock } from "../lib/clock.ts";
import type { RouteTable } from "./table.ts";

export interface DrainsOptions {
  clock: Clock;
  /** Longest wait, milliseconds. */
  maxMs: number;
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
    published(table: RouteTable) {
      if (waiting.size === 0) return;
      const present = instancesOf(table);
      for (const [instance, one] of waiting) {
        one.goneIn = present.has(instance) ? undefined : (one.goneIn ?? table.version);
      }
    },
    wait(instance: string, table: RouteTable, maxMs = options.maxMs): Promise<void> {
      const known = waiting.get(instance);
      if (known !== undefined) return known.promise;
      const done = Promise.withResolvers<void>();
      const cancel = options.clock.after(maxMs, () => waiting.get(instance)?.end());
      waiting.set(instance, {
        goneIn: instancesOf(table).has(instance) ? undefined : table.version,
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

function instancesOf(table: RouteTable): Set<string> {
  return new Set(Object.values(table.revisions).flatMap(({ instances }) => instances.map(({ id }) => id)));
}
