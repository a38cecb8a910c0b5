/** Proves, member by member, that values from outside are what they should be. */

/** How members are proved; each throws an Error that names the member at fault, and repeats nothing of its value: it may be a key. */
export interface Checks {
  record: (value: unknown, at: string) => Record<string, unknown>;
  list: (value: unknown, at: string) => unknown[];
  /** A text that isn't empty. */
  text: (value: unknown, at: string) => string;
  /** The Error for a member that should be something else. */
  wrong: (at: string, should: string) => Error;
}

/** @param what is checked, as the errors call it: `the route table` */
export function checksOf(what: string): Checks {
  const wrong = (at: string, should: string) => new Error(`Cannot use ${what}: ${at} must be ${should}`);
  return {
    record(value, at) {
      if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(at, "an object");
      return value as Record<string, unknown>;
    },
    list(value, at) {
      if (!Array.isArray(value)) throw wrong(at, "a list");
      return value as unknown[];
    },
    text(value, at) {
      if (typeof value !== "string" || value === "") throw wrong(at, "a text that isn't empty");
      return value;
    },
    wrong,
  };
}
