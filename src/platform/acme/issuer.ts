/**
 * Certificates of an ACME server. Which kind of challenge leads through is found out once: where the first fails and none has worked yet, the
 * other is tried at once. A server that says it is asked too much is left alone for as long as it says, for all names.
 */
import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { certificateMaker } from "../../apiserver/pki-thread.ts";
import { type Clock, rfc3339 } from "../../lib/clock.ts";
import { readJson, writeFileAtomic } from "../../lib/files.ts";
import { version } from "../../lib/version.ts";
import type { CertificateFeed } from "../certificates/feed.ts";
import { IssueError, type Issuer } from "../certificates/issuer.ts";
import { createChallengeBoard } from "./challenges.ts";
import { AcmeClient } from "./client.ts";
import { acmeHttp } from "./http.ts";
import { accountKey, type Binding, makeAccountKey } from "./key.ts";
import { ChallengeError, type ChallengeType, order, type OrderDeps } from "./order.ts";

const mostFailed = 10_000;

export interface AcmeOptions {
  /** The server's directory, a URL. */
  server: string;
  email: string | undefined;
  binding: Binding | undefined;
  /** Authorities to trust besides the machine's, PEM. */
  ca: string | undefined;
  /** Where accounts are kept. */
  dir: string;
  /** The kind of challenge to try first. */
  first: ChallengeType;
  feed: CertificateFeed;
  clock: Clock;
}

/** What is kept of an account. */
interface Account {
  server: string;
  /** PEM. */
  key: string;
  /** Its URL. */
  account?: string;
  /** The kind of challenge that leads through from this server. */
  proven?: ChallengeType;
}

/** Opens the account's key, or makes it; the account itself is made with the first order. */
export async function openAcmeIssuer(options: AcmeOptions): Promise<Issuer> {
  const { server, email, binding, ca, dir, feed, clock } = options;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const path = join(dir, `${createHash("sha256").update(server).digest("hex").slice(0, 16)}.json`);
  const kept = (await readJson(path)) as Account | undefined;
  const account: Account = kept ?? { server, key: makeAccountKey() };
  const keep = (): Promise<void> => writeFileAtomic(path, JSON.stringify(account));
  if (kept === undefined) await keep();
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
    { client, key, board: createChallengeBoard(feed, clock), make: certificateMaker(clock), clock },
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

interface AcmeIssuerOptions {
  name: string;
  /** The kind of challenge to try first. */
  first: ChallengeType;
  /** The one that has worked before. */
  proven: ChallengeType | undefined;
  /** Called with one that works. */
  learned: (type: ChallengeType) => Promise<void>;
}

/** The issuer over its parts. */
export function acmeIssuer(deps: OrderDeps, options: AcmeIssuerOptions): Issuer {
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
    atOnce: 2,
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
