/** A client's connection over TLS, for the same users as a Wire: Node's socket does the encryption, and its stream stays in between. */
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { atOneTime, type ClientWire, readBuffer, type WireUser } from "./wire.ts";

export class TlsWire implements ClientWire {
  user: WireUser;
  pending = false;
  closed = false;
  readonly #socket: TLSSocket;
  #reading = false;
  #ending = false;

  /** @param socket whose handshake is over, and that nobody has read from */
  constructor(socket: TLSSocket, user: WireUser) {
    this.#socket = socket;
    this.user = user;
  }

  /** Unlike `pending`, also what is less than the socket calls full. */
  get unsent(): boolean {
    return this.#socket.writableLength > 0;
  }

  start(): void {
    const socket = this.#socket;
    // Who sends no more may still wait for its answer.
    socket.allowHalfOpen = true;
    socket.on("data", this.#onData).on("end", this.#onEnd).on("drain", this.#onDrain);
    // A stream that is ending says that instead of "drain".
    socket.on("finish", this.#onDrain);
    socket.on("error", ignore).on("close", this.#onClose);
    this.#reading = true;
  }

  resume(): void {
    if (this.#reading || this.closed) return;
    this.#reading = true;
    this.#socket.resume();
  }

  pause(): void {
    if (!this.#reading || this.closed) return;
    this.#reading = false;
    this.#socket.pause();
  }

  peer(): string {
    return this.#socket.remoteAddress ?? "";
  }

  writeText(text: string): void {
    if (!this.closed && !this.#ending) this.pending = !this.#socket.write(text, "latin1");
  }

  /** What the socket keeps is a copy, so the bytes are always free. */
  writeBytes(bytes: Uint8Array): boolean {
    if (!this.closed && !this.#ending) this.pending = !this.#socket.write(Buffer.from(bytes));
    return true;
  }

  end(): void {
    if (this.closed || this.#ending) return;
    this.#ending = true;
    this.#socket.end();
  }

  destroy(): boolean {
    if (this.closed) return false;
    this.closed = true;
    this.#socket.destroy();
    return true;
  }

  /** Without the alert by which TLS tells a whole answer from one that was cut (RFC 8446 §6.1). */
  reset(): void {
    this.destroy();
  }

  toSocket(): Socket {
    const socket = this.#socket;
    // As a socket that nobody has read from yet: whoever listens next, at once, gets what comes.
    this.resume();
    this.closed = true;
    socket.off("data", this.#onData).off("end", this.#onEnd).off("drain", this.#onDrain);
    socket.off("finish", this.#onDrain).off("error", ignore).off("close", this.#onClose);
    return socket;
  }

  #onData = (bytes: Buffer): void => {
    for (let from = 0; from < bytes.length && !this.closed; from += readBuffer.length) {
      const length = bytes.copy(readBuffer, 0, from);
      atOneTime(this.user, length);
    }
  };

  #onEnd = (): void => {
    this.#reading = false;
    this.user.onEnd();
  };

  #onDrain = (): void => {
    this.pending = false;
    if (!this.closed) this.user.onDrain();
  };

  #onClose = (): void => {
    if (this.closed) return;
    this.closed = true;
    this.user.onBroken();
  };
}

/** `close` follows. */
function ignore(): void {}
