/** A request on a stream of a client's HTTP/2 connection (RFC 9113 §8). */
import { constants, type ServerHttp2Stream } from "node:http2";
import { type Answer, renderAnswer } from "../answers.ts";
import type { Beginning, ClientEvents, Incoming } from "../http/incoming.ts";
import type { Upgrade } from "../http/upgrade.ts";
import { resetStream, watchWhole } from "./endings.ts";
import { headersOf, requestList } from "./fields.ts";
import { callStatus, countedStatus, grpcFields, grpcStatus, grpcTrailers, isGrpc } from "./grpc.ts";
import { streamUpgrade, withoutKey } from "./websocket.ts";

/** What of a body comes unasked: the window that each stream has at first (§6.9.2). */
const windowBytes = 65_535;
const { NGHTTP2_NO_ERROR, NGHTTP2_INTERNAL_ERROR, NGHTTP2_CANCEL } = constants;

/** Of the connection that the stream is on. */
export interface Peer {
  address: string;
  protocol: "http" | "https";
  /** Milliseconds without the client taking a byte of an answer that has ended. */
  stallMs: number;
}

export class Http2Incoming implements Incoming {
  readonly method: string;
  readonly url: string;
  readonly authority: string | undefined;
  readonly protocol: "http" | "https";
  readonly address: string;
  readonly raw: readonly string[];
  readonly accept: string | undefined;
  readonly givenId: string | undefined;
  readonly hasBody: boolean;
  readonly length: string | undefined;
  readonly readAhead = windowBytes;
  readonly body: ServerHttp2Stream;
  readonly expects: boolean;
  /** What an extended CONNECT asks for; undefined for all other requests. */
  readonly connectProtocol: string | undefined;
  readonly upgrade: Upgrade | undefined;
  readonly takesInterim = true;
  readonly version = "HTTP/2.0";
  status = 0;
  callStatus: number | undefined;
  trailers: readonly string[] = [];
  readonly #seen: { readonly whole: boolean };
  readonly #isGrpc: boolean;
  readonly #stallMs: number;
  /** Of an answer to a call, until its end. */
  #callFields: readonly string[] | undefined;
  /** For the end of the answer, once that is there. */
  #trailers: [string, string][] = [];
  #trailing = false;
  /** The trailers have been sent. */
  #ended = false;
  /** The client is to be told to send no more of its body. */
  #stopping = false;

  /** @param raw the header section, flat, as Node gives it with a stream */
  constructor(stream: ServerHttp2Stream, raw: readonly string[], { address, protocol, stallMs }: Peer) {
    this.body = stream;
    this.address = address;
    this.protocol = protocol;
    this.#stallMs = stallMs;
    this.#seen = watchWhole(stream);
    const value = valuesOf(raw);
    this.method = value(":method") ?? "";
    this.url = value(":path") ?? "";
    const authority = value(":authority");
    const host = value("host");
    // Two that differ are for two readers (§8.3.1).
    const differ = authority !== undefined && host !== undefined && authority !== host;
    this.authority = differ ? undefined : (authority ?? host);
    this.connectProtocol = value(":protocol");
    this.upgrade = this.connectProtocol?.toLowerCase() === "websocket" ? streamUpgrade(stream) : undefined;
    this.raw = this.upgrade === undefined ? requestList(raw) : withoutKey(requestList(raw));
    this.accept = value("accept");
    this.givenId = value("x-request-id");
    // What follows a CONNECT is no body: nothing of it is read before the two sides are joined.
    this.hasBody = !stream.endAfterHeaders && this.upgrade === undefined;
    this.length = this.hasBody ? value("content-length") : undefined;
    this.expects = this.hasBody && value("expect")?.toLowerCase() === "100-continue";
    this.#isGrpc = isGrpc(value("content-type"));
  }

  get complete(): boolean {
    return this.#seen.whole;
  }

  get begun(): boolean {
    return this.body.headersSent;
  }

  /** Node finishes the writable side of a stream that the client resets, too; and closes one that is whole without finishing it, at times. */
  get finished(): boolean {
    const { writableFinished, writableEnded, closed, rstCode, aborted } = this.body;
    return !aborted && (writableFinished || (writableEnded && closed && rstCode === NGHTTP2_NO_ERROR));
  }

  get gone(): boolean {
    return this.body.destroyed || this.body.closed;
  }

