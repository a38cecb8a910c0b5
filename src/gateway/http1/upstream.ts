/** A connection to an instance: reads one answer after the other, and tells its pieces to the exchange that it belongs to meanwhile. */
import type { Instance } from "../state.ts";
import type { AnswerHead, Ending } from "./answer-head.ts";
import { type ChunkSink, Chunks } from "./chunks.ts";
import { connectWire, readBuffer, type Wire, type WireUser } from "./wire.ts";

/** Idle connections older than this aren't used again, or than the app says in `Keep-Alive`, less a second for the way. */
const longestIdleMs = 30_000;
const keepAliveMarginMs = 1_000;

/** Who waits for the answer. */
export interface UpstreamUser extends ChunkSink {
  readonly method: string;
  /** Pieces of an answer follow, up to `paused` or `ended`. */
  readable(): void;
  /** An interim answer. */
  informed(head: AnswerHead): void;
  /** The answer's head, and how its body ends; its pieces go to `data`. */
  begun(head: AnswerHead, ending: Ending): void;
  /** No more for now. */
  paused(): void;
  /** The answer is whole. `reusable`: the connection can take another request. */
  ended(end: { reusable: boolean; trailers: Buffer | undefined }): void;
  /** What came is no HTTP. The connection is closed. */
  malformed(): void;
  /** The connection broke before the answer's end. */
  broken(): void;
  /** What was written has left. */
  drained(): void;
}

export class Upstream implements WireUser {
  readonly instance: Instance;
  readonly wire: Wire;
  user: UpstreamUser | undefined;
  idleSince = 0;
  idleMs = longestIdleMs;
  /** A byte of the present answer has come. */
  touched = false;
  readonly #head: AnswerHead;
  #kept: Buffer | undefined;
  #ending: Ending | undefined;
  #left = 0;
  #chunks: Chunks | undefined;
  #persists = false;
  #keepAlive = "";

  /** Begins to connect; `connected` is told whether it worked. */
  constructor(to: { instance: Instance; address: string; head: AnswerHead }, connected: (ok: boolean) => void) {
    this.instance = to.instance;
    this.#head = to.head;
    this.wire = connectWire({ address: to.address, port: to.instance.port }, this, connected);
  }

  destroy(): void {
    this.user = undefined;
    this.wire.destroy();
  }

  onRead(length: number): void {
    const { user } = this;
    // An answer to nothing: whatever it is, the next request's answer must not be mistaken for it.
    if (user === undefined) return this.destroy();
    this.touched = true;
    user.readable();
    if (this.#kept === undefined) return this.#read(user, readBuffer, length);
    const bytes = Buffer.concat([this.#kept, readBuffer.subarray(0, length)]);
    this.#kept = undefined;
    this.#read(user, bytes, bytes.length);
  }

  onEnd(): void {
    const { user } = this;
    if (user === undefined) return this.destroy();
    if (this.#ending !== "close") return this.onBroken();
    user.readable();
    this.#finish(user, false);
  }

  onDrain(): void {
    this.user?.drained();
  }

  onBroken(): void {
    const { user } = this;
    this.destroy();
    user?.broken();
  }

  #read(user: UpstreamUser, bytes: Buffer, end: number): void {
    let pos = 0;
    while (this.#ending === undefined) {
      const reading = this.#head.read(bytes, pos, end);
      if (reading === "incomplete") {
        this.#kept = Buffer.from(bytes.subarray(pos, end));
        return user.paused();
      }
      // Nobody asked for another protocol on this connection.
      if (reading === "malformed" || this.#head.status === 101) return this.#refuse(user);
      pos = this.#head.end;
      if (this.#head.status >= 200) this.#begin(user);
      else {
        user.informed(this.#head);
        if (pos === end) return user.paused();
      }
    }
    pos = this.#readBody(user, { bytes, from: pos, end });
    if (pos < 0) return this.#refuse(user);
    const over =
      this.#ending === "none" ||
      (this.#ending === "length" && this.#left === 0) ||
      (this.#ending === "chunked" && this.#chunks?.ended === true);
    if (over) this.#finish(user, this.#persists && pos === end);
    else user.paused();
  }

  #begin(user: UpstreamUser): void {
    const head = this.#head;
    const { framing } = head;
    const ending = head.ending(user.method);
    this.#ending = ending;
    this.#left = framing.length;
    this.#chunks = ending === "chunked" ? new Chunks() : undefined;
    this.#persists = ending !== "close" && head.persists;
    if (framing.keepAliveField >= 0) this.#obey(head.keepAlive());
    user.begun(head, ending);
  }

  #readBody(user: UpstreamUser, piece: { bytes: Buffer; from: number; end: number }): number {
    const { bytes, from, end } = piece;
    if (from === end || this.#ending === "none") return from;
    if (this.#chunks !== undefined) return this.#chunks.read(piece, user);
    const until = this.#ending === "close" ? end : Math.min(end, from + this.#left);
    if (until > from) user.data(bytes, from, until);
    this.#left -= until - from;
    return until;
  }

  #finish(user: UpstreamUser, reusable: boolean): void {
    const trailers = this.#chunks?.trailers;
    this.#ending = undefined;
    this.#chunks = undefined;
    this.touched = false;
    this.user = undefined;
    user.ended({ reusable, trailers });
  }

  #refuse(user: UpstreamUser): void {
    this.destroy();
    user.malformed();
  }

  /** How long the app keeps idle connections, from `Keep-Alive: timeout=SECONDS`. */
  #obey(field: string): void {
    if (field === this.#keepAlive) return;
    this.#keepAlive = field;
    const seconds = /(?:^|[,\s])timeout=(\d{1,6})/i.exec(field)?.[1];
    if (seconds === undefined) return;
    this.idleMs = Math.min(longestIdleMs, Number(seconds) * 1_000 - keepAliveMarginMs);
  }
}
