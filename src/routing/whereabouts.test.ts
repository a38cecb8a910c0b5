import { expect, test } from "vitest";
import { manualClock, settle } from "../../test/support/manual-clock.ts";
import { silentLog } from "../lib/log.ts";
import { createWhereabouts } from "./whereabouts.ts";

interface Gateway {
  place: string;
  heard: boolean;
}

/** A cluster whose gateways a test changes; all that is asked is counted. */
function world(places: string[]) {
  const clock = manualClock();
  const seen = {
    clock,
    places: new Set(places),
    gateways: [] as Gateway[],
    asked: [] as number[],
    gone: [] as string[],
    completed: 0,
    fails: false,
    /** Answers wait until this is called. */
    answer: undefined as (() => void) | undefined,
    holds: false,
  };
  const began = clock.now();
  const whereabouts = createWhereabouts<Gateway>({
    clock,
    log: silentLog,
    async places() {
      seen.asked.push((clock.now() - began) / 1_000);
      const found = new Set(seen.places);
      if (seen.holds) await new Promise<void>((resolve) => (seen.answer = resolve));
      if (seen.fails) throw new Error("no answer");
      return found;
    },
    known: () => seen.gateways,
    lost: () => seen.gateways.filter(({ heard }) => !heard),
    gone: (gateway) => {
      seen.gone.push(gateway.place);
      seen.gateways = seen.gateways.filter((one) => one !== gateway);
    },
    complete: () => (seen.completed += 1),
  });
  return {
    seen,
    clock,
    whereabouts,
    hello: (place: string): Gateway => {
      const gateway = { place, heard: true };
      seen.gateways.push(gateway);
      whereabouts.heard();
      return gateway;
    },
    lose: (gateway: Gateway): void => {
      gateway.heard = false;
      whereabouts.look();
    },
  };
}

test("nothing is asked where no gateway may run, or all have said hello", async () => {
  const none = world([]);
  await settle();
  expect([none.seen.completed, none.whereabouts.isComplete()]).toEqual([1, true]);
  await none.clock.advance(3_600_000);
  expect(none.seen.asked).toEqual([0]);

  const two = world(["a", "b"]);
  await settle();
  two.hello("a");
  expect(two.seen.completed).toBe(0);
  two.hello("b");
  expect(two.seen.completed).toBe(1);
  await two.clock.advance(3_600_000);
  expect([two.seen.asked, two.clock.pending]).toEqual([[0], 0]);
});

test("it asks each second for ten seconds, then a tenth later each time, and at least each 30 s", async () => {
  const { seen, clock, whereabouts } = world(["a"]);
  await clock.advance(3_600_000);
  expect(seen.asked.slice(0, 12)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  const waits = seen.asked.slice(1).map((at, nth) => at - (seen.asked[nth] ?? 0));
  for (const [nth, wait] of waits.entries())
    expect(wait).toBeCloseTo(Math.min(30, Math.max(1, (seen.asked[nth] ?? 0) / 10)), 2);
  expect(seen.asked.length).toBeLessThan(160);
  // The end of the last one is seen nevertheless.
  seen.places.delete("a");
  await clock.advance(30_000);
  expect([seen.completed, whereabouts.isComplete(), clock.pending]).toEqual([1, true, 0]);
});

test.each<[string, (of: ReturnType<typeof world>) => void]>([
  ["one says hello", ({ hello }) => void hello("b")],
  ["one is lost", ({ seen, lose }) => seen.gateways.forEach(lose)],
])("it asks each second again once %s", async (_, happens) => {
  const of = world(["a", "b", "c"]);
  await settle();
  of.hello("a");
  await of.clock.advance(600_000);
  const before = of.seen.asked.length;
  happens(of);
  await of.clock.advance(5_000);
  expect(of.seen.asked.length - before).toBeGreaterThanOrEqual(5);
});

test("it asks each second again once the answer is another one", async () => {
  const { seen, clock } = world(["a", "b"]);
  await clock.advance(600_000);
  seen.places.delete("b");
  const before = seen.asked.length;
  while (seen.asked.length === before) await clock.advance(1_000);
  await clock.advance(5_000);
  expect(seen.asked.length - before).toBe(6);
});

test("a gateway that is lost is gone once nothing runs where it did, and not by what was asked before", async () => {
  const { seen, clock, hello, lose } = world(["a", "b"]);
  await settle();
  const [a, b] = [hello("a"), hello("b")];
  seen.places.clear();
  seen.holds = true;
  lose(a);
  // It may have begun after what is answered now was true.
  lose(b);
  seen.holds = false;
  seen.answer?.();
  await settle();
  expect(seen.gone).toEqual(["a"]);
  await clock.advance(1_000);
  expect(seen.gone).toEqual(["a", "b"]);
  expect(clock.pending).toBe(0);
});

test("one that is heard again before the answer isn't gone", async () => {
  const { seen, clock, hello, lose } = world(["a"]);
  await settle();
  const gateway = hello("a");
  seen.holds = true;
  lose(gateway);
  seen.places.clear();
  gateway.heard = true;
  seen.holds = false;
  seen.answer?.();
  await clock.advance(60_000);
  expect([seen.gone, clock.pending]).toEqual([[], 0]);
});

test("it asks on where it gets no answer, and no more after it was stopped", async () => {
  const { seen, clock, whereabouts } = world(["a"]);
  seen.fails = true;
  await clock.advance(5_000);
  expect([seen.asked.length, seen.completed]).toEqual([6, 0]);
  seen.fails = false;
  whereabouts.stop();
  await clock.advance(60_000);
  expect([seen.asked.length, clock.pending]).toEqual([6, 0]);
});
