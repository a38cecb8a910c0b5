/** Gathers what one event has to send on one connection, so that it goes out in one call. One of it serves a whole thread. */
import type { ClientWire } from "./wire.ts";

const size = 128 * 1024;
/** Up to this many characters a loop writes faster than a call of Node's. */
const longestLoop = 48;
/** Ranges that are kept, since most messages of an app have few lengths: a power of two. */
const views = 64;

export class Out {
  #buffer = Buffer.allocUnsafeSlow(size);
  #length = 0;
  #wire: ClientWire | undefined;
  /** What was sent last of the lengths that have this place. */
  #views: (Buffer | undefined)[] = Array.from({ length: views }, () => undefined);

  /** Begins for a connection; what wasn't sent is forgotten. */
  begin(wire: ClientWire): void {
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
    if (text.length > longestLoop) this.#length += this.#buffer.write(text, this.#length, "latin1");
    else {
      const buffer = this.#buffer;
      const at = this.#length;
      for (let i = 0; i < text.length; i++) buffer[at + i] = text.charCodeAt(i);
      this.#length = at + text.length;
    }
  }

  /** Adds all of these bytes. */
  whole(bytes: Buffer): void {
    if (bytes.length > size - this.#length) return this.bytes(bytes, 0, bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
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
    const place = length & (views - 1);
    let view = this.#views[place];
    if (view?.length !== length) this.#views[place] = view = this.#buffer.subarray(0, length);
    if (this.#wire.writeBytes(view)) return;
    this.#buffer = Buffer.allocUnsafeSlow(size);
    this.#views.fill(undefined);
  }
}
