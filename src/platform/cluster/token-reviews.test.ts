import { describe, expect, it } from "vitest";
import { settle, manualClock } from "../../../test/support/manual-clock.ts";
import { ApiError } from "../../api/meta/errors.ts";
import type { Client } from "../../client/client.ts";
import { createTokenReviews } from "./token-reviews.ts";

/** An API server that says `answer` of a token, once it is let: and what it was asked. */
function apiServer(answer: (token: string) => object) {
  const asked: string[] = [];
  const waiting: (() => void)[] = [];
  let held = false;
  const create = async (_: unknown, { spec }: { spec: { token: string } }) => {
    asked.push(spec.token);
    if (held) await new Promise<void>((resolve) => waiting.push(resolve));
    return { status: answer(spec.token) };
  };
  return {
    asked,
    client: { create: create as unknown as Client["create"] },
    hold: () => (held = true),
    letGo() {
      held = false;
      for (const go of waiting.splice(0)) go();
    },
  };
}

const audience = "builds.elafros.dev";
const good = (username: string) => ({ authenticated: true, audiences: [audience], user: { username } });
const bad = { authenticated: false, error: "the token has expired" };

describe("createTokenReviews()", () => {
  it("remembers whose a token is for ten seconds, and that one is none for one", async () => {
    const clock = manualClock();
    const server = apiServer((token) => (token === "good" ? good("builder") : bad));
    const reviews = createTokenReviews(server.client, { audience, clock });
    const review = (token: string) => reviews.review(token, "10.0.0.1");
    expect([await review("good"), await review("good")]).toEqual([{ user: "builder" }, { user: "builder" }]);
    expect([await review("bad"), await review("bad")]).toEqual([
      { why: "the token has expired" },
      { why: "the token has expired" },
    ]);
    expect(server.asked).toEqual(["good", "bad"]);
    await clock.advance(999);
    await Promise.all([review("good"), review("bad")]);
    expect(server.asked).toEqual(["good", "bad"]);
    await clock.advance(1);
    await Promise.all([review("good"), review("bad")]);
    expect(server.asked).toEqual(["good", "bad", "bad"]);
    await clock.advance(9_000);
    await review("good");
    expect(server.asked).toEqual(["good", "bad", "bad", "good"]);
  });

  it("asks once for requests that show the same token at the same time", async () => {
    const server = apiServer(good);
    const reviews = createTokenReviews(server.client, { audience, clock: manualClock() });
    server.hold();
    const both = Promise.all([reviews.review("a", "10.0.0.1"), reviews.review("a", "10.0.0.2")]);
    const other = reviews.review("b", "10.0.0.1");
    await settle();
    server.letGo();
    expect(await both).toEqual([{ user: "a" }, { user: "a" }]);
    expect(await other).toEqual({ user: "b" });
    expect(server.asked).toEqual(["a", "b"]);
  });

  it("remembers no failure of the API server", async () => {
    let fails = true;
    const server = apiServer((token) => {
      if (fails) throw new ApiError("InternalError", "etcd is away");
      return good(token);
    });
    const reviews = createTokenReviews(server.client, { audience, clock: manualClock() });
    await expect(reviews.review("a", "10.0.0.1")).rejects.toThrow("etcd is away");
    fails = false;
    expect(await reviews.review("a", "10.0.0.1")).toEqual({ user: "a" });
  });

  it("lets nobody ask for more than twenty unknown tokens at once, and others and known ones in meanwhile", async () => {
    const clock = manualClock();
    const server = apiServer((token) => (token.startsWith("made-up") ? bad : good(token)));
    const reviews = createTokenReviews(server.client, { audience, clock });
    await reviews.review("known", "10.0.0.1");
    for (let index = 1; index < 20; index += 1) await reviews.review(`made-up-${index}`, "10.0.0.1");
    await expect(reviews.review("made-up-20", "10.0.0.1")).rejects.toThrow(
      "More tokens that aren't known were shown than are asked for at once: try again in 1 s",
    );
    expect(await reviews.review("known", "10.0.0.1")).toEqual({ user: "known" });
    expect(await reviews.review("other", "10.0.0.2")).toEqual({ user: "other" });
    expect(server.asked).toHaveLength(21);
    await clock.advance(100);
    expect(await reviews.review("made-up-20", "10.0.0.1")).toEqual({ why: "the token has expired" });
  });

  it("lets all together ask for a hundred at once", async () => {
    const server = apiServer(() => bad);
    const reviews = createTokenReviews(server.client, { audience, clock: manualClock() });
    const shown = Array.from({ length: 110 }, (_, index) => reviews.review(`t-${index}`, `10.0.0.${index % 11}`));
    const refused = (await Promise.allSettled(shown)).filter(({ status }) => status === "rejected");
    expect([server.asked.length, refused.length]).toEqual([100, 10]);
  });

  it("remembers two hundred and fifty at most, and forgets the oldest first", async () => {
    const clock = manualClock();
    const server = apiServer(good);
    const reviews = createTokenReviews(server.client, { audience, clock });
    const review = (index: number) => reviews.review(`t-${index}`, `10.0.0.${index}`);
    for (let index = 0; index < 250; index += 1) {
      // As many as all together may ask for, and within the time for which the first is remembered.
      if (index >= 100 && index % 50 === 0) await clock.advance(1_000);
      await review(index);
    }
    await clock.advance(1_000);
    await review(0);
    expect(server.asked).toHaveLength(250);
    await review(250);
    await review(1);
    expect(server.asked).toHaveLength(251);
    await review(0);
    expect(server.asked.slice(250)).toEqual(["t-250", "t-0"]);
  });
});
