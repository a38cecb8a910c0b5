import { expect, test } from "vitest";
import { manualClock } from "../../../test/support/manual-clock.ts";
import { ApiError, type Reason } from "../../api/meta/errors.ts";
import { silentLog } from "../../lib/log.ts";
import { persist } from "./persist.ts";

/** Fails so often with that, then gives 1. */
function failing(times: number, reason: Reason) {
  let tried = 0;
  return async () => {
    tried += 1;
    if (tried <= times) throw new ApiError(reason, "no");
    return tried;
  };
}

test.each<[Reason, number, number | "refused"]>([
  ["InternalError", 3, 4],
  ["TooManyRequests", 1, 2],
  ["Conflict", 1, 2],
  ["InternalError", 30, "refused"],
  ["Forbidden", 1, "refused"],
])("persist() after %s, %i times: %s", async (reason, times, expected) => {
  const clock = manualClock();
  const done = persist({ clock, log: silentLog, what: "look" }, failing(times, reason)).catch(() => "refused" as const);
  for (let step = 0; step < 40; step += 1) await clock.advance(2_000);
  expect(await done).toBe(expected);
});
