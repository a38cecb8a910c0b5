/** A request's body on its way to the app, with back-pressure; knows when it is the client that doesn't go on. */
import type { ClientRequest, IncomingMessage } from "node:http";
import type { Clock } from "../../lib/clock.ts";
import { trailerFields } from "./headers.ts";

export class Body {
  readonly #req: IncomingMessage;
  readonly #clock: Clock;
  /** When the client last sent a piece, or began to be waited for; undefined while it isn't waited for. */
  #waitsSince: number | undefined;

  constructor(req: IncomingMessage, clock: Clock) {
    this.#req = req;
    this.#clock = clock;
  }

  /** Milliseconds for which the client has been sending nothing though it could. */
  stalledFor(now: number): number {
    return this.#waitsSince === undefined || this.#req.complete ? 0 : now - this.#waitsSince;
  }

  /** Sends it on, trailers and all, and ends the app's request with it. */
  sendTo(app: ClientRequest): void {
    const req = this.#req;
    app.flushHeaders();
    this.#waitsSince = this.#clock.now();
    req.on("data", (piece: Buffer) => {
      if (app.destroyed || app.writableEnded) return;
      this.#waitsSince = this.#clock.now();
      if (app.write(piece)) return;
      req.pause();
      this.#waitsSince = undefined;
    });
    app.on("drain", () => {
      this.#waitsSince = this.#clock.now();
      req.resume();
    });
    req.on("end", () => {
      if (app.destroyed || app.writableEnded) return;
      const trailers = trailerFields(req.rawTrailers);
      if (trailers.length > 0) app.addTrailers(trailers);
      app.end();
    });
  }

  /** Reads and drops the rest: nobody wants it, but the next request on the connection stands behind it. */
  drop(): void {
    if (this.#req.complete) return;
    this.#waitsSince = this.#clock.now();
    this.#req.removeAllListeners("data");
    this.#req.on("data", () => (this.#waitsSince = this.#clock.now()));
    this.#req.resume();
  }
}
