/** What a header section says of its message's length, its connection and its hop, for requests and answers alike (RFC 9112 §6, §9). */
import type { Head } from "./head.ts";
import { kind } from "./names.ts";

/** Digits that every language reads as the same exact number. */
const mostLengthDigits = 15;
const cr = 0x0d;

export class Framing {
  /** Of `Content-Length`; -1 without one. */
  length = -1;
  chunked = false;
  /** `Connection` says so. */
  close = false;
  keepAlive = false;
  /** Other names in `Connection`, in lower case: fields of this hop. */
  own: Set<string> | undefined;
  /** Fields `Host`; the first one's place. */
  hosts = 0;
  host = -1;
  /** Places of what stands at most rarely; -1 without. */
  expect = -1;
  upgrade = -1;
  requestId = -1;
  keepAliveField = -1;
  trailersWelcome = false;
  dated = false;

  /** Takes these facts from the fields. False where two servers could read the message differently. */
  read(head: Head): boolean {
    this.length = -1;
    this.chunked = this.close = this.keepAlive = this.trailersWelcome = this.dated = false;
    this.own = undefined;
    this.hosts = 0;
    this.host = this.expect = this.upgrade = this.requestId = this.keepAliveField = -1;
    const { kinds, count } = head;
    for (let field = 0; field < count; field++) {
      const what = kinds[field] ?? kind.plain;
      if (what !== kind.plain && !this.#take(head, field, what)) return false;
    }
    return !(this.chunked && this.length >= 0);
  }

  #take(head: Head, field: number, what: number): boolean {
    switch (what) {
      case kind.host:
        this.hosts += 1;
        this.host = field;
        return true;
      case kind.contentLength:
        if (this.length >= 0) return false;
        this.length = lengthOf(head, field);
        return this.length >= 0;
      case kind.transferEncoding:
        // Exactly this coding, once: all others end in somebody's other reading.
        if (this.chunked || !isTight(head, field) || head.value(field).toLowerCase() !== "chunked") return false;
        this.chunked = true;
        return true;
      case kind.connection:
        this.#takeConnection(head.value(field).toLowerCase());
        return true;
      case kind.te:
        if (/(?:^|,)\s*trailers\s*(?:$|[,;])/i.test(head.value(field))) this.trailersWelcome = true;
        return true;
      case kind.expect:
        this.expect = field;
        return true;
      case kind.upgrade:
        this.upgrade = field;
        return true;
      case kind.requestId:
        // Twice is none: which one would it be?
        this.requestId = this.requestId === -1 ? field : -2;
        return true;
      case kind.keepAlive:
        this.keepAliveField = field;
        return true;
      case kind.date:
        this.dated = true;
        return true;
      default:
        return true;
    }
  }

  #takeConnection(value: string): void {
    if (value === "keep-alive") this.keepAlive = true;
    else if (value === "close") this.close = true;
    else {
      for (const part of value.split(",")) {
        const name = part.trim();
        if (name === "keep-alive") this.keepAlive = true;
        else if (name === "close") this.close = true;
        // A client must not make the gateway drop what frames or routes the message by calling it its own.
        else if (name !== "" && name !== "content-length" && name !== "host") (this.own ??= new Set()).add(name);
      }
    }
  }
}

/** Whether nothing follows the value: not everybody takes the same bytes for space there. */
function isTight(head: Head, field: number): boolean {
  return head.bytes[head.valueEnd[field] ?? 0] === cr;
}

/** The value of a `Content-Length` as a number; -1 if it is anything but digits. */
function lengthOf(head: Head, field: number): number {
  const start = head.valueStart[field] ?? 0;
  const end = head.valueEnd[field] ?? 0;
  if (end === start || end - start > mostLengthDigits || !isTight(head, field)) return -1;
  let length = 0;
  for (let pos = start; pos < end; pos++) {
    const digit = (head.bytes[pos] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length;
}
