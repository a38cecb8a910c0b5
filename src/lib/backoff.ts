/** How delays grow. `baseMs` is the first, `maxMs` the longest; `jitter` (0..1) is the share of each that is left to chance. */
export interface Backoff {
  baseMs: number;
  maxMs: number;
  jitter: number;
}

/**
 * Milliseconds to wait before attempt `attempt` (0 is the first retry): doubles each time, capped, less a random share.
 * `random` gives 0 ≤ x < 1.
 */
export function backoffMs(attempt: number, backoff: Backoff, random: () => number = Math.random): number {
  const full = Math.min(backoff.maxMs, backoff.baseMs * 2 ** Math.min(attempt, 40));
  return Math.round(full * (1 - backoff.jitter * random()));
}
