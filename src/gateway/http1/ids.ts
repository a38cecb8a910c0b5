/**
 * Ids of requests: UUIDs of version 4 (RFC 9562 §5.4). Made many at once, as one text of which each id is a slice: Node's own `randomUUID` puts every
 * one together of twenty pieces, which are gone through again each time that it is written.
 */
import { randomFillSync } from "node:crypto";

const atOnce = 256;
const length = 36;
const digits = Buffer.from("0123456789abcdef");
const dash = 0x2d;

export class Ids {
  readonly #random = Buffer.alloc(atOnce * 16);
  readonly #bytes = Buffer.alloc(atOnce * length);
  #text = "";
  #next = 0;

  /** One that nobody had. */
  next(): string {
    if (this.#next === this.#text.length) this.#fill();
    const from = this.#next;
    this.#next = from + length;
    return this.#text.slice(from, from + length);
  }

  #fill(): void {
    const random = this.#random;
    const bytes = this.#bytes;
    randomFillSync(random);
    let at = 0;
    for (let i = 0; i < random.length; i++) {
      const place = i & 15;
      let byte = random[i] ?? 0;
      // The version, and the variant.
      if (place === 6) byte = (byte & 0x0f) | 0x40;
      else if (place === 8) byte = (byte & 0x3f) | 0x80;
      if (place === 4 || place === 6 || place === 8 || place === 10) bytes[at++] = dash;
      bytes[at++] = digits[byte >> 4] ?? 0;
      bytes[at++] = digits[byte & 15] ?? 0;
    }
    this.#text = bytes.toString("latin1");
    this.#next = 0;
  }
}
