import { describe, expect, it } from "vitest";
import { manualClock } from "../../../test/support/manual-clock.ts";
import type { IssueError } from "../certificates/issuer.ts";
import { AcmeClient, problemText } from "./client.ts";
import { retryAfterMs } from "../../lib/retry-after.ts";
import type { AcmeRequest, AcmeResponse } from "./http.ts";
import { acmeIssuer } from "./issuer.ts";
import { accountKey, makeAccountKey } from "./key.ts";

const base = "https://ca.test";
const now = Date.UTC(2026, 0, 1);

interface Scripted {
  status?: number;
  headers?: Record<string, string>;
  body?: object;
}

/** A server that answers each URL's requests in turn, the last answer again and again. */
function bench(
  script: Record<string, Scripted[]>,
  { account }: { account?: string } = { account: `${base}/account/1` },
) {
  const asked: { url: string; protected: Record<string, unknown>; payload: unknown }[] = [];
  let nonces = 0;
  const all: Record<string, Scripted[]> = {
    [`${base}/dir`]: [
      { body: { newNonce: `${base}/nonce`, newAccount: `${base}/new-account`, newOrder: `${base}/new-order` } },
    ],
    [`${base}/nonce`]: [{}],
    ...script,
  };
  const http = (url: string, { body }: AcmeRequest): Promise<AcmeResponse> => {
    const answers = all[url] ?? [];
    const answer = (answers.length > 1 ? answers.shift() : answers[0]) ?? { status: 404 };
    if (body !== undefined) {
      const jws = JSON.parse(body) as { protected: string; payload: string };
      const read = (text: string): unknown =>
        text === "" ? "" : JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
      const head = read(jws.protected) as Record<string, unknown>;
      asked.push({ url, protected: head, payload: read(jws.payload) });
    }
    const headers: Record<string, string> = { "replay-nonce": `nonce-${(nonces += 1)}`, ...answer.headers };
    return Promise.resolve({
      status: answer.status ?? 200,
      header: (name) => headers[name],
      text: answer.body === undefined ? "" : JSON.stringify(answer.body),
    });
  };
  const key = accountKey(makeAccountKey());
  const found: string[] = [];
  const client = new AcmeClient({
    directory: `${base}/dir`,
    http,
    key,
    email: "a@b.org",
    binding: undefined,
    account,
    found: (url) => Promise.resolve(void found.push(url)),
    now: () => now,
  });
  return { client, key, asked, found };
}

const problem = (type: string, detail: string, more: Scripted = {}): Scripted => ({
  status: 400,
  body: { type: `urn:ietf:params:acme:error:${type}`, detail },
  ...more,
});
const failure = (promise: Promise<unknown>): Promise<IssueError> =>
  promise.then(
    () => Promise.reject(new Error("It should have failed")),
    (error: unknown) => error as IssueError,
  );

const order: Scripted = { status: 201, headers: { location: `${base}/order/1` }, body: { status: "pending" } };

