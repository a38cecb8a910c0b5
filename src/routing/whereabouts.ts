/**
 * Which gateways may run though they aren't heard: those whose connection has ended, and, after a start, those that haven't said hello yet. Asks where
 * gateways run, each second as long as there is one of either.
 */
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";

const lookMs = 1_000;

export interface WhereaboutsOptions<G extends { place: string }> {
  clock: Clock;
  log: Log;
  /** Where a gateway may run now; rejects where it can't be found out. */
  places(): Promise<ReadonlySet<string>>;
  /** All gateways that have said hello and aren't known to have ended, and of them those that aren't heard. */
  known(): readonly G[];
  lost(): readonly G[];
  /** Nothing runs where this one did. */
  gone(gateway: G): void;
  /** Every gateway that may have been there at the start has said hello, or is gone. Called once. */
  complete(): void;
}

export interface Whereabouts {
  /** Whether `complete` was called. */
  isComplete(): boolean;
  /** One has said hello. */
  heard(): void;
  /** One was lost. */
  look(): void;
  stop(): void;
}

/** Begins to ask. */
export function createWhereabouts<G extends { place: string }>(options: WhereaboutsOptions<G>): Whereabouts {
  /** Where one may run that hasn't said hello since the start; undefined: it isn't known yet. */
  let unheard: ReadonlySet<string> | undefined;
  let stopped = false;
  let looking = false;
  let cancel = (): void => {};

  const isComplete = (): boolean => unheard?.size === 0;
  const settle = (places: Iterable<string>): void => {
    if (isComplete()) return;
    const known = new Set(options.known().map(({ place }) => place));
    unheard = new Set([...places].filter((place) => !known.has(place)));
    if (isComplete()) options.complete();
  };
  const look = (): void => {
    // Those that get lost later may have begun after what is answered now was true.
    const lost = options.lost();
    if (stopped || looking || (isComplete() && lost.length === 0)) return;
    looking = true;
    options
      .places()
      .then(
        (places) => {
          if (stopped) return;
          const still = new Set(options.lost());
          for (const gateway of lost) if (still.has(gateway) && !places.has(gateway.place)) options.gone(gateway);
          settle(unheard === undefined ? places : [...unheard].filter((place) => places.has(place)));
        },
        (error: unknown) => options.log.warn({ error }, "Cannot find out which gateways run; trying again"),
      )
      .finally(() => {
        looking = false;
        cancel();
        cancel = options.clock.after(lookMs, look);
      });
  };
  look();

  return {
    isComplete,
    heard() {
      if (unheard !== undefined) settle(unheard);
    },
    look,
    stop() {
      stopped = true;
      cancel();
    },
  };
}
