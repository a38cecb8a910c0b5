/**
 * How fast a client asks. A bucket of tokens bounds its requests over time, and a server that answers 429 with `Retry-After` (API priority
 * and fairness, Kubernetes) is left alone for that long: by all requests of this client, which come back spread over time and not at once.
 * What must not wait behind others, such as a leader's lease, has a client of its own.
 */
import type { IncomingMessage } from "node:http";
import type { Clock } from "../lib/clock.ts";
import { retryAfterMs } from "../lib/retry-after.ts";

/** Requests per second in the long run, and how many may come at once. */
export interface FlowLimits {
  perSecond: number;
  burst: number;
}

export interface FlowOptions {
  clock: Clock;
  /** Absent: as many as are wanted. */
  limits?: FlowLimits;
  random?: () => number;
}

/** A request is refused so often before the refusal is its answer. */
const mostTries = 10;
/** What a server may ask for. */
const longestMs = 60_000;

/**
 * A function that sends by `send` when its turn has come, and again where the server pushes it back. The bodies of answers that it doesn't
 * give are discarded.
 */
export function createFlow({ clock, limits, random = Math.random }: FlowOptions) {
  let tokens = limits?.burst ?? 0;
  let filledAt = clock.now();
  let pausedUntil = 0;

  /** Takes a token. Milliseconds until it is there. */
  const take = (): number => {
    if (limits === undefined) return 0;
    const now = clock.now();
    // A clock that was set back by an hour must not make requests wait for one.
    tokens = Math.min(limits.burst, tokens + (Math.max(0, now - filledAt) * limits.perSecond) / 1_000);
    filledAt = now;
    tokens -= 1;
    return tokens >= 0 ? 0 : (-tokens * 1_000) / limits.perSecond;
  };
  const pause = (ms: number): void => {
    pausedUntil = Math.max(pausedUntil, clock.now() + ms);
    // What wasn't used meanwhile isn't made up for.
    tokens = Math.min(tokens, 0);
    filledAt = clock.now();
  };
  const turn = async (signal: AbortSignal | undefined): Promise<void> => {
    const wait = take();
    if (wait > 0) await sleep(clock, wait, signal);
    for (let left = pausedUntil - clock.now(); left > 0; left = pausedUntil - clock.now()) {
      if (left > longestMs) return void (pausedUntil = 0);
      await sleep(clock, left + random() * Math.min(left, 1_000), signal);
    }
  };

  return async (send: () => Promise<IncomingMessage>, signal: AbortSignal | undefined): Promise<IncomingMessage> => {
    for (let tried = 1; ; tried += 1) {
      await turn(signal);
      const answer = await send();
      if (answer.statusCode !== 429) return answer;
      const ms = retryAfterMs(answer.headers["retry-after"], clock.now());
      // Without it, it is no matter of time: a disruption budget answers so as well.
      if (ms === undefined || tried === mostTries) return answer;
      answer.resume();
      pause(Math.min(ms, longestMs));
    }
  };
}

function sleep(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      cancel();
      reject(signal?.reason as Error);
    };
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    });
    if (signal?.aborted === true) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  });
}
