/**
 * A client's connection: reads one request after the other, the next one when the last is answered (what came early is kept, up to a bound).
 * Phases: waiting for a request, reading its head, an exchange under way, closing. A connection that begins with the preface of HTTP/2, or with a
 * request that isn't plain or is for an app that speaks HTTP/2, is handed over with what was read of it.
 */
import { type Answer, answers } from "../answers.ts";
import { mayDivert } from "../divert.ts";
import { AppHead } from "./app-head.ts";
import { Chunks, type ChunkSink } from "./chunks.ts";
import type { Context } from "./context.ts";
import { Exchange } from "./exchange.ts";
import { bodyBytes, ownAnswer } from "./answering.ts";
import type { Arrival, Sighting } from "../seen/sighting.ts";
import { fieldInLines, tracedHead } from "../seen/fields.ts";
import type { Reading, RequestHead } from "./request-head.ts";
import { readPreface } from "./preface.ts";
import { type ClientWire, readBuffer, type WireUser } from "./wire.ts";

/** Most bytes that are kept of what comes before it can be used; then the connection isn't read from. */
const mostKept = 64 * 1024;
/** How long a closed connection's client may go on sending before it is cut off: closing on it would take the answer with it. */
const lingerMs = 1_000;
/** Clients are told a bit less than how long they may be idle, since their next request may be on its way. */
const idleMarginMs = 1_000;
const lf = 0x0a;

const refusals: Partial<Record<Reading, Answer>> = {
  badRequest: answers.badRequest,
  badHost: answers.badHost,
  fieldsTooLarge: answers.fieldsTooLarge,
  targetTooLong: answers.targetTooLong,
};

/** A request's body that hasn't come whole yet. */
interface Body {
  left: number;
  chunks: Chunks | undefined;
}

export class Client implements WireUser, ChunkSink {
  readonly wire: ClientWire;
  /** The connection can take another request. */
  persists = true;
  readonly #context: Context;
  readonly #appHead: AppHead;
  readonly #address: string;
  #exchange: Exchange | undefined;
  #body: Body | undefined;
  #kept: Buffer | undefined;
  /** In `#work`, so that what it calls needn't call it. */
  #working = false;
  #closing = false;
  /** No request has come yet. */
  #fresh = true;
  /** The client sends nothing more. */
  #ended = false;
  /** When the present phase began: of waiting, of a head, of closing; within a body, when its last piece came. */
  #since: number;
  #fullSince = 0;

  /** @param makeWire gives the connection, not reading yet */
  constructor(makeWire: (user: WireUser) => ClientWire, context: Context) {
    this.#context = context;
    this.wire = makeWire(this);
    this.#address = this.wire.peer().replace(/^::ffff:/, "");
    this.#appHead = new AppHead(this.#address, context.scheme);
    this.#since = context.clock.now();
    this.wire.start();
  }

