/**
 * A client's HTTP/2 connection: takes its streams, and watches over what it costs. Node's HTTP/2 (nghttp2) already ends connections that break
 * the protocol, send a header section in too many frames (CONTINUATION floods), leave too much unread that they asked for (ping and settings floods), or
 * open streams that were refused; here is what those limits leave open.
 */
import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "../../lib/clock.ts";
import { FieldsMemo } from "../http/app-fields.ts";
import { clientAddress } from "../http/incoming.ts";
import type { GatewayLimits } from "../options.ts";
import { Budget } from "./budget.ts";
import { resetStream } from "./endings.ts";
import { Http2Incoming, type Peer } from "./incoming.ts";

/** RFC 9113 §6.5.2 asks for 100 at least. */
const mostStreams = 128;
/**
 * Of what Node counts in a session, in MB: beyond it, it would refuse streams (and end the connection after a hundred), which 128 answers that the
 * client doesn't take could just reach with its own 10. A stream holds no more than 16 KiB and the piece behind it, of 64.
 */
const mostSessionMemory = 32;
/** Streams that the client resets soon after it opened them (rapid reset, CVE-2023-44487); one that ends otherwise makes up for one. */
const resets = { most: 200, perSecond: 50 };
const soonMs = 1_000;
/** Pings and settings, each of which is answered. */
const controls = { most: 1_000, perSecond: 200 };
const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_REFUSED_STREAM } = constants;

export interface ClientOptions {
  clock: Clock;
  limits: GatewayLimits;
  /** Streams of all connections of the thread. */
  streams: { open: number };
  request(incoming: Http2Incoming): void;
  /** The connection is over. */
  closed(client: Http2Client): void;
}

export class Http2Client {
  readonly #options: ClientOptions;
  readonly #session: ServerHttp2Session;
  readonly #peer: Peer;
  readonly #resets: Budget;
  readonly #controls: Budget;
  #streams = 0;
  #idleSince: number;
  #closing = false;
  #greeted = false;

  /** @param socket accepted, and nothing of it read that isn't put back by `unshift`; TLS ones are done with their handshake */
  constructor(socket: Duplex, options: ClientOptions) {
    const { clock, limits } = options;
    this.#options = options;
    this.#idleSince = clock.now();
    this.#resets = new Budget(resets, this.#idleSince);
    this.#controls = new Budget(controls, this.#idleSince);
    this.#peer = {
      address: clientAddress((socket as Socket).remoteAddress),
      protocol: "encrypted" in socket ? "https" : "http",
      stallMs: limits.stallMs,
      memo: new FieldsMemo(),
      ended: (incoming) => this.#onEnded(incoming),
    };
    // A client that ends its side has left: it couldn't even acknowledge what it is sent.
    socket.allowHalfOpen = false;
    // A WebSocket may be quiet for days: only so the death of its client shows.
    (socket as Socket).setKeepAlive(true, 60_000);
    const session = performServerHandshake(socket, {
      settings: {
        maxConcurrentStreams: mostStreams,
        maxHeaderListSize: mostSectionBytes(limits),
        // RFC 8441 §3: WebSocket on streams.
        enableConnectProtocol: true,
      },
      // A bit more than is taken, so that the usual offender is answered instead of cut off.
      maxHeaderListPairs: 2 * limits.headerCount,
      maxSessionMemory: mostSessionMemory,
      strictSingleValueFields: false,
    });
    this.#session = session;
    session.on("error", () => {});
    session.on("stream", (stream, _headers, _flags, raw) => this.#onStream(stream, raw));
    session.on("ping", () => this.#control());
    session.on("remoteSettings", () => {
      this.#greeted = true;
      this.#control();
    });
    session.once("close", () => options.closed(this));
  }

  /** Lets go of a connection without streams; called now and then. */
  check(now: number): void {
    // The preface isn't whole without the client's settings (RFC 9113 §3.4).
    if (!this.#greeted && now - this.#idleSince > this.#options.limits.headersMs) return this.destroy();
    if (this.#streams > 0 || now - this.#idleSince <= this.#options.limits.idleMs) return;
    // One that was closed and still is there doesn't read.
    if (this.#closing) this.destroy();
    else this.close();
    this.#idleSince = now;
  }

  /**
   * Takes no more streams; ends when those that there are have ended. The client is told up to which stream it was served (GOAWAY, §6.8), so that
   * it may send again what was on its way. Taking that, too, for a while takes a notice that nghttp2 has and Node doesn't offer.
   */
  close(): void {
    this.#closing = true;
    if (!this.#session.destroyed) this.#session.close();
  }

  destroy(): void {
    this.#session.destroy();
  }

  #onStream(stream: ServerHttp2Stream, raw: readonly string[]): void {
    const { clock, limits, streams } = this.#options;
    stream.on("error", ignore);
    // Reset in the bytes that opened it.
    if (stream.destroyed || stream.closed) return this.#reset();
    // A stream costs about what a connection of HTTP/1.1 does.
    if (streams.open >= limits.connections) return resetStream(stream, NGHTTP2_REFUSED_STREAM);
    this.#streams += 1;
    streams.open += 1;
    this.#options.request(new Http2Incoming(stream, raw, { at: clock.now(), peer: this.#peer }));
  }

  #onEnded({ finished, at }: Http2Incoming): void {
    this.#streams -= 1;
    this.#options.streams.open -= 1;
    this.#idleSince = this.#options.clock.now();
    if (finished) this.#resets.earn();
    else if (this.#idleSince - at < soonMs) this.#reset();
  }

  #reset(): void {
    if (!this.#resets.spend(this.#options.clock.now())) this.#calm();
  }

  #control(): void {
    if (!this.#controls.spend(this.#options.clock.now())) this.#calm();
  }

  #calm(): void {
    // With an error: without one Node takes the code for NO_ERROR.
    this.#session.destroy(new Error("Too many resets, pings or settings"), NGHTTP2_ENHANCE_YOUR_CALM);
  }
}

/** What is wrong with a stream shows as its end. */
function ignore(): void {}

/** What a header section may have, by the count of §6.5.2, before its stream is reset: beyond `headerBytes` it is answered 431. */
function mostSectionBytes({ headerBytes }: GatewayLimits): number {
  return 2 * headerBytes;
}
