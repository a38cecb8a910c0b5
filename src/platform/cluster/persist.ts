import { isReason } from "../../api/meta/errors.ts";
import { isUnreachable } from "../../client/http.ts";
import { backoffMs } from "../../lib/backoff.ts";
import { type Clock, delay } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";

const backoff = { baseMs: 200, maxMs: 2_000, jitter: 0.5 };
/** Longer than an API server takes to come back after its own restart; then another process may have more luck. */
const mostTries = 30;

/**
 * Does what has to come about before anything else, such as reading what a leader starts from: again, later each time, where the server
 * can't answer just now. Rejects with any other error, and in the end with that one.
 * @param what for the log: what is tried
 */
export async function persist<T>(
  { clock, log, what }: { clock: Clock; log: Log; what: string },
  work: () => Promise<T>,
): Promise<T> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await work();
    } catch (error) {
      if (tried === mostTries || !passes(error)) throw error;
      const ms = backoffMs(tried - 1, backoff);
      log.warn({ error, ms }, `Cannot ${what}; trying again`);
      await delay(clock, ms);
    }
  }
}

/** Whether it may be otherwise in a moment. */
function passes(error: unknown): boolean {
  return (
    isUnreachable(error) ||
    isReason(error, "InternalError", "TooManyRequests", "ServiceUnavailable", "Timeout", "Conflict", "AlreadyExists")
  );
}
