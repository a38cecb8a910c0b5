/** How often something may be done: a bucket of tokens, full at the beginning. */
import type { Clock } from "./clock.ts";

export interface Allowance {
  /** Takes one and gives 0; or takes none, and gives the milliseconds until there is one. */
  take(): number;
}

/**
 * @param perSecond in the long run
 * @param burst at once
 */
export function createAllowance(options: { perSecond: number; burst: number; clock: Clock }): Allowance {
  const { perSecond, burst, clock } = options;
  let left = burst;
  let filledAt = clock.now();
  return {
    take() {
      const now = clock.now();
      // A clock that is set back takes nothing away.
      left = Math.min(burst, left + (Math.max(0, now - filledAt) * perSecond) / 1_000);
      filledAt = now;
      if (left < 1) return ((1 - left) * 1_000) / perSecond;
      left -= 1;
      return 0;
    },
  };
}
