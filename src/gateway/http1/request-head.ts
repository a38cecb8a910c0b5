/**
 * Reads a request's head (RFC 9112 §3, §5). What is malformed or ambiguous is refused; what is sound but not plain, such as an upgrade, a rare
 * method or a target with odd bytes, is left to Node's server, which serves it on the same connection.
 */
import { givenRequestId, requestLines } from "./fields.ts";
import { Framing } from "./framing.ts";
import { Head, incomplete, malformed, tooMany } from "./head.ts";
import { Memo } from "./memo.ts";

export type Reading =
  /** The head is not whole yet. */
  | "incomplete"
  | "plain"
  /** Sound, or at least not ours to judge: for Node's server. */
  | "other"
  | "badRequest"
  | "badHost"
  | "fieldsTooLarge"
  | "targetTooLong";

/** What is taken from a plain request's fields. */
export interface Fields {
  readonly framing: Framing;
  /** The value of `Host`. */
  readonly authority: string;
  /** What passes to the app, as lines. */
  readonly lines: string;
  /** The client's id for the request, if it gave one to go on with. */
  readonly givenId: string | undefined;
}

const noFields: Fields = { framing: new Framing(), authority: "", lines: "", givenId: undefined };
const methods = ["GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"];
const longestMethod = 32;
const [lf, cr, space, slash, hash] = [0x0a, 0x0d, 0x20, 0x2f, 0x23];

export class RequestHead {
  readonly head: Head;
  /** Of the last plain request. */
  fields = noFields;
  method = "";
  /** 1 for HTTP/1.1, 0 for HTTP/1.0. */
  minor = 1;
  /** Where the target stands in the bytes, and where the first byte after the head does. */
  targetStart = 0;
  targetEnd = 0;
  end = 0;
  #bytes: Buffer = Buffer.alloc(0);
  readonly #mostBytes: number;
  readonly #memo = new Memo<Fields & { bytes: Buffer }>();

  /** @param most bytes of a whole head; fields in it */
  constructor(most: { bytes: number; fields: number }) {
    this.head = new Head(most.fields);
    this.#mostBytes = most.bytes;
  }

  /** Reads the head that begins at `from`. */
  read(bytes: Buffer, from: number, end: number): Reading {
    this.#bytes = bytes;
    let pos = from;
    // Empty lines before a request are from clients that end a body with one too many (RFC 9112 §2.2).
    while (pos + 1 < end && bytes[pos] === cr && bytes[pos + 1] === lf) pos += 2;
    const limit = Math.min(end, pos + this.#mostBytes);
    const line = this.#readLine(bytes, pos, limit);
    if (line === "incomplete" && limit < end) return "targetTooLong";
    if (line !== "plain") return line;
    const known = this.#memo.find(bytes, this.end, limit);
    if (known === undefined) return this.#readFields(bytes, limit, limit < end);
    this.fields = known;
    this.end += known.bytes.length;
    return this.#judge(known.framing);
  }

  get target(): string {
    return this.#bytes.toString("latin1", this.targetStart, this.targetEnd);
  }

  #readFields(bytes: Buffer, end: number, isMore: boolean): Reading {
    const { head } = this;
    const start = this.end;
    const after = head.scan(bytes, start, end);
    if (after === incomplete) return isMore ? "fieldsTooLarge" : "incomplete";
    if (after === tooMany) return "fieldsTooLarge";
    const framing = new Framing();
    if (after === malformed || !framing.read(head) || framing.hosts > 1) return "badRequest";
    if (framing.hosts === 0) return "badHost";
    this.end = after;
    if (framing.upgrade >= 0) return "other";
    if (framing.expect >= 0 && head.value(framing.expect).toLowerCase() !== "100-continue") return "other";
    const authority = head.value(framing.host);
    const fields = { framing, authority, lines: requestLines(head, framing), givenId: givenRequestId(head, framing) };
    this.fields = fields;
    if (this.#memo.isKnown(bytes, start, after)) {
      this.#memo.keep({ ...fields, bytes: Buffer.from(bytes.subarray(start, after)) });
    }
    return this.#judge(framing);
  }

  #readLine(bytes: Buffer, from: number, end: number): Reading {
    let pos = from;
    while (pos < end && isUpper(bytes[pos] ?? 0)) pos++;
    if (pos === end) return pos - from > longestMethod ? "badRequest" : "incomplete";
    const isMethod = bytes[pos] === space && pos > from;
    // A lone CR may be the beginning of an empty line.
    if (pos === from && bytes[pos] === cr && pos + 1 === end) return "incomplete";
    // Methods with other letters are rare: Node's server knows which there are, and refuses what is none.
    if (!isMethod) return this.#isToken(bytes, pos) ? "other" : "badRequest";
    const method = methodOf(bytes, from, pos);
    if (method === undefined) return "other";
    this.method = method;
    this.targetStart = ++pos;
    let odd = false;
    for (; pos < end; pos++) {
      const byte = bytes[pos] ?? 0;
      if (byte <= space || byte === 0x7f) break;
      if (byte > 0x7f || byte === hash) odd = true;
    }
    if (pos === end) return "incomplete";
    if (bytes[pos] !== space || pos === this.targetStart) return "badRequest";
    this.targetEnd = pos;
    const version = this.#readVersion(bytes, pos + 1, end);
    return version === "plain" && odd ? "other" : version;
  }

  #isToken(bytes: Buffer, pos: number): boolean {
    const byte = bytes[pos] ?? 0;
    return (byte >= 0x61 && byte <= 0x7a) || byte === 0x2d || byte === 0x5f;
  }

  #readVersion(bytes: Buffer, from: number, end: number): Reading {
    const wanted = "HTTP/1.";
    for (let i = 0; i < wanted.length; i++) {
      if (from + i >= end) return "incomplete";
      if (bytes[from + i] !== wanted.charCodeAt(i)) return "badRequest";
    }
    const pos = from + wanted.length;
    if (pos >= end) return "incomplete";
    const minor = (bytes[pos] ?? 0) - 0x30;
    if (minor !== 0 && minor !== 1) return "badRequest";
    if (pos + 1 >= end) return "incomplete";
    if (bytes[pos + 1] !== cr) return "badRequest";
    if (pos + 2 >= end) return "incomplete";
    if (bytes[pos + 2] !== lf) return "badRequest";
    this.minor = minor;
    this.end = pos + 3;
    return "plain";
  }

  #judge(framing: Framing): Reading {
    // HTTP/1.0 knows no chunks: whoever sends them is not understood by somebody on the way (RFC 9112 §6.1).
    if (framing.chunked && this.minor === 0) return "badRequest";
    return this.#bytes[this.targetStart] === slash ? "plain" : "other";
  }
}

function isUpper(byte: number): boolean {
  return byte >= 0x41 && byte <= 0x5a;
}

/** The method of the list that stands in the bytes, as one string for all requests. */
function methodOf(bytes: Buffer, start: number, end: number): string | undefined {
  for (const method of methods) {
    if (method.length !== end - start) continue;
    let i = 0;
    while (i < method.length && bytes[start + i] === method.charCodeAt(i)) i++;
    if (i === method.length) return method;
  }
  return undefined;
}
