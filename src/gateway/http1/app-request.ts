/** A request on its way to the app: its head, and with it or behind it the pieces of its body. */
import { trailerLines } from "./fields.ts";
import type { AppText } from "./app-head.ts";
import type { Out } from "./out.ts";
import type { Wire } from "./wire.ts";

export class AppRequest {
  readonly #out: Out;
  readonly #head: AppText;
  readonly #chunked: boolean;
  #headSent = false;
  #bodySent: boolean;

  constructor(out: Out, head: AppText, body: "none" | "length" | "chunked") {
    this.#out = out;
    this.#head = head;
    this.#chunked = body === "chunked";
    this.#bodySent = body === "none";
  }

  /** The app has all of it. */
  get sent(): boolean {
    return this.#headSent && this.#bodySent;
  }

  /** Sends a request without a body; again, where the connection turned out closed. */
  sendWhole(wire: Wire): void {
    this.#headSent = true;
    this.#out.begin(wire);
    this.#head.writeTo(this.#out);
    this.#out.send();
  }

  /** Pieces of the body follow, up to `pause`. */
  begin(wire: Wire): void {
    this.#out.begin(wire);
    if (!this.#headSent) this.#head.writeTo(this.#out);
    this.#headSent = true;
  }

  data(bytes: Buffer, start: number, end: number): void {
    if (this.#chunked) this.#out.chunk(bytes, start, end);
    else this.#out.bytes(bytes, start, end);
  }

  pause(): void {
    this.#out.send();
  }

  /** The body is whole. `lines`: its trailers. */
  finish(lines: string): void {
    if (this.#chunked) this.#out.text(`0\r\n${lines}\r\n`);
    this.#bodySent = true;
    this.#out.send();
  }
}

/** What passes of a body's trailers; undefined if they are none. */
export function passingTrailers(section: Buffer | undefined): string | undefined {
  return section === undefined ? "" : trailerLines(section);
}
