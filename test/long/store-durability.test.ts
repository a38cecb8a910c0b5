import { expect, test } from "vitest";
import { killRounds } from "../support/kill-rounds.ts";

test("store keeps every acknowledged write over hundreds of SIGKILLs, and none twice", async () => {
  const { faults, acknowledged } = await killRounds(300, Math.random);
  expect(faults).toEqual([]);
  expect(acknowledged).toBeGreaterThan(1000);
});
