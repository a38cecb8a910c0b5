/** A request's fields for the app, without its id and without framing: as a list, and as the lines of HTTP/1.1. */
import { fieldLines } from "./raw-head.ts";

export class AppFields {
  /** Flat: name, value, name, value; the first is `Host`. Not to be changed. */
  readonly list: readonly string[];
  #lines: string | undefined;

  constructor(list: readonly string[]) {
    this.list = list;
  }

  /** Each character is a byte. Throws where a field can't be written. */
  get lines(): string {
    return (this.#lines ??= fieldLines(this.list));
  }
}

/** Longer ones are made anew each time. */
const longest = 2 * 1024;

/** What a client's fields were made to the last time: most clients send the same ones with each request of a connection. */
export class FieldsMemo {
  #raw: readonly string[] = [];
  #authority = "";
  #expects = false;
  #made: AppFields | undefined;

  /** @param raw the fields as they came, flat; what `make` makes of them must follow from these alone, and from the connection */
  get({ raw, authority, expects }: FieldsAsked, make: () => AppFields): AppFields {
    const made = this.#made;
    if (made !== undefined && expects === this.#expects && authority === this.#authority && isSame(raw, this.#raw))
      return made;
    const fresh = make();
    let length = 0;
    for (const text of raw) length += text.length;
    if (length > longest) return fresh;
    this.#raw = raw;
    this.#authority = authority;
    this.#expects = expects;
    return (this.#made = fresh);
  }
}

export interface FieldsAsked {
  raw: readonly string[];
  authority: string;
  expects: boolean;
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  if (one.length !== other.length) return false;
  // Values differ sooner than names, and what is last is newest to HPACK.
  for (let i = one.length - 1; i >= 0; i--) if (one[i] !== other[i]) return false;
  return true;
}