  watch(events: ClientEvents): void {
    const stream = this.body;
    stream.on("error", () => {});
    stream.on("trailers", (_headers, _flags: number, raw?: string[]) => (this.trailers = requestList(raw ?? [])));
    stream.on("drain", () => events.clientDrained());
    stream.on("wantTrailers", () => this.#sendTrailers());
    stream.once("close", () => {
      events.clientClosed();
      events.clientOver();
    });
    if (!this.hasBody && this.upgrade === undefined) stream.resume();
  }

  continue(): void {
    this.inform(100, []);
  }

  inform(status: number, fields: string[]): void {
    if (this.gone) return;
    try {
      this.body.additionalHeaders(headersOf({ ":status": status }, fields));
    } catch {
      // A status or field that HTTP/2 doesn't have: such an answer is optional.
    }
  }

  begin({ status, fields, empty, trailing }: Beginning): void {
    this.status = status;
    if (this.#isGrpc && status === 200) this.#callFields = fields;
    this.#trailing = trailing && !empty && this.method !== "HEAD" && status !== 204 && status !== 304;
    if (this.gone) return;
    this.body.respond(headersOf({ ":status": status }, fields), { endStream: empty, waitForTrailers: this.#trailing });
  }

  write(piece: Buffer): boolean {
    return this.body.writable ? this.body.write(piece) : true;
  }

  end(trailers: [string, string][]): void {
    this.#trailers = trailers;
    // A call may fail though its status is 200: only its end tells.
    if (this.#callFields !== undefined) {
      this.callStatus = callStatus(this.#callFields, trailers);
      this.status = countedStatus(this.callStatus);
    }
    const stream = this.body;
    if (!stream.writableEnded) stream.end();
    if (this.upgrade !== undefined) this.dropBody();
    // The client may leave its window shut; each stream takes one of the places that there are.
    stream.setTimeout(this.#stallMs, () => resetStream(stream, NGHTTP2_CANCEL));
  }

  reply(answer: Answer, to: { requestId: string; verbose: boolean }): number {
    this.status = answer.status;
    const stream = this.body;
    let bytes = 0;
    if (this.#isGrpc) {
      this.callStatus = grpcStatus(answer);
      const fields = ["content-type", "application/grpc", ...grpcFields(answer, to)];
      stream.respond(headersOf({ ":status": 200 }, fields), { endStream: true });
    } else {
      const { fields, body } = renderAnswer(answer, { accept: this.accept, ...to });
      stream.respond(headersOf({ ":status": answer.status }, fields));
      if (!stream.writableEnded) {
        bytes = Buffer.byteLength(body);
        stream.end(body);
      }
    }
    if (this.upgrade !== undefined) this.dropBody();
    stream.setTimeout(this.#stallMs, () => resetStream(stream, NGHTTP2_CANCEL));
    return bytes;
  }

  isLast(): void {}

  /** Other than in HTTP/1.1 nothing stands behind it: the client is told to stop, once its answer is out (§8.1). */
  dropBody(): void {
    this.body.resume();
    this.#stopping = true;
    if (this.#trailing) {
      if (this.#ended) this.#stop();
    } else if (this.finished) this.#stop();
    else this.body.once("finish", () => this.#stop());
  }

  breakOff(why?: Answer): void {
    const stream = this.body;
    if (why !== undefined && this.#isGrpc && this.#trailing && !stream.writableEnded) {
      this.end(grpcTrailers(why));
    } else resetStream(stream, why === undefined ? NGHTTP2_CANCEL : NGHTTP2_INTERNAL_ERROR);
  }

  #sendTrailers(): void {
    if (this.gone) return;
    try {
      this.body.sendTrailers(headersOf({}, this.#trailers.flat()));
    } catch {
      return resetStream(this.body, NGHTTP2_INTERNAL_ERROR);
    }
    this.#ended = true;
    if (this.#stopping) this.#stop();
  }

  #stop(): void {
    // Later than trailers, which Node sends in the next turn.
    setImmediate(() => setImmediate(() => this.body.close(NGHTTP2_NO_ERROR)));
  }
}

/** Looks fields up by their name in lower case; of several the first counts. */
function valuesOf(raw: readonly string[]): (name: string) => string | undefined {
  return (name) => {
    for (let i = 0; i < raw.length; i += 2) if (raw[i] === name) return raw[i + 1];
    return undefined;
  };
}
