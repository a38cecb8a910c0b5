/**
 * Which gateways may run though they aren't heard: those whose connection has ended, and, after a start, those that haven't said hello yet. Asks where
 * gateways run as long as there is one of either: each second at first, and the rarer the longer nothing changes, since a node that is cut off may stay so for
 * days.
 *
 * It asks, and doesn't follow a watch: what counts is that no gateway is there *after* it was last heard, and a watch doesn't say of when its news are.
 */
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";

const firstMs = 1_000;
/** Of the time since anything changed: a gateway's end is known later by no more than that. */
const share = 0.1;
const longestMs = 30_000;

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
  /** The last answer, and when anything was last otherwise than before. */
  let answered: ReadonlySet<string> = new Set();
  let changedAt = options.clock.now();
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
  const isAnswered = (): boolean => isComplete() && options.lost().length === 0;
  const again = (): void => {
    cancel();
    if (stopped || isAnswered()) return;
    const ms = share * (options.clock.now() - changedAt);
    cancel = options.clock.after(Math.min(longestMs, Math.max(firstMs, ms)), look);
  };
  const learn = (places: ReadonlySet<string>, lost: readonly G[]): void => {
    if (places.size !== answered.size || [...places].some((place) => !answered.has(place)))
      changedAt = options.clock.now();
    answered = places;
    const still = new Set(options.lost());
    for (const gateway of lost) if (still.has(gateway) && !places.has(gateway.place)) options.gone(gateway);
    settle(unheard === undefined ? places : [...unheard].filter((place) => places.has(place)));
  };
  const look = (): void => {
    if (stopped || looking || isAnswered()) return;
    // Those that get lost later may have begun after what is answered now was true.
    const lost = options.lost();
    looking = true;
    options
      .places()
      .then(
        (places) => {
          if (!stopped) learn(places, lost);
        },
        (error: unknown) => options.log.warn({ error }, "Cannot find out which gateways run; trying again"),
      )
      .finally(() => {
        looking = false;
        again();
      });
  };
  look();

  return {
    isComplete,
    heard() {
      changedAt = options.clock.now();
      if (unheard !== undefined) settle(unheard);
      if (!looking) again();
    },
    look() {
      changedAt = options.clock.now();
      look();
    },
    stop() {
      stopped = true;
      cancel();
    },
  };
}
