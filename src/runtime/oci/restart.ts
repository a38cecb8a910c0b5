/** When what ended starts again. */
import { backoffMs } from "../../lib/backoff.ts";

/** A run this long was fine: the next failure counts as the first. Kubernetes' figure. */
const fineAfterMs = 600_000;
const firstMs = 10;
const growing = { baseMs: 1_000, maxMs: 300_000, jitter: 0 };

/** Failures in a row, the present one included. `ranMs` is how long the run lasted, 0 where it never started. */
export function countFailure(before: number, ranMs: number): number {
  return ranMs >= fineAfterMs ? 1 : before + 1;
}

/**
 * Milliseconds until the next start after so many failures in a row (from 1): 10 ms once, then 1 s, 2 s, 4 s … up to 5 minutes. Where no
 * process was started (an image that can't be had), at least 1 s.
 */
export function restartDelayMs(failures: number, started: boolean): number {
  if (started && failures <= 1) return firstMs;
  return backoffMs(Math.max(0, failures - (started ? 2 : 1)), growing);
}