  onRead(length: number): void {
    if (this.#closing) return;
    if (this.#kept === undefined) {
      if (this.#exchange === undefined || this.#body !== undefined) this.#since = this.#context.clock.now();
      return this.#work(readBuffer, length);
    }
    const before = this.#kept.length;
    const bytes = Buffer.concat([this.#kept, readBuffer.subarray(0, length)]);
    if (this.#body !== undefined) this.#since = this.#context.clock.now();
    // A head that comes in drops is only read again when there is another line of it.
    if (
      this.#exchange === undefined &&
      bytes.length <= this.#context.limits.headerBytes &&
      bytes.indexOf(lf, before) < 0
    ) {
      this.#kept = bytes;
      return;
    }
    this.#work(bytes, bytes.length);
  }

  onEnd(): void {
    this.#ended = true;
    if (this.#exchange === undefined || this.#closing) {
      if (!this.wire.unsent) return this.#leave();
      // It is still taking its answer; what it asked for since is served when it has.
      if (this.#kept === undefined || !this.wire.pending) this.#close();
      return;
    }
    // The rest of the body may wait here for its instance.
    if (this.#body !== undefined && this.#kept === undefined) return this.#leave();
    if (!this.#exchange.clientEnded()) this.#leave();
  }

  onDrain(): void {
    this.#exchange?.clientDrained();
    if (this.#exchange === undefined) this.#workOn();
  }

  onBroken(): void {
    this.#leave();
  }

  data(bytes: Buffer, start: number, end: number): void {
    this.#exchange?.bodyData(bytes, start, end);
  }

  /** The exchange can take pieces of the body. */
  bodyWanted(): void {
    if (this.#body === undefined || this.#closing) return;
    // From now on it is the client that is waited for.
    this.#since = this.#context.clock.now();
    if (!this.#working) this.#work(this.#kept ?? readBuffer, this.#kept?.length ?? 0);
  }

  /** Whether the client doesn't take what is sent as fast as it comes. */
  isFull(): boolean {
    if (this.wire.pending) this.#fullSince = this.#context.clock.now();
    return this.wire.pending;
  }

  send(bytes: Buffer): void {
    this.wire.writeBytes(bytes);
    this.isFull();
  }

  /** The answer is whole. */
  answered(persists: boolean): void {
    this.persists = persists;
    this.isFull();
    if (!persists) this.#close();
    else if (this.#body === undefined) this.#next();
    // The next request stands behind the rest of a body that nobody wants.
    else this.bodyWanted();
  }

  /** The answer can't be completed: the client must not take what it has for whole. */
  breakOff(): void {
    this.#context.remove(this);
    this.wire.reset();
  }

  /** Drops the connection. */
  destroy(): void {
    this.#leave();
  }

  /** Ends what goes on for too long without the client doing its part; called now and then. */
  check(now: number): void {
    const { stallMs, headersMs, idleMs } = this.#context.limits;
    const still = now - this.#since;
    if (this.wire.pending && now - this.#fullSince > stallMs) return this.#leave();
    if (this.#closing) {
      if (still > (this.wire.unsent ? stallMs : lingerMs)) this.#leave();
    } else if (this.#body !== undefined) {
      if (still <= stallMs || this.#exchange?.wantsBody !== true) return;
      if (this.#exchange.answered || this.#exchange.over) this.#leave();
      else this.#refuse(answers.slowRequest);
    } else if (this.#exchange !== undefined) {
      if (this.#exchange.isForlorn(now)) this.#leave();
    } else if (this.#kept !== undefined || this.#fresh) {
      if (still > headersMs) this.#refuse(answers.slowRequest);
    } else if (still > idleMs + idleMarginMs) this.#close();
  }

  /** While draining: closes a connection that has had no request since `time`. */
  closeIdle(time: number): void {
    if (this.#exchange === undefined && this.#kept === undefined && this.#since <= time) this.#close();
  }

  /** Ends an answer that began before `time`, if it has begun. */
  shed(time: number): void {
    if (this.#exchange?.answered === true && this.#exchange.began < time) this.#leave();
  }

  /** Reads requests from these bytes; keeps what can't be used yet. */
  #work(bytes: Buffer, end: number): void {
    let pos = 0;
    this.#working = true;
    this.#kept = undefined;
    while (!this.#closing && !this.wire.closed) {
      if (this.#exchange === undefined) {
        if (pos === end || this.wire.pending) break;
        const begun = this.#begin(bytes, pos, end);
        if (begun < 0) break;
        pos = begun;
      } else if (this.#body !== undefined && this.#exchange.wantsBody) {
        pos = this.#readBody(this.#exchange, this.#body, { bytes, from: pos, end });
        if (this.#body !== undefined) break;
      } else break;
    }
    this.#working = false;
    if (pos < end && !this.#closing && !this.wire.closed) this.#keep(bytes, pos, end);
    if (this.#ended && this.#body !== undefined && this.#kept === undefined) this.#leave();
    this.#pace();
  }

  /** Begins the exchange for the request at `from`. Returns where what comes after its head begins, or -1 without one. */
  #begin(bytes: Buffer, from: number, end: number): number {
    // Over TLS, HTTP/2 is agreed upon in the handshake (RFC 9113 §3.2).
    if (this.#fresh && this.#context.scheme === "http") {
      const preface = readPreface(bytes, from, end);
      if (preface === "incomplete") return -1;
      if (preface === "preface") return this.#handOver(bytes.subarray(from, end), 2);
    }
    const head = this.#context.requestHead;
    const reading = head.read(bytes, from, end);
    if (reading === "incomplete") return -1;
    if (reading === "other") return this.#handOver(bytes.subarray(from, end), 1);
    const after = head.end;
    const { authority, framing, givenId } = head.fields;
    const host = this.#context.hostOf(authority);
    if (reading !== "plain" || host === undefined) {
      this.#refuse(refusals[reading] ?? answers.badHost);
      return -1;
    }
    if (this.#context.core.speaksHttp2(host)) return this.#handOver(bytes.subarray(from, end), 1);
    const { divert } = this.#context;
    if (divert !== undefined && mayDivert(divert, host)) return this.#handOver(bytes.subarray(from, end), 1);
    this.#fresh = false;
    const { minor, method } = head;
    this.persists = minor === 1 ? !framing.close : framing.keepAlive && !framing.close;
    const requestId = givenId ?? this.#context.newId();
    const expects = framing.expect >= 0 && minor === 1;
    const body = framing.chunked ? "chunked" : framing.length > 0 ? "length" : "none";
    const sighting = this.#see(head, host, requestId);
    const appHead = this.#appHead.text(head, requestId, expects);
    if (sighting !== undefined) appHead.replace(tracedHead(appHead.text, sighting));
    this.#body =
      body === "none" ? undefined : { left: framing.length, chunks: framing.chunked ? new Chunks() : undefined };
    const held = body === "none" ? 0 : body === "length" ? Math.min(framing.length, mostKept) : mostKept;
    const request = { method, minor, host, requestId, appHead, body, bodyBytes: held, expects, sighting } as const;
    const exchange = (this.#exchange = new Exchange(this.#context, this, request));
    exchange.start();
    // The client ended its side while it waited for an answer before this one: it may have left since.
    if (this.#ended && this.#exchange === exchange && !exchange.over && !exchange.clientEnded()) this.#leave();
    return after;
  }

  #see(head: RequestHead, host: string, requestId: string): Sighting | undefined {
    const { observer, clock } = this.#context;
    if (observer === undefined) return undefined;
    const { method, minor, target, fields } = head;
    return observer.see({
      ...this.#arrival(requestId),
      at: clock.now(),
      method,
      target,
      host,
      protocol: minor === 0 ? "HTTP/1.0" : "HTTP/1.1",
      header: (name) => fieldInLines(fields.lines, name),
    });
  }

  /** A request of which only the connection is known. */
  #arrival(requestId: string): Arrival {
    const nothing = { method: "", target: "", host: "", header: () => undefined };
    const { scheme } = this.#context;
    return { ...nothing, at: this.#since, protocol: "HTTP/1.1", scheme, address: this.#address, requestId };
  }

  /** Returns -1, as `#begin` without an exchange. */
  #handOver(bytes: Buffer, http: 1 | 2): number {
    // Node's socket would wait for an end that has come already.
    if (this.#ended) this.#leave();
    else {
      this.#context.handOver(this.wire, Buffer.from(bytes), http);
      this.#context.remove(this);
    }
    return -1;
  }

  /** Gives what there is of the body to the exchange. Returns where the next request begins, or `end`. */
  #readBody(exchange: Exchange, body: Body, piece: { bytes: Buffer; from: number; end: number }): number {
    const { bytes, from, end } = piece;
    exchange.bodyReadable();
    let pos: number;
    if (body.chunks === undefined) {
      pos = Math.min(end, from + body.left);
      if (pos > from) exchange.bodyData(bytes, from, pos);
      body.left -= pos - from;
    } else pos = body.chunks.read(piece, this);
    const whole = body.chunks === undefined ? body.left === 0 : body.chunks.ended;
    if (pos < 0 || !exchange.bodyPaused(whole, whole ? body.chunks?.trailers : undefined)) {
      // As long as nothing was answered, this can be.
      if (exchange.answered || exchange.over) this.#leave();
      else this.#refuse(answers.badRequest);
      return end;
    }
    if (!whole) return pos;
    this.#body = undefined;
    if (exchange.over) this.#next();
    return pos;
  }

  /** Ready for the next request. */
  #next(): void {
    this.#exchange = undefined;
    this.#since = this.#context.clock.now();
    if (this.#ended && this.#kept === undefined && !this.#working) return this.#close();
    this.#workOn();
  }

  #workOn(): void {
    if (this.#working || this.#kept === undefined) return;
    this.#work(this.#kept, this.#kept.length);
    if (this.#ended && this.#exchange === undefined) this.#close();
  }

  #keep(bytes: Buffer, from: number, end: number): void {
    this.#kept = bytes === readBuffer ? Buffer.from(bytes.subarray(from, end)) : bytes.subarray(from, end);
  }

  /** Reads on, unless what came before can't be used. */
  #pace(): void {
    if (this.wire.closed || this.#ended) return;
    const pressed = this.#body !== undefined && this.#exchange?.isPressed === true;
    if (pressed || (this.#kept?.length ?? 0) > mostKept) this.wire.pause();
    else this.wire.resume();
  }

  /** Answers that this isn't served, and closes the connection. */
  #refuse(answer: Answer): void {
    this.persists = false;
    if (this.#exchange !== undefined) return this.#exchange.failed(answer);
    const { core, observer, closeLine } = this.#context;
    const to = { method: "GET", accept: undefined, requestId: this.#context.newId(), verbose: false };
    const own = ownAnswer(answer, to, closeLine);
    core.outcomes.refused(answer.status);
    observer?.refused(this.#arrival(to.requestId), { status: answer.status, bytes: bodyBytes(own) });
    this.send(own);
    this.#close();
  }

  /** Says that nothing more comes; what the client still sends is read and dropped for a moment. */
  #close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#since = this.#context.clock.now();
    this.#kept = undefined;
    this.#body = undefined;
    this.#exchange = undefined;
    this.wire.end();
    if (this.#ended && !this.wire.unsent) this.#leave();
    else this.wire.resume();
  }

  /** The connection is over. */
  #leave(): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#context.remove(this);
    this.wire.destroy();
    exchange?.clientGone();
  }
}
