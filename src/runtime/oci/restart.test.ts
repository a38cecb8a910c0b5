import { expect, test } from "vitest";
import { countFailure, restartDelayMs } from "./restart.ts";

test("restartDelayMs() grows from 10 ms over seconds to five minutes", () => {
  expect([1, 2, 3, 4, 5, 10, 11, 100].map((failures) => restartDelayMs(failures, true))).toEqual([
    10, 1_000, 2_000, 4_000, 8_000, 256_000, 300_000, 300_000,
  ]);
});

test("restartDelayMs() waits a second at least where nothing was started", () => {
  expect([1, 2, 3, 30].map((failures) => restartDelayMs(failures, false))).toEqual([1_000, 2_000, 4_000, 300_000]);
});

test("countFailure() begins again after ten minutes that went well", () => {
  expect(countFailure(7, 599_999)).toBe(8);
  expect(countFailure(7, 600_000)).toBe(1);
  expect(countFailure(0, 0)).toBe(1);
});
