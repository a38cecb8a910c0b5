/** A request on its way to an app that speaks HTTP/1.1, on the raw connections of http1/, for clients of Node's servers. */
import type { AnswerHead, Ending } from "../http1/answer-head.ts";
import type { AppWires } from "../http1/app-wires.ts";
import { connectTo } from "../http1/connect.ts";
import { Head } from "../http1/head.ts";
import type { Upstream, UpstreamUser } from "../http1/upstream.ts";
import type { Instance } from "../state.ts";
import type { AppCall, CallOptions, CallUser, Failure } from "./call.ts";
import { appHead, trailerText } from "./raw-head.ts";

export class RawCall implements AppCall, UpstreamUser {
  readonly instance: Instance;
  readonly method: string;
  readonly mayReturn = false;
  readonly #wires: AppWires;
  readonly #options: CallOptions;
  readonly #user: CallUser;
  readonly #head: string;
  /** Of the body, that may still be sent; Infinity where it goes in chunks. */
  #left: number;
  readonly #chunked: boolean;
  #upstream: Upstream | undefined;
  #stopConnecting: (() => void) | undefined;
  #headSent = false;
  #bodySent: boolean;
  /** Sent on a connection that the app may have been about to close, and may be sent again. */
  #stale = false;
  #answered = false;
  #over = false;
  /** Of the answer's body, from the bytes that are being read. */
  #pieces: Buffer[] = [];

  /** Throws where the method, the path or a field can't be written as HTTP/1.1. */
  constructor(wires: AppWires, options: CallOptions, user: CallUser) {
    this.#wires = wires;
    this.#options = options;
    this.#user = user;
    this.instance = options.instance;
    this.method = options.method;
    this.#bodySent = !options.hasBody;
    this.#chunked = options.hasBody && options.length === undefined;
    this.#left = this.#chunked ? Infinity : Number(options.length ?? 0);
    this.#head = appHead(options);
  }

  start(): void {
    const wires = this.#wires;
    const { instance, repeatable, fresh } = this.#options;
    const upstream = fresh ? undefined : wires.pool.take(instance, wires.clock.now(), repeatable);
    if (upstream !== undefined) {
      this.#stale = repeatable;
      return this.#begin(upstream);
    }
    this.#stopConnecting = connectTo(wires, instance, (made) => {
      this.#stopConnecting = undefined;
      if (made !== undefined) return this.#begin(made);
      this.#over = true;
      this.#user.appFailed(this, "refused");
    });
  }

  get writable(): boolean {
    return this.#upstream !== undefined && !this.#bodySent;
  }

  /** The fields go out with what comes of the body in this turn. */
  flush(): void {
    setImmediate(() => {
      if (this.#upstream === undefined || this.#headSent) return;
      this.#open(this.#upstream);
      this.#wires.out.send();
    });
  }

  write(piece: Buffer): boolean {
    const upstream = this.#upstream;
    if (upstream === undefined || this.#bodySent || piece.length === 0) return true;
    this.#left -= piece.length;
    // Whoever read the body has counted it, too; but what is beyond would be the beginning of another request.
    if (this.#left < 0) return this.#break("unsendable");
    const { out } = this.#wires;
    this.#open(upstream);
    if (this.#chunked) out.chunk(piece, 0, piece.length);
    else out.bytes(piece, 0, piece.length);
    out.send();
    return !upstream.wire.pending;
  }

  end(trailers: [string, string][]): void {
    const upstream = this.#upstream;
    if (upstream === undefined || this.#bodySent) return;
    if (this.#left > 0 && !this.#chunked) return void this.#break("unsendable");
    const { out } = this.#wires;
    this.#open(upstream);
    if (this.#chunked) out.text(`0\r\n${trailerText(trailers)}\r\n`);
    this.#bodySent = true;
    out.send();
  }

  pause(): void {
    this.#upstream?.wire.pause();
  }

  resume(): void {
    this.#upstream?.wire.resume();
  }

  tell(): void {
    this.#upstream?.wire.end();
  }

  destroy(): void {
    if (this.#over) return;
    this.#over = true;
    this.#stopConnecting?.();
    this.#upstream?.destroy();
    this.#upstream = undefined;
    this.#user.appClosed(this);
  }

  readable(): void {}

  informed(head: AnswerHead): void {
    if (head.status === 100) this.#user.appContinued(this);
    else this.#user.appInformed(this, head.status, head.fields());
  }

  begun(head: AnswerHead, ending: Ending): void {
    this.#answered = true;
    this.#user.appAnswered(this, {
      status: head.status,
      message: head.reason(),
      fields: head.fields(),
      empty: ending === "none" || (ending === "length" && head.framing.length === 0),
      trailing: ending === "chunked",
    });
  }

  data(bytes: Buffer, start: number, end: number): void {
    // The next read takes the place of these.
    if (!this.#over) this.#pieces.push(Buffer.from(bytes.subarray(start, end)));
  }

  paused(): void {
    const pieces = this.#pieces;
    const [first] = pieces;
    if (first === undefined) return;
    this.#pieces = [];
    this.#user.appData(this, pieces.length === 1 ? first : Buffer.concat(pieces));
  }

  ended({ reusable, trailers }: { reusable: boolean; trailers: Buffer | undefined }): void {
    const upstream = this.#upstream;
    this.paused();
    this.#upstream = undefined;
    // Told so as it took the last piece.
    if (this.#over) return upstream?.destroy();
    this.#over = true;
    const list = trailers === undefined ? [] : trailerList(trailers);
    if (upstream !== undefined && reusable && this.#bodySent) {
      // It may have been paused for the client.
      upstream.wire.resume();
      this.#wires.pool.put(upstream, this.#wires.clock.now());
    } else upstream?.destroy();
    if (list === undefined) this.#user.appBroke(this);
    else this.#user.appEnded(this, list);
    this.#user.appClosed(this);
  }

  malformed(): void {
    this.#broken("malformed");
  }

  broken(): void {
    this.#broken(this.#stale && this.#upstream?.touched === false ? "stale" : "broken");
  }

  drained(): void {
    this.#user.appDrained(this);
  }

  #begin(upstream: Upstream): void {
    upstream.user = this;
    this.#upstream = upstream;
    this.#user.appConnected(this);
    if (!this.#bodySent) return;
    this.#open(upstream);
    this.#wires.out.send();
  }

  /** What follows is for the app, behind its head. */
  #open(upstream: Upstream): void {
    const { out } = this.#wires;
    out.begin(upstream.wire);
    if (!this.#headSent) out.text(this.#head);
    this.#headSent = true;
  }

  /** The app must not take what it has for whole. */
  #break(why: Failure): true {
    this.#upstream?.destroy();
    this.#broken(why);
    return true;
  }

  #broken(why: Failure): void {
    this.#upstream = undefined;
    if (this.#over) return;
    this.paused();
    this.#over = true;
    if (this.#answered) this.#user.appBroke(this);
    else this.#user.appFailed(this, why);
    this.#user.appClosed(this);
  }
}

/** A trailer section's fields, flat; undefined if it is none. */
function trailerList(section: Buffer): string[] | undefined {
  const head = new Head(section.length);
  return head.scan(section, 0, section.length) === section.length ? head.raw() : undefined;
}
