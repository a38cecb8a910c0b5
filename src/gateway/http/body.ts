/** A request's body on its way to the app, with back-pressure; knows when it is the client that doesn't go on. */
import type { Clock } from "../../lib/clock.ts";
import type { AppCall } from "./call.ts";
import { trailerFields } from "./headers.ts";
import type { Incoming } from "./incoming.ts";

/** What of a body is kept for an app that may yet say that it did nothing for the request. */
const mostKept = 64 * 1024;

export class Body {
  readonly #incoming: Incoming;
  readonly #clock: Clock;
  #app: AppCall | undefined;
  #listening = false;
  #dropped = false;
  /** Sent pieces; undefined once they can't be sent again. */
  #kept: Buffer[] | undefined = [];
  #keptBytes = 0;
  /** The app was given the end of it. */
  #sent = false;
  /** When the client last sent a piece, or began to be waited for; undefined while it isn't waited for. */
  #waitsSince: number | undefined;

  constructor(incoming: Incoming, clock: Clock) {
    this.#incoming = incoming;
    this.#clock = clock;
  }

  /** Milliseconds for which the client has been sending nothing though it could. */
  stalledFor(now: number): number {
    return this.#waitsSince === undefined || this.#incoming.complete ? 0 : now - this.#waitsSince;
  }

  /** Whether the app has all of it: what has come of it may still have waited for the app as its client left. */
  get sent(): boolean {
    return this.#sent;
  }

  /** Whether it can go to another app from its first byte. */
  get isRepeatable(): boolean {
    return this.#kept !== undefined;
  }

  /** Reads no more until it is sent to the next app. */
  hold(): void {
    this.#app = undefined;
    this.#sent = false;
    this.#wait();
  }

  /** The app has answered: what was sent needn't be kept. */
  settle(): void {
    this.#kept = undefined;
  }

  /** Sends it on, trailers and all, and ends the app's request with it. What an app before was sent is sent again. */
  sendTo(app: AppCall): void {
    this.#app = app;
    app.flush();
    let free = true;
    for (const piece of this.#kept ?? []) free = app.write(piece);
    if (!app.mayReturn) this.#kept = undefined;
    if (this.#listening && this.#incoming.complete && this.#incoming.body.readableEnded) return this.#end();
    this.#listen();
    if (free) this.drained();
    else this.#wait();
  }

  /** The app has taken what was written. */
  drained(): void {
    if (this.#dropped) return;
    this.#waitsSince = this.#clock.now();
    this.#incoming.body.resume();
  }

  /** Reads and drops the rest: nobody wants it. */
  drop(): void {
    if (this.#incoming.complete || this.#dropped) return;
    this.#dropped = true;
    this.#kept = undefined;
    this.#waitsSince = this.#clock.now();
    this.#listen();
    this.#incoming.dropBody();
  }

  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    const { body } = this.#incoming;
    body.on("data", (piece: Buffer) => this.#piece(piece));
    body.on("end", () => this.#end());
  }

  #piece(piece: Buffer): void {
    this.#waitsSince = this.#clock.now();
    if (this.#dropped) return;
    this.#keep(piece);
    if (this.#app?.writable === true && !this.#app.write(piece)) this.#wait();
  }

  #keep(piece: Buffer): void {
    if (this.#kept === undefined) return;
    this.#keptBytes += piece.length;
    if (this.#keptBytes > mostKept) this.#kept = undefined;
    else this.#kept.push(piece);
  }

  #wait(): void {
    this.#incoming.body.pause();
    this.#waitsSince = undefined;
  }

  #end(): void {
    if (this.#dropped || this.#app?.writable !== true || !this.#incoming.complete) return;
    this.#sent = true;
    this.#app.end(trailerFields(this.#incoming.trailers));
  }
}
