import { expect, test } from "vitest";
import { Budget } from "./budget.ts";

/** How many can be spent at once. */
function spent(budget: Budget, now: number): number {
  let count = 0;
  while (count < 1_000 && budget.spend(now)) count += 1;
  return count;
}

test("Budget spends what it has, and gets it back with time, up to its most", () => {
  const budget = new Budget({ most: 10, perSecond: 2 }, 0);
  expect(spent(budget, 0)).toBe(10);
  expect(spent(budget, 400)).toBe(0);
  expect(spent(budget, 1_500)).toBe(3);
  expect(spent(budget, 100_000)).toBe(10);
});

test("Budget gets one back for each that is earned, and never more than its most", () => {
  const budget = new Budget({ most: 3, perSecond: 1 }, 0);
  budget.earn();
  expect(spent(budget, 0)).toBe(3);
  budget.earn();
  budget.earn();
  expect(spent(budget, 0)).toBe(2);
});

test("Budget loses nothing when the clock is set back, and wins nothing either", () => {
  const budget = new Budget({ most: 5, perSecond: 1 }, 10_000);
  expect(spent(budget, 10_000)).toBe(5);
  expect(spent(budget, 0)).toBe(0);
  expect(spent(budget, 2_000)).toBe(2);
});
