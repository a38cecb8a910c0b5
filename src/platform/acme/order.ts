/** One order (RFC 8555 §7.4): proves to the server that each name leads here, hands in the request, fetches the certificate. */
import { createHash } from "node:crypto";
import type { KeyPair } from "../../apiserver/pki.ts";
import type { CertificateRequest } from "../../apiserver/pki-certificates.ts";
import { type Clock, delay } from "../../lib/clock.ts";
import type { Challenge } from "../../routing/certificates.ts";
import { IssueError } from "../certificates/issuer.ts";
import type { ChallengeBoard } from "./challenges.ts";
import { type AcmeClient, problemText, type Resource } from "./client.ts";
import type { AccountKey } from "./key.ts";

export type ChallengeType = Challenge["type"];

/** Where an ACME server must find the answers, by kind of challenge, as a part of a sentence: `port 80 to --http`. */
export type ChallengePlaces = Readonly<Record<ChallengeType, string>>;

const patienceMs = 300_000;
const [shortestPollMs, longestPollMs] = [250, 30_000];

export interface OrderDeps {
  client: Pick<AcmeClient, "newOrder" | "post" | "download">;
  key: Pick<AccountKey, "authorize">;
  board: ChallengeBoard;
  make: (request: CertificateRequest) => Promise<KeyPair>;
  places: ChallengePlaces;
  clock: Clock;
}

/** A name whose proof failed, by this kind of challenge. */
export class ChallengeError extends IssueError {}

/**
 * Gets a certificate for these names, proved by one kind of challenge.
 * @throws ChallengeError where the server didn't find what it looked for; IssueError for all else
 */
export async function order(
  deps: OrderDeps,
  { names, type }: { names: readonly string[]; type: ChallengeType },
): Promise<KeyPair> {
  const { client, make, clock } = deps;
  const made = await client.newOrder(names);
  for (const url of texts(made.body["authorizations"])) await authorize(deps, url, type);
  const end = clock.now() + patienceMs;
  const ready = await poll(deps, made, { end, until: ["ready", "valid", "invalid"] });
  if (ready.body["status"] === "invalid") throw refused(ready);
  const { cert: request, key } = await make({ make: "request", names: [...names], now: clock.now() });
  const finalize = ready.body["finalize"];
  if (typeof finalize !== "string") throw new IssueError("AcmeRefused", "The ACME server's order can't be finished");
  // The order itself is asked from here on: this answer's own place is `finalize`.
  const handed = { ...(await client.post(finalize, { csr: derOf(request) })), url: made.url };
  const done = await poll(deps, handed, { end, until: ["valid", "invalid"] });
  const certificate = done.body["certificate"];
  if (done.body["status"] !== "valid" || typeof certificate !== "string") throw refused(done);
  return { cert: await client.download(certificate), key };
}

async function authorize(deps: OrderDeps, url: string, type: ChallengeType): Promise<void> {
  const { client, board, places, clock } = deps;
  const authorization = await client.post(url);
  if (authorization.body["status"] === "valid") return;
  const host = nameOf(authorization);
  const offered = records(authorization.body["challenges"]).find((one) => one["type"] === type);
  const { url: answerAt, token } = offered ?? {};
  if (typeof answerAt !== "string" || typeof token !== "string") {
    throw new ChallengeError("AcmeChallengeFailed", `The ACME server doesn't offer ${type} for ${host}`);
  }
  const challenge = await makeChallenge(deps, { host, token, type });
  try {
    await board.put(challenge);
    await client.post(answerAt, {});
    const place = { url, body: {}, retryAfterMs: undefined };
    const over = await poll(deps, place, { end: clock.now() + patienceMs, until: ["valid", "invalid", "deactivated"] });
    if (over.body["status"] === "valid") return;
    const failed = records(over.body["challenges"]).find((one) => one["error"] !== undefined);
    const { detail } = problemText(failed?.["error"]);
    throw new ChallengeError(
      "AcmeChallengeFailed",
      `The ACME server could not check ${host} by ${type}: ${detail}; its DNS records must lead here, and ${places[type]}`,
    );
  } finally {
    board.remove(challenge);
  }
}

async function makeChallenge(
  { key, make, clock }: OrderDeps,
  { host, token, type }: { host: string; token: string; type: ChallengeType },
): Promise<Challenge> {
  const answer = key.authorize(token);
  if (type === "http-01") return { type, host, token, answer };
  const digest = createHash("sha256").update(answer).digest("hex");
  return { type, host, ...(await make({ make: "acme", name: host, digest, now: clock.now() })) };
}

/** Asks until the status is one of these, no more often than the server says. */
async function poll(
  { client, clock }: OrderDeps,
  from: Resource,
  { end, until }: { end: number; until: readonly string[] },
): Promise<Resource> {
  let seen = from;
  for (
    let wait = shortestPollMs;
    !until.includes(String(seen.body["status"]));
    wait = Math.min(wait * 1.5, longestPollMs)
  ) {
    const asked = Math.min(Math.max(seen.retryAfterMs ?? wait, shortestPollMs), 2 * longestPollMs);
    if (clock.now() + asked > end) {
      throw new IssueError("AcmeTimeout", "The ACME server didn't finish in 5 minutes; it is tried again");
    }
    await delay(clock, asked);
    seen = { ...(await client.post(from.url)), url: from.url };
  }
  return seen;
}

function nameOf({ body }: Resource): string {
  const identifier = body["identifier"] as { value?: unknown } | undefined;
  return typeof identifier?.value === "string" ? identifier.value.toLowerCase() : "";
}

function refused({ body }: Resource): IssueError {
  return new IssueError("AcmeRefused", `The ACME server refused: ${problemText(body["error"]).detail}`);
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === "string") : [];
}

function records(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? (value as Record<string, unknown>[]) : [];
}

/** A PEM's bytes, as ACME wants them. */
function derOf(pem: string): string {
  return Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ""), "base64").toString("base64url");
}
