import { expect, it } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import { createAllowance } from "./allowance.ts";

it("gives what is allowed at once, then one after the other, and no more after a long rest", async () => {
  const clock = manualClock();
  const allowance = createAllowance({ perSecond: 4, burst: 2, clock });
  const takes = (times: number) => Array.from({ length: times }, () => allowance.take());
  expect(takes(3)).toEqual([0, 0, 250]);
  await clock.advance(125);
  expect(takes(1)).toEqual([125]);
  await clock.advance(125);
  expect(takes(2)).toEqual([0, 250]);
  await clock.advance(3_600_000);
  expect(takes(3)).toEqual([0, 0, 250]);
});

it("takes nothing away where the clock is set back", () => {
  let now = 10_000;
  const allowance = createAllowance({ perSecond: 1, burst: 2, clock: { now: () => now, after: () => () => {} } });
  expect(allowance.take()).toBe(0);
  now = 0;
  expect([allowance.take(), allowance.take()]).toEqual([0, 1_000]);
});
