/** Gives work that comes in bursts its turns, so that what else the event loop has to do gets its own in between. */

export interface Turns {
  /** Resolves at once where nobody had a turn in this round of the event loop, else in a later round: one turn a round, first come, first served. */
  take(): Promise<void>;
}

/** Turns of one event loop. */
export function createTurns(): Turns {
  const waiting: (() => void)[] = [];
  let taken = false;
  const next = () => {
    const wake = waiting.shift();
    if (wake === undefined) {
      taken = false;
      return;
    }
    // Before what it wakes, which may take long: the following turn is in the next round all the same.
    setImmediate(next);
    wake();
  };
  return {
    take() {
      if (taken) return new Promise((resolve) => waiting.push(resolve));
      taken = true;
      setImmediate(next);
      return Promise.resolve();
    },
  };
}
