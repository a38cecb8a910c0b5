import type { IncomingMessage } from "node:http";
import { describe, expect, it } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import { createFlow, type FlowLimits } from "./http-flow.ts";

const answer = (statusCode: number, headers: IncomingMessage["headers"] = {}) =>
  ({ statusCode, headers, resume: () => {} }) as unknown as IncomingMessage;

/** A server that says when each request came, and pushes back while it is told to. */
function setUp(limits?: FlowLimits) {
  const clock = manualClock();
  const start = clock.now();
  const sent: number[] = [];
  const pushBack: IncomingMessage["headers"][] = [];
  const inTurn = createFlow({ clock, random: () => 0.5, ...(limits === undefined ? {} : { limits }) });
  const ask = (signal?: AbortSignal) =>
    inTurn(() => {
      sent.push(clock.now() - start);
      const headers = pushBack.shift();
      return Promise.resolve(headers === undefined ? answer(200) : answer(429, headers));
    }, signal);
  return { clock, sent, pushBack, ask };
}

describe("createFlow", () => {
  it("createFlow() lets a burst through, and then so many a second, in order", async () => {
    const { clock, sent, ask } = setUp({ perSecond: 10, burst: 3 });
    const asked = Array.from({ length: 6 }, () => ask());
    await clock.advance(1_000);
    await Promise.all(asked);
    expect(sent).toEqual([0, 0, 0, 100, 200, 300]);
  });

  it("createFlow() asks again after the time that the server says, as do all others, not at once", async () => {
    const { clock, sent, pushBack, ask } = setUp({ perSecond: 10, burst: 5 });
    pushBack.push({ "retry-after": "2" });
    const first = ask();
    await clock.advance(100);
    const others = [ask(), ask()];
    await clock.advance(10_000);
    expect((await first).statusCode).toBe(200);
    await Promise.all(others);
    expect(sent).toHaveLength(4);
    expect(sent.slice(1).every((ms) => ms >= 2_000)).toBe(true);
    expect(Math.max(...sent)).toBeLessThan(5_000);
  });

  it.each([
    ["gives a 429 that names no time, as of a disruption budget", {}, 1],
    ["gives the refusal in the end", { "retry-after": "1" }, 10],
  ])("createFlow() %s", async (_, headers, tries) => {
    const { clock, sent, pushBack, ask } = setUp();
    pushBack.push(...Array.from({ length: 20 }, () => headers));
    const asked = ask();
    await clock.advance(60_000);
    expect((await asked).statusCode).toBe(429);
    expect(sent).toHaveLength(tries);
  });

  it("createFlow() goes on in its time where the clock is set back by an hour", async () => {
    const clock = manualClock();
    let back = 0;
    const sent: number[] = [];
    const pushBack = [answer(429, { "retry-after": "2" })];
    const inTurn = createFlow({
      clock: { now: () => clock.now() - back, after: (ms, callback) => clock.after(ms, callback) },
      limits: { perSecond: 10, burst: 1 },
      random: () => 0.5,
    });
    const start = clock.now();
    const ask = () =>
      inTurn(() => {
        sent.push(clock.now() - start);
        return Promise.resolve(pushBack.shift() ?? answer(200));
      }, undefined);
    // The first is pushed back, and the clock set back meanwhile.
    const asked = [ask()];
    await clock.advance(100);
    back = 3_600_000;
    asked.push(ask(), ask());
    await clock.advance(10_000);
    await Promise.all(asked);
    expect(sent).toHaveLength(4);
  });

  it("createFlow() doesn't keep a request waiting whose signal aborts", async () => {
    const { clock, sent, pushBack, ask } = setUp();
    pushBack.push({ "retry-after": "30" });
    const stop = new AbortController();
    const asked = ask(stop.signal).catch((error: unknown) => (error as Error).name);
    await clock.advance(1_000);
    stop.abort();
    expect(await asked).toBe("AbortError");
    expect(sent).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });
});
