/**
 * The access log of one thread: lines gathered and appended to a file that all threads, and the gateways before and after, append to as well.
 * Each write is of whole lines, and appends are whole for the kernel, so lines of several never mix. A disk that is slow or full costs
 * lines, which are counted, and no request.
 */
import { write } from "node:fs";
import type { Clock } from "../../lib/clock.ts";

/** Written at once from so many characters on, else after so many milliseconds. */
const batch = 64 * 1024;
const flushMs = 100;
/** Most characters that wait. */
const mostWaiting = 4 * 1024 * 1024;

export class AccessLog {
  readonly #fd: number;
  readonly #clock: Clock;
  #lines: string[] = [];
  #length = 0;
  #timer: (() => void) | undefined;
  #writing: Promise<void> | undefined;
  #dropped = 0;
  /** The file may end in the middle of a line, which was written in part before the disk was full. */
  #torn = false;

  /** @param fd of a file that is open for appending */
  constructor(fd: number, clock: Clock) {
    this.#fd = fd;
    this.#clock = clock;
  }

  /** Takes a line, with its end. */
  write(line: string): void {
    if (this.#length + line.length > mostWaiting) {
      this.#dropped += 1;
      return;
    }
    this.#lines.push(line);
    this.#length += line.length;
    if (this.#length >= batch) this.#send();
    else this.#later();
  }

  /** Lines that were dropped since the last call. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }

  /** Writes what waits; resolves when it stands in the file, or was dropped. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined || this.#lines.length > 0) {
      this.#send();
      await this.#writing;
    }
  }

  #later(): void {
    if (this.#timer !== undefined) return;
    this.#timer = this.#clock.after(flushMs, () => {
      this.#timer = undefined;
      this.#send();
    });
  }

  #send(): void {
    if (this.#writing !== undefined || this.#lines.length === 0) return;
    const count = this.#lines.length;
    const text = `${this.#torn ? "\n" : ""}${this.#lines.join("")}`;
    this.#lines = [];
    this.#length = 0;
    this.#writing = append(this.#fd, Buffer.from(text)).then(
      () => {
        this.#torn = false;
        this.#written();
      },
      () => {
        this.#torn = true;
        this.#dropped += count;
        this.#written();
      },
    );
  }

  #written(): void {
    this.#writing = undefined;
    if (this.#length >= batch) this.#send();
    else if (this.#lines.length > 0) this.#later();
  }
}

/** Appends all of it; the system may take less than all at once where the disk gets full. */
async function append(fd: number, bytes: Buffer): Promise<void> {
  for (let from = 0; from < bytes.length;) {
    from += await new Promise<number>((resolve, reject) => {
      write(fd, bytes, from, bytes.length - from, null, (error, written) => {
        if (error === null) resolve(written);
        else reject(error);
      });
    });
  }
}
