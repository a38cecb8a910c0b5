import { expect, test } from "vitest";
import { killRounds } from "../../test/support/kill-rounds.ts";

test("store keeps every acknowledged write over SIGKILL, and none twice", { timeout: 120_000 }, async () => {
  const { faults, acknowledged } = await killRounds(8, Math.random);
  expect(faults).toEqual([]);
  expect(acknowledged).toBeGreaterThan(0);
});
