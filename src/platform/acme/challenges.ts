/** The challenges that are open: what ACME servers are to find at the gateways, and when they may look for it. */
import type { Clock } from "../../lib/clock.ts";
import type { Challenge } from "../../routing/certificates.ts";
import type { CertificateFeed } from "../certificates/feed.ts";
import { IssueError } from "../certificates/issuer.ts";

const patienceMs = 30_000;

export interface ChallengeBoard {
  /** Puts it up; resolves when every gateway answers so. */
  put(challenge: Challenge): Promise<void>;
  /** Takes it down. */
  remove(challenge: Challenge): void;
}

/** An empty board; nobody else sets the feed's challenges. */
export function createChallengeBoard(
  feed: Pick<CertificateFeed, "setChallenges" | "confirmed" | "subscribe">,
  clock: Clock,
): ChallengeBoard {
  const open = new Set<Challenge>();
  return {
    async put(challenge) {
      open.add(challenge);
      const version = feed.setChallenges([...open]);
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const unsubscribe = feed.subscribe(() => {
        if (feed.confirmed(version)) resolve();
      });
      const cancel = clock.after(patienceMs, () =>
        reject(
          new IssueError(
            "AcmeChallengeFailed",
            "Not every gateway has taken the challenge in 30 s: see whether all run",
          ),
        ),
      );
      if (feed.confirmed(version)) resolve();
      await promise.finally(() => {
        unsubscribe();
        cancel();
      });
    },
    remove(challenge) {
      if (open.delete(challenge)) feed.setChallenges([...open]);
    },
  };
}
