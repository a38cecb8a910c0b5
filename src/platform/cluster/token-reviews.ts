/**
 * Whose tokens are, remembered for a moment: a build's Pod and an upload ask many times within seconds, and each question would be a TokenReview of the API server. What is remembered
 * is bounded in number and time, and so is how often tokens that aren't known are asked for: whoever makes them up can't keep the API server busy.
 */
import { createHash } from "node:crypto";
import type { Client } from "../../client/client.ts";
import type { Clock } from "../../lib/clock.ts";
import { createAllowance } from "../../lib/allowance.ts";
import { reviewToken } from "./token-review.ts";

/** As `reviewToken` says it. */
type Found = Awaited<ReturnType<typeof reviewToken>>;

/** Tokens that nobody knows yet are shown faster than they may be asked for. */
export class TooManyTokensError extends Error {
  override readonly name = "TooManyTokensError";
  /** When to try again, in milliseconds. */
  readonly waitMs: number;
  constructor(waitMs: number) {
    super(
      `More tokens that aren't known were shown than are asked for at once: try again in ${Math.ceil(waitMs / 1_000)} s`,
    );
    this.waitMs = waitMs;
  }
}

export interface TokenReviews {
  /**
   * The user of a token, or why it is none. Several requests with one token wait for one answer; a failure is told to them, and not remembered.
   *
   * @param from who shows it, by address: none takes what is left to the others
   * @throws TooManyTokensError, ApiError
   */
  review(token: string, from: string): Promise<Found>;
}

/** So long a token that was taken away still opens: as long as in an API server. */
const goodMs = 10_000;
/** One that isn't valid yet, since an API server's clock or cache is behind, may be a moment later. */
const badMs = 1_000;
const mostRemembered = 250;
const mostAddresses = 1_000;
/** Of one address, and of all: below what the controllers may ask the API server for. */
const ofEach = { perSecond: 10, burst: 20 };
const ofAll = { perSecond: 50, burst: 100 };

/** @param audience whom tokens must be for */
export function createTokenReviews(
  client: Pick<Client, "create">,
  { audience, clock }: { audience: string; clock: Clock },
): TokenReviews {
  // By digest, so that no token is kept; the longest remembered first.
  const known = new Map<string, { found: Promise<Found>; until: number }>();
  const all = createAllowance({ ...ofAll, clock });
  const each = new Map<string, ReturnType<typeof createAllowance>>();

  const allowanceOf = (from: string) => {
    const there = each.get(from) ?? createAllowance({ ...ofEach, clock });
    // The one that was quiet longest gives way: it would be full again.
    each.delete(from);
    each.set(from, there);
    dropFirst(each, mostAddresses);
    return there;
  };
  const ask = (key: string, token: string): Promise<Found> => {
    const entry = { found: reviewToken(client, { token, audience }), until: Number.POSITIVE_INFINITY };
    known.set(key, entry);
    dropFirst(known, mostRemembered);
    entry.found.then(
      (found) => (entry.until = clock.now() + ("why" in found ? badMs : goodMs)),
      () => {
        if (known.get(key) === entry) known.delete(key);
      },
    );
    return entry.found;
  };

  return {
    async review(token, from) {
      const key = createHash("sha256").update(token).digest("base64");
      const entry = known.get(key);
      if (entry !== undefined && clock.now() < entry.until) return entry.found;
      known.delete(key);
      const waitMs = allowanceOf(from).take() || all.take();
      if (waitMs > 0) throw new TooManyTokensError(waitMs);
      return ask(key, token);
    },
  };
}

function dropFirst(map: Map<string, unknown>, most: number): void {
  for (const key of map.keys()) {
    if (map.size <= most) return;
    map.delete(key);
  }
}
