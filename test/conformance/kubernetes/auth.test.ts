/** Recorded questions about rights and tokens, played against this server. */
import { describe, expect, it } from "vitest";

import { apiBench } from "../../support/api-server.ts";
import { recordedKinds } from "./recorded-route.ts";
import { type Exchange, readExchanges, Replay, type Sender } from "./replay.ts";

interface AuthExchange extends Exchange {
  who: "admin" | "anonymous" | "bad" | "basic" | "bot";
}

/** What differs on purpose, or by the recorded server's own kinds and paths. */
const expected: Readonly<Record<string, string>> = {
  "anonymous without RBAC: 403": "there is no anonymous user: 401",
  "bad scheme": "there is no anonymous user: 401",
  "anonymous /version": "the versions differ",
  "allowed: discovery": "the recorded server had a kind of that group",
  SelfSubjectRulesReview: "the paths and reviews that everybody may use are Elafros'",
};

describe("authentication and authorization answer as Kubernetes", () => {
  it("play() finds no difference that isn't listed", async () => {
    const bench = await apiBench({ kinds: recordedKinds });
    const replay = new Replay(bench);
    await bench.ask("POST", "/api/v1/namespaces", { body: { metadata: { name: "auth" } } });
    let token: string | undefined;
    const senders: Record<AuthExchange["who"], () => Sender> = {
      admin: () => ({}),
      anonymous: () => ({ as: null }),
      bad: () => ({ token: "not.a.token" }),
      basic: () => ({ as: null, headers: { authorization: "Basic eDp5" } }),
      bot: () => ({ token: token ?? "" }),
    };
    const unexpected: Record<string, string[]> = {};
    for (const exchange of [...readExchanges("auth-rbac"), ...readExchanges("auth-tokens")] as AuthExchange[]) {
      const { note = "", who, request, response } = exchange;
      if (request === undefined || response === undefined)
        throw new Error("The exchange has no request or no response");
      const answer = await replay.send(request, senders[who]());
      const found = answer.status === response.status ? [] : [`status: ${response.status}, got ${answer.status}`];
      found.push(...replay.differences(response.body, answer.json ?? answer.text, "body"));
      if (expected[note] === undefined && found.length > 0) unexpected[note] = found;
      if (note === "ServiceAccount") {
        const path = "/api/v1/namespaces/auth/serviceaccounts/bot/token";
        const { json } = await bench.ask("POST", path, { body: {} });
        ({ token } = (json as { status: { token: string } }).status);
      }
    }
    expect(unexpected).toEqual({});
  });
});
