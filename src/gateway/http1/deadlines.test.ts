import { expect, test } from "vitest";
import { manualClock } from "../../../test/support/manual-clock.ts";
import { deadlineClock } from "./deadlines.ts";

test("deadlineClock() calls back in time, in order, and not what was cancelled", async () => {
  const clock = manualClock();
  const deadlines = deadlineClock(clock);
  const called: string[] = [];
  const cancels = ["a", "b", "c"].map((name) => deadlines.after(100, () => called.push(name)));
  deadlines.after(30, () => called.push("short"));
  cancels[1]?.();
  await clock.advance(50);
  deadlines.after(100, () => called.push("late"));
  expect(called).toEqual(["short"]);
  await clock.advance(49);
  expect(called).toEqual(["short"]);
  await clock.advance(1);
  expect(called).toEqual(["short", "a", "c"]);
  await clock.advance(50);
  expect(called).toEqual(["short", "a", "c", "late"]);
});

test("deadlineClock() keeps one timer for all deadlines of a length, none when there are none", async () => {
  const clock = manualClock();
  const deadlines = deadlineClock(clock);
  const cancels = Array.from({ length: 1000 }, () => deadlines.after(100, () => expect.unreachable()));
  expect(clock.pending).toBe(1);
  for (const cancel of cancels) cancel();
  await clock.advance(100);
  expect(clock.pending).toBe(0);
});

test("deadlineClock() may be given a deadline by one that ends, and cancelled twice", async () => {
  const clock = manualClock();
  const deadlines = deadlineClock(clock);
  let count = 0;
  const again = (): void => {
    count += 1;
    if (count < 3) deadlines.after(10, again);
  };
  const cancel = deadlines.after(10, again);
  await clock.advance(10);
  cancel();
  cancel();
  await clock.advance(10);
  await clock.advance(10);
  expect([count, clock.pending]).toEqual([3, 0]);
});

test("deadlineClock() calls the next one in time when one that ends has added another", async () => {
  const clock = manualClock();
  const deadlines = deadlineClock(clock);
  const called: string[] = [];
  deadlines.after(100, () => {
    called.push("first");
    deadlines.after(100, () => called.push("added"));
  });
  await clock.advance(10);
  deadlines.after(100, () => called.push("second"));
  await clock.advance(90);
  expect(called).toEqual(["first"]);
  await clock.advance(10);
  expect(called).toEqual(["first", "second"]);
  await clock.advance(90);
  expect(called).toEqual(["first", "second", "added"]);
});
