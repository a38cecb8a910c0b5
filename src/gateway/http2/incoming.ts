/** A request on a stream of a client's HTTP/2 connection (RFC 9113 §8). */
import { constants, type ServerHttp2Stream } from "node:http2";
import { type Answer, renderAnswer } from "../answers.ts";
import type { FieldsMemo } from "../http/app-fields.ts";
import type { Beginning, ClientEvents, Incoming } from "../http/incoming.ts";
import type { Upgrade } from "../http/upgrade.ts";
import { resetStream, watchWhole } from "./endings.ts";
import { answerHeaders, headersOf, requestList } from "./fields.ts";
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
  memo: FieldsMemo;
  /** Called when a stream has closed. */
  ended(incoming: Http2Incoming): void;
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
  /** When it came, in milliseconds. */
  readonly at: number;
  readonly memo: FieldsMemo;
  /** Of a body. */
  readonly #seen: { readonly whole: boolean } | undefined;
  readonly #isGrpc: boolean;
  readonly #peer: Peer;
  /** Of an answer to a call, until its end. */
  #callFields: readonly string[] | undefined;
  /** For the end of the answer, once that is there. */
  #trailers: [string, string][] = [];
  #trailing = false;
  /** The trailers have been sent. */
  #ended = false;
  /** The client is to be told to send no more of its body. */
  #stopping = false;
  #events: ClientEvents | undefined;
  #watchesDrain = false;
  /** The answer has been given whole, and its client is watched. */
  #watchesEnd = false;

  /** @param raw the header section, flat, as Node gives it with a stream */
  constructor(stream: ServerHttp2Stream, raw: readonly string[], { at, peer }: { at: number; peer: Peer }) {
    this.body = stream;
    this.at = at;
    this.#peer = peer;
    this.address = peer.address;
    this.protocol = peer.protocol;
    this.memo = peer.memo;
    const own = pseudoFields(raw);
    const list = requestList(raw);
    this.method = own.method;
    this.url = own.path;
    this.connectProtocol = own.protocol;
    this.upgrade = own.protocol?.toLowerCase() === "websocket" ? streamUpgrade(stream) : undefined;
    this.raw = this.upgrade === undefined ? list : withoutKey(list);
    // What follows a CONNECT is no body: nothing of it is read before the two sides are joined.
    this.hasBody = !stream.endAfterHeaders && this.upgrade === undefined;
    this.#seen = this.hasBody ? watchWhole(stream) : undefined;
    const { host, accept, id, length, expect, type } = plainFields(list);
    // Two that differ are for two readers (§8.3.1).
    const differ = own.authority !== undefined && host !== undefined && own.authority !== host;
    this.authority = differ ? undefined : (own.authority ?? host);
    this.accept = accept;
    this.givenId = id;
    this.length = this.hasBody ? length : undefined;
    this.expects = this.hasBody && expect?.toLowerCase() === "100-continue";
    this.#isGrpc = isGrpc(type);
  }

  get complete(): boolean {
    return this.#seen === undefined ? this.body.endAfterHeaders : this.#seen.whole;
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
    this.#events = events;
    const stream = this.body;
    if (this.hasBody)
      stream.on("trailers", (_headers, _flags: number, raw?: string[]) => (this.trailers = requestList(raw ?? [])));
    // Without a body Node reads on by itself, once the answer has gone. Earlier, and each stream would end with a write under way, for which
    // Node makes an error that nobody sees, stack trace and all.
    // Each listener costs, as Node tells streams of each that comes and goes: this one is for all whom the end concerns.
    stream.on("close", () => {
      this.#peer.ended(this);
      events.clientClosed();
      events.clientOver();
    });
  }

  /** A client may leave its window shut, and each stream takes one of the places that there are. */
  check(): void {
    const stream = this.body;
    if (this.#watchesEnd || !stream.writableEnded || this.gone) return;
    // Here and not at the end: most are gone before. From now on Node sees what the client takes.
    this.#watchesEnd = true;
    stream.setTimeout(this.#peer.stallMs, () => resetStream(stream, NGHTTP2_CANCEL));
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
    if (this.#isGrpc && status === 200) this.#callFields = [...fields];
    this.#trailing = trailing && !empty && this.method !== "HEAD" && status !== 204 && status !== 304;
    if (this.gone) return;
    if (this.#trailing) this.body.on("wantTrailers", () => this.#sendTrailers());
    this.body.respond(answerHeaders(status, fields), { endStream: empty, waitForTrailers: this.#trailing });
  }

  write(piece: Buffer): boolean {
    const stream = this.body;
    if (!stream.writable || stream.write(piece)) return true;
    if (!this.#watchesDrain) stream.on("drain", () => this.#events?.clientDrained());
    return !(this.#watchesDrain = true);
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

interface PseudoFields {
  method: string;
  path: string;
  authority: string | undefined;
  protocol: string | undefined;
}

/** They stand before all others, each at most once (RFC 9113 §8.3); Node's HTTP/2 has seen to that. */
function pseudoFields(raw: readonly string[]): PseudoFields {
  const own: PseudoFields = { method: "", path: "", authority: undefined, protocol: undefined };
  for (let i = 0; i < raw.length && raw[i]?.startsWith(":") === true; i += 2) {
    const value = raw[i + 1] ?? "";
    if (raw[i] === ":method") own.method = value;
    else if (raw[i] === ":path") own.path = value;
    else if (raw[i] === ":authority") own.authority = value;
    else if (raw[i] === ":protocol") own.protocol = value;
  }
  return own;
}

interface PlainFields {
  host?: string;
  accept?: string;
  id?: string;
  length?: string;
  expect?: string;
  type?: string;
}

const plainNames = new Map<string, keyof PlainFields>([
  ["host", "host"],
  ["accept", "accept"],
  ["x-request-id", "id"],
  ["content-length", "length"],
  ["expect", "expect"],
  ["content-type", "type"],
]);

/** What of the fields is asked for; of several with one name the first counts. */
function plainFields(list: readonly string[]): PlainFields {
  const found: PlainFields = {};
  for (let i = 0; i < list.length; i += 2) {
    const key = plainNames.get(list[i] ?? "");
    if (key !== undefined) found[key] ??= list[i + 1] ?? "";
  }
  return found;
}
