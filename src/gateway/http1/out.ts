/** Gathers what one event has to send on one connection, so that it goes out in one call. One of it serves a whole thread. */
import type { Wire } from "./wire.ts";

const size = 128 * 1024;

export class Out {
  #buffer = Buffer.allocUnsafeSlow(size);
  #length = 0;
  #wire: Wire | undefined;

  /** Begins for a connection; what wasn't sent is forgotten. */
  begin(wire: Wire): void {
    this.#wire = wire;
    this.#length = 0;
  }

  /** Adds characters 0 to 255 as bytes. */
  text(text: string): void {
    if (text.length > size - this.#length) {
      this.send();
      if (text.length > size) {
        this.#wire?.writeText(text);
        return;
      }
    }
    this.#length += this.#buffer.write(text, this.#length, "latin1");
  }

  bytes(bytes: Buffer, start: number, end: number): void {
    for (let from = start; from < end;) {
      if (this.#length === size) this.send();
      const until = Math.min(end, from + size - this.#length);
      bytes.copy(this.#buffer, this.#length, from, until);
      this.#length += until - from;
      from = until;
    }
  }

  /** Adds bytes as one chunk of a chunked body. */
  chunk(bytes: Buffer, start: number, end: number): void {
    if (end === start) return;
    this.text(`${(end - start).toString(16)}\r\n`);
    this.bytes(bytes, start, end);
    this.text("\r\n");
  }

  send(): void {
    const length = this.#length;
    this.#length = 0;
    if (length === 0 || this.#wire === undefined) return;
    if (!this.#wire.writeBytes(this.#buffer.subarray(0, length))) this.#buffer = Buffer.allocUnsafeSlow(size);
  }
}
