/**
 * Certificates of an ACME server. Which kind of challenge leads through is found out once: where the first fails and none has worked yet, the
 * other is tried at once. A server that says it is asked too much is left alone for as long as it says, for all names.
 */
import { certificateMaker } from "../../apiserver/pki-thread.ts";
import type { AcmeAccount, Kept } from "../../lib/certificates/store.ts";
import { type Clock, rfc3339 } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { version } from "../../lib/version.ts";
import type { CertificateFeed } from "../certificates/feed.ts";
import { IssueError, type Issuer } from "../certificates/issuer.ts";
import { createChallengeBoard } from "./challenges.ts";
import { AcmeClient } from "./client.ts";
import { acmeHttp } from "./http.ts";
import { accountKey, makeAccountKey } from "./key.ts";
import { ChallengeError, type ChallengePlaces, type ChallengeType, order, type OrderDeps } from "./order.ts";
import type { AcmeSettings } from "./settings.ts";

const mostFailed = 10_000;

export interface AcmeIssuerOptions extends AcmeSettings {
  /** Where the account at this server is kept. */
  account: Kept<AcmeAccount>;
  /** The kind of challenge to try first. */
  first: ChallengeType;
  /** Where the server must find the answers, as people know it. */
  places: ChallengePlaces;
  feed: CertificateFeed;
  clock: Clock;
  log: Log;
}

/** Opens the account's key, or makes it; the account itself is made with the first order. */
export async function openAcmeIssuer(options: AcmeIssuerOptions): Promise<Issuer> {
  const { server, email, binding, ca, places, feed, clock, log } = options;
  const kept = await options.account.read();
  const account: AcmeAccount = kept ?? { server, key: makeAccountKey() };
  if (kept === undefined) await options.account.write(account);
  // The server knows the account by its key, and what led through is found out again: neither is worth a certificate that is nearly there.
  const keep = (): Promise<void> =>
    options.account.write(account).catch((error: unknown) => {
      log.warn({ error, server }, "What was learned of the ACME account couldn't be kept");
    });
  const key = accountKey(account.key);
  const client = new AcmeClient({
    directory: server,
    http: acmeHttp(ca, version),
    key,
    email,
    binding,
    account: account.account,
    found: (url) => {
      account.account = url;
      return keep();
    },
    now: () => clock.now(),
  });
  return acmeIssuer(
    { client, key, board: createChallengeBoard(feed, clock), make: certificateMaker(clock), places, clock },
    {
      name: `acme ${server}`,
      first: options.first,
      proven: account.proven,
      learned: (type) => {
        account.proven = type;
        return keep();
      },
    },
  );
}

interface IssuerOptions {
  name: string;
  /** The kind of challenge to try first. */
  first: ChallengeType;
  /** The one that has worked before. */
  proven: ChallengeType | undefined;
  /** Called with one that works. */
  learned: (type: ChallengeType) => Promise<void>;
}

/** The issuer over its parts. */
export function acmeIssuer(deps: OrderDeps, options: IssuerOptions): Issuer {
  const { name, first, learned } = options;
  let { proven } = options;
  let heldUntil = 0;
  /** By which kind of challenge the last try for these names failed. */
  const failed = new Map<string, ChallengeType>();

  const attempt = async (names: readonly string[], type: ChallengeType) => {
    const pair = await order(deps, { names, type });
    if (proven !== type) await learned((proven = type));
    return pair;
  };
  return {
    name,
    atOnce: 4,
    atOncePerNamespace: 2,
    // Public servers give an account some hundreds in such a time.
    budget: { times: 100, perMs: 3 * 3_600_000 },
    retry: { baseMs: 60_000, maxMs: 6 * 3_600_000 },
    namesFor: ({ names }) => names,
    async issue(names) {
      const left = heldUntil - deps.clock.now();
      if (left > 0) {
        const words = `The ACME server wants to be left alone until ${rfc3339(heldUntil)}`;
        throw new IssueError("AcmeRateLimited", words, left);
      }
      const key = names.join(" ");
      const usual = proven ?? first;
      // What failed for these names last time is not what they are tried by this time.
      const type = failed.get(key) === usual ? otherThan(usual) : usual;
      const both = proven === undefined && !failed.has(key);
      try {
        const pair = await attempt(names, type).catch((error: unknown) => {
          if (!(error instanceof ChallengeError)) throw error;
          // Names come and go.
          if (failed.size >= mostFailed) failed.clear();
          failed.set(key, type);
          if (!both) throw error;
          return attempt(names, otherThan(type)).catch((second: unknown) => {
            // The first is what most people have set up, and so what they can mend.
            throw second instanceof ChallengeError ? error : second;
          });
        });
        failed.delete(key);
        return pair;
      } catch (error) {
        if (error instanceof IssueError && error.reason === "AcmeRateLimited") {
          heldUntil = Math.max(heldUntil, deps.clock.now() + (error.retryAfterMs ?? 0));
        }
        throw error;
      }
    },
  };
}

function otherThan(type: ChallengeType): ChallengeType {
  return type === "http-01" ? "tls-alpn-01" : "http-01";
}
