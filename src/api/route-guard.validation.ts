/** Faults of `guard` beyond its schema. */
import { durationWords, parseDuration } from "./meta/duration.ts";
import type { Cause } from "./meta/errors.ts";
import { at, invalid } from "./meta/faults.ts";
import type { GuardRule } from "./route-guard.ts";

const minWindowMs = 1_000;
const maxWindowMs = 3_600_000;

export function guardFaults(guard: GuardRule | undefined, path: string): Cause[] {
  if (guard === undefined) return [];
  const { errorPercent, p95Milliseconds, window } = guard;
  const faults: Cause[] = [];
  if (errorPercent === undefined && p95Milliseconds === undefined) {
    faults.push(invalid(path, guard, "must have errorPercent or p95Milliseconds, or both: neither is set"));
  }
  if (window === undefined) return faults;
  const field = at(path, "window");
  const ms = parseDuration(window);
  if (ms === undefined) faults.push(invalid(field, window, durationWords));
  else if (ms < minWindowMs || ms > maxWindowMs) faults.push(invalid(field, window, "must be from 1s to 1h"));
  return faults;
}