describe("AcmeClient", () => {
  it("makes the account by its key first, then signs by the account's URL, with a nonce of its own each time", async () => {
    const { client, key, asked, found } = bench(
      {
        [`${base}/new-account`]: [{ status: 201, headers: { location: `${base}/account/7` } }],
        [`${base}/new-order`]: [order],
      },
      {},
    );
    expect(await client.newOrder(["a.org"])).toMatchObject({ url: `${base}/order/1`, body: { status: "pending" } });
    await client.newOrder(["b.org"]);
    expect(found).toEqual([`${base}/account/7`]);
    expect(asked.map(({ protected: head }) => head["kid"] ?? head["jwk"])).toEqual([
      key.jwk,
      `${base}/account/7`,
      `${base}/account/7`,
    ]);
    expect(asked[0]?.payload).toEqual({ termsOfServiceAgreed: true, contact: ["mailto:a@b.org"] });
    expect(asked[1]?.payload).toEqual({ identifiers: [{ type: "dns", value: "a.org" }] });
    expect(asked.every(({ url, protected: head }) => head["url"] === url && head["alg"] === "ES256")).toBe(true);
    expect(new Set(asked.map(({ protected: head }) => head["nonce"])).size).toBe(3);
  });

  it("tries again with another nonce where one is refused, and not for ever", async () => {
    const bad = problem("badNonce", "used");
    const { client, asked } = bench({ [`${base}/new-order`]: [bad, bad, order] });
    await client.newOrder(["a.org"]);
    expect(asked).toHaveLength(3);
    const never = bench({ [`${base}/new-order`]: [bad] });
    expect(await failure(never.client.newOrder(["a.org"]))).toMatchObject({ reason: "AcmeRefused" });
    expect(never.asked).toHaveLength(10);
  });

  it.each<[string, Scripted, object]>([
    [
      "for how long a server that limits wants to be left alone",
      problem("rateLimited", "too many", { status: 429, headers: { "retry-after": "7200" } }),
      { reason: "AcmeRateLimited", retryAfterMs: 7_200_000 },
    ],
    [
      "an hour where it doesn't say",
      problem("rateLimited", "too many", { status: 403 }),
      { reason: "AcmeRateLimited", retryAfterMs: 3_600_000 },
    ],
    [
      "what it says against an order",
      problem("rejectedIdentifier", "not this one"),
      { reason: "AcmeRefused", message: "The ACME server refused: not this one (rejectedIdentifier)" },
    ],
    [
      "the status where it says nothing",
      { status: 502 },
      { reason: "AcmeRefused", message: expect.stringContaining("502") },
    ],
  ])("tells %s", async (_, answer, expected) => {
    const { client } = bench({ [`${base}/new-order`]: [answer] });
    expect(await failure(client.newOrder(["a.org"]))).toMatchObject(expected);
  });

  it("makes the account again where the server has forgotten it", async () => {
    const { client, found } = bench({
      [`${base}/new-account`]: [{ status: 201, headers: { location: `${base}/account/9` } }],
      [`${base}/new-order`]: [problem("accountDoesNotExist", "who?"), order],
    });
    expect(await failure(client.newOrder(["a.org"]))).toMatchObject({ reason: "AcmeRefused" });
    await client.newOrder(["a.org"]);
    expect(found).toEqual([`${base}/account/9`]);
  });
});

describe("acmeIssuer()", () => {
  it("asks a server that limits for nothing, for no name, until its time is over", async () => {
    const clock = manualClock(now);
    const limited = problem("rateLimited", "too many", { status: 429, headers: { "retry-after": "60" } });
    const { client, key, asked } = bench({ [`${base}/new-order`]: [limited] });
    const board = { put: () => Promise.resolve(), remove: () => {} };
    const make = () => Promise.reject(new Error("It doesn't come to this"));
    const issuer = acmeIssuer(
      { client, key, board, make, places: { "http-01": "port 80", "tls-alpn-01": "port 443" }, clock },
      {
        name: "acme",
        first: "http-01",
        proven: undefined,
        learned: () => Promise.resolve(),
      },
    );
    expect(await failure(issuer.issue(["a.org"]))).toMatchObject({ retryAfterMs: 60_000 });
    await clock.advance(20_000);
    expect(await failure(issuer.issue(["b.org"]))).toMatchObject({ reason: "AcmeRateLimited", retryAfterMs: 40_000 });
    expect(asked).toHaveLength(1);
    await clock.advance(41_000);
    await failure(issuer.issue(["b.org"]));
    expect(asked).toHaveLength(2);
  });
});

describe("problemText() and retryAfterMs()", () => {
  it.each([
    [{ type: "urn:ietf:params:acme:error:dns", detail: "no such name" }, "no such name (dns)"],
    [{ detail: "no", subproblems: [{ detail: "a.org" }] }, "no: a.org"],
    [{}, "it doesn't say why"],
    ["nonsense", "it doesn't say why"],
  ])("read %j as %s", (value, detail) => {
    expect(problemText(value).detail).toBe(detail);
  });

  it.each([
    ["120", 120_000],
    ["Thu, 01 Jan 2026 00:01:00 GMT", 60_000],
    ["Wed, 31 Dec 2025 00:00:00 GMT", 0],
    ["soon", undefined],
    [undefined, undefined],
  ])("read %s as %s milliseconds", (value, ms) => {
    expect(retryAfterMs(value, now)).toBe(ms);
  });
});
