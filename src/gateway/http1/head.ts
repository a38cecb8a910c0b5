/**
 * A header section as read: where each field stands in the bytes, and what it is. One Head is used again for every message of a thread; what
 * is needed longer is taken out of it before the next is read. Nothing is lenient here (RFC 9112 §5): no folding, no space before a colon, no
 * bare CR or LF, no control byte.
 */
import { hashStep, kind, kindOf, nameBytes, valueBytes } from "./names.ts";

/** The bytes end within the section. */
export const incomplete = -1;
/** No server could be sure what this means. */
export const malformed = -2;
/** More fields than the limit. */
export const tooMany = -3;

const [tab, lf, cr, space, colon, underscore] = [0x09, 0x0a, 0x0d, 0x20, 0x3a, 0x5f];

export class Head {
  bytes: Buffer = Buffer.alloc(0);
  /** Fields that were read. */
  count = 0;
  /** Where the first field's line begins, and the empty line after the last. */
  fieldsStart = 0;
  fieldsEnd = 0;
  readonly most: number;
  readonly nameStart: Int32Array;
  readonly nameEnd: Int32Array;
  readonly valueStart: Int32Array;
  readonly valueEnd: Int32Array;
  /** Of names.ts. */
  readonly kinds: Uint8Array;

  /** @param most fields that a section may have */
  constructor(most: number) {
    this.most = most;
    this.nameStart = new Int32Array(most);
    this.nameEnd = new Int32Array(most);
    this.valueStart = new Int32Array(most);
    this.valueEnd = new Int32Array(most);
    this.kinds = new Uint8Array(most);
  }

  /** Reads field lines from `from` to the empty line that ends them. Returns where the next byte after it stands, or why there is none. */
  scan(bytes: Buffer, from: number, end: number): number {
    this.bytes = bytes;
    this.count = 0;
    this.fieldsStart = from;
    let pos = from;
    for (;;) {
      if (pos >= end) return incomplete;
      if (bytes[pos] === cr) {
        this.fieldsEnd = pos;
        if (pos + 1 >= end) return incomplete;
        return bytes[pos + 1] === lf ? pos + 2 : malformed;
      }
      if (this.count === this.most) return tooMany;
      pos = this.#scanLine(pos, end);
      if (pos < 0) return pos;
    }
  }

  #scanLine(start: number, end: number): number {
    const { bytes } = this;
    let pos = start;
    let hash = 0;
    let odd = false;
    for (; pos < end; pos++) {
      const byte = bytes[pos] ?? 0;
      const lower = nameBytes[byte] ?? 0;
      if (lower === 0) break;
      if (byte === underscore) odd = true;
      hash = hashStep(hash, lower);
    }
    const nameEnd = pos;
    if (pos === end) return incomplete;
    if (bytes[pos] !== colon || pos === start) return malformed;
    for (pos++; pos < end && (bytes[pos] === space || bytes[pos] === tab);) pos++;
    const valueStart = pos;
    while (pos < end && valueBytes[bytes[pos] ?? 0] === 1) pos++;
    if (pos === end) return incomplete;
    if (bytes[pos] !== cr) return malformed;
    if (pos + 1 === end) return incomplete;
    if (bytes[pos + 1] !== lf) return malformed;
    let valueEnd = pos;
    while (valueEnd > valueStart && (bytes[valueEnd - 1] === space || bytes[valueEnd - 1] === tab)) valueEnd--;
    const field = this.count++;
    this.nameStart[field] = start;
    this.nameEnd[field] = nameEnd;
    this.valueStart[field] = valueStart;
    this.valueEnd[field] = valueEnd;
    this.kinds[field] = odd ? kind.underscored : kindOf(bytes, start, { hash, length: nameEnd - start });
    return pos + 2;
  }

  /** A field's name as it was written. */
  name(field: number): string {
    return this.bytes.toString("latin1", this.nameStart[field], this.nameEnd[field]);
  }

  /** A field's value without the space around it. */
  value(field: number): string {
    return this.bytes.toString("latin1", this.valueStart[field], this.valueEnd[field]);
  }

  /** All fields, flat: name, value, name, value. */
  raw(): string[] {
    const out: string[] = [];
    for (let field = 0; field < this.count; field++) out.push(this.name(field), this.value(field));
    return out;
  }
}
