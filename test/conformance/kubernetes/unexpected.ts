/** Holds what was found different to what is listed as different: the one way, for answers, stories and documents. */

/** What differs, by what it is about; an empty list where nothing does. */
export type Found = Readonly<Record<string, readonly string[]>>;

/** By what it is about, why it differs. */
export type Allowed = Readonly<Record<string, string>>;

/** What differs without being listed, what is listed and doesn't differ, and what is listed and wasn't met; nothing where all is as expected. */
export function unexpected(found: Found, allowed: Allowed = {}): Record<string, readonly string[]> {
  const result: Record<string, readonly string[]> = {};
  for (const [about, how] of Object.entries(found)) {
    if (allowed[about] === undefined && how.length > 0) result[about] = how;
    if (allowed[about] !== undefined && how.length === 0) result[about] = ["is listed as different, but is the same"];
  }
  for (const about of Object.keys(allowed)) {
    if (found[about] === undefined) result[about] = ["is listed as different, but wasn't met"];
  }
  return result;
}
