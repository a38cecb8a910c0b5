/** Whose turn it is: builds begin in the order in which they came, but namespaces take turns, so that nobody waits for all that another has asked for. */
import type { BuildKey } from "../builds.ts";

interface Waiting {
  readonly record: { readonly key: BuildKey };
}

export interface Turns<T extends Waiting> {
  readonly running: ReadonlySet<T>;
  /** Puts it into the queue. */
  add(build: T): void;
  /** It is under way, from the queue or not. */
  begin(build: T): void;
  /** It isn't under way any more, nor in the queue. Says whether it was in the queue. */
  remove(build: T): boolean;
  /** Those in the queue, in the order in which they begin unless others come. */
  queue(): readonly T[];
  /** How many of the queue begin before it; undefined where it isn't in it. */
  before(build: T): number | undefined;
}

export function createTurns<T extends Waiting>(): Turns<T> {
  const waiting = new Set<T>();
  const running = new Set<T>();
  let order: Map<T, number> | undefined;
  /** Each waits for those of its own namespace, running ones included, and for as many of every other. */
  const inTurn = (): Map<T, number> => {
    const ahead = new Map<string, number>();
    const place = ({ record }: T) => {
      const rank = ahead.get(record.key.namespace) ?? 0;
      ahead.set(record.key.namespace, rank + 1);
      return rank;
    };
    for (const build of running) place(build);
    const ranked = [...waiting].map((build) => ({ build, rank: place(build) })).sort((a, b) => a.rank - b.rank);
    return new Map(ranked.map(({ build }, index) => [build, index]));
  };
  const known = () => (order ??= inTurn());
  return {
    running,
    add: (build) => {
      waiting.add(build);
      order = undefined;
    },
    begin: (build) => {
      waiting.delete(build);
      running.add(build);
      order = undefined;
    },
    remove: (build) => {
      running.delete(build);
      order = undefined;
      return waiting.delete(build);
    },
    queue: () => [...known().keys()],
    before: (build) => known().get(build),
  };
}
