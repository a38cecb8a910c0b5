/** Reads the head of an app's answer (RFC 9112 §4, §6.3), as strictly as a request's. */
import { answerFields } from "../http/headers.ts";
import { answerLines } from "./fields.ts";
import { Framing } from "./framing.ts";
import { Head, incomplete } from "./head.ts";
import { Memo } from "./memo.ts";
import { valueBytes } from "./names.ts";

/** How an answer's body ends. */
export type Ending = "none" | "length" | "chunked" | "close";

/** What is taken from a head. */
interface Known {
  readonly bytes: Buffer;
  readonly status: number;
  readonly minor: number;
  readonly framing: Framing;
  /** How the client's answer begins, with `Content-Length` and without. */
  readonly start: Buffer;
  readonly startWithoutLength: Buffer;
  /** The value of `Keep-Alive`. */
  readonly keepAlive: string;
  readonly reason: string;
  readonly fields: readonly string[];
}

/** The shortest field line has four bytes: so many fit into a section. */
const shortestField = 4;
const [lf, cr, space, zero, one] = [0x0a, 0x0d, 0x20, 0x30, 0x31];

export class AnswerHead {
  readonly #head: Head;
  readonly #mostBytes: number;
  readonly #memo = new Memo<Known>();
  #known: Known | undefined;
  #bytes: Buffer = Buffer.alloc(0);
  framing = new Framing();
  status = 0;
  minor = 1;
  /** Where status and reason stand in the bytes, and where the first byte after the head does. */
  #statusStart = 0;
  #statusEnd = 0;
  end = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
    this.#head = new Head(Math.ceil(mostBytes / shortestField));
  }

  /** Reads the head that begins at `from`. */
  read(bytes: Buffer, from: number, end: number): "incomplete" | "whole" | "malformed" {
    const limit = Math.min(end, from + this.#mostBytes);
    this.#bytes = bytes;
    const known = this.#memo.find(bytes, from, limit);
    this.#known = known;
    if (known !== undefined) {
      this.status = known.status;
      this.minor = known.minor;
      this.framing = known.framing;
      this.end = from + known.bytes.length;
      return "whole";
    }
    const line = this.#readLine(bytes, from, limit);
    const after = line < 0 ? line : this.#head.scan(bytes, line, limit);
    if (after === incomplete) return limit < end ? "malformed" : "incomplete";
    this.framing = new Framing();
    if (after < 0 || !this.framing.read(this.#head)) return "malformed";
    // An HTTP/1.0 app that says chunked isn't understood by somebody on the way.
    if (this.framing.chunked && this.minor === 0) return "malformed";
    this.end = after;
    if (this.#memo.isKnown(bytes, from, after)) this.#remember(bytes.subarray(from, after));
    return "whole";
  }

  /**
   * How the client's answer begins: status and reason as the app wrote them, what passes of the fields, and the name of the field for the
   * request's id. `length`: `Content-Length` passes, too, where there is one. Not to be changed.
   */
  start(length: boolean): Buffer {
    if (this.#known !== undefined) return length ? this.#known.start : this.#known.startWithoutLength;
    const status = this.#bytes.toString("latin1", this.#statusStart, this.#statusEnd);
    const text = `HTTP/1.1 ${status}\r\n${answerLines(this.#head, this.framing, length)}X-Request-Id: `;
    return Buffer.from(text, "latin1");
  }

  /** The value of `Keep-Alive`, empty without one. */
  keepAlive(): string {
    if (this.framing.keepAliveField < 0) return "";
    return this.#known?.keepAlive ?? this.#head.value(this.framing.keepAliveField);
  }

  /** The words after the status; empty without any. */
  reason(): string {
    return this.#known?.reason ?? this.#bytes.toString("latin1", this.#statusStart + 4, this.#statusEnd);
  }

  /** What passes of the fields to the client, flat: name, value, name, value. Not to be changed. */
  fields(): readonly string[] {
    return this.#known?.fields ?? answerFields(this.#head.raw());
  }

  #remember(bytes: Buffer): void {
    const { status, minor, framing } = this;
    const [start, startWithoutLength] = [this.start(true), this.start(false)];
    const keepAlive = this.keepAlive();
    const [reason, fields] = [this.reason(), this.fields()];
    const read = { status, minor, framing, start, startWithoutLength, keepAlive, reason, fields };
    this.#memo.keep({ bytes: Buffer.from(bytes), ...read });
  }

  /** How the body of this answer to a request with that method ends. */
  ending(method: string): Ending {
    const { status, framing } = this;
    if (method === "HEAD" || status < 200 || status === 204 || status === 304) return "none";
    if (framing.chunked) return "chunked";
    return framing.length >= 0 ? "length" : "close";
  }

  /** Whether the app takes another request on its connection. */
  get persists(): boolean {
    const { close, keepAlive } = this.framing;
    return !close && (this.minor === 1 || keepAlive);
  }

  /** `HTTP/1.x SP 3DIGIT [SP reason] CRLF`; returns where the fields begin. */
  #readLine(bytes: Buffer, from: number, end: number): number {
    const wanted = "HTTP/1.";
    for (let i = 0; i < wanted.length; i++) {
      if (from + i >= end) return incomplete;
      if (bytes[from + i] !== wanted.charCodeAt(i)) return -2;
    }
    let pos = from + wanted.length;
    if (pos + 5 >= end) return incomplete;
    const minor = bytes[pos];
    if ((minor !== zero && minor !== one) || bytes[pos + 1] !== space) return -2;
    this.minor = minor - zero;
    pos += 2;
    this.#statusStart = pos;
    let status = 0;
    for (const last = pos + 3; pos < last; pos++) {
      const digit = (bytes[pos] ?? 0) - zero;
      if (digit < 0 || digit > 9) return -2;
      status = status * 10 + digit;
    }
    if (status < 100) return -2;
    this.status = status;
    if (bytes[pos] !== space && bytes[pos] !== cr) return -2;
    while (pos < end && valueBytes[bytes[pos] ?? 0] === 1) pos++;
    this.#statusEnd = pos;
    if (pos === end) return incomplete;
    if (bytes[pos] !== cr) return -2;
    if (pos + 1 === end) return incomplete;
    return bytes[pos + 1] === lf ? pos + 2 : -2;
  }
}
