/**
 * A request and its client as an exchange sees them, whatever version of HTTP the client speaks. The one for HTTP/1.1 is here, on Node's
 * server; http2/incoming.ts has the one for a stream of HTTP/2.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { type Answer, renderAnswer } from "../answers.ts";
import type { Arrival } from "../seen/sighting.ts";
import type { FieldsMemo } from "./app-fields.ts";
import { http1Upgrade, type Upgrade, type UpgradingSocket } from "./upgrade.ts";

/** What an exchange is told about its client. */
export interface ClientEvents {
  /** The client has taken what was written. */
  clientDrained(): void;
  /** The answer is out, or the client has gone. */
  clientClosed(): void;
  /** As `clientClosed`, and nothing of the request's body is read any more. */
  clientOver(): void;
}

/** An app's answer as it goes to the client. */
export interface Beginning {
  status: number;
  /** The words after the status, which HTTP/2 doesn't have. */
  message: string | undefined;
  /** Flat: name, value, name, value. */
  fields: string[];
  /** Nothing follows the fields. */
  empty: boolean;
  /** Trailers may follow the body. */
  trailing: boolean;
}

export interface Incoming {
  readonly version: Arrival["protocol"];
  readonly method: string;
  /** The target: path and query, `*`, or (HTTP/1.1) a whole URL. */
  readonly url: string;
  /** The host that is asked for, as the client wrote it; undefined when it named none, or two. */
  readonly authority: string | undefined;
  /** What the client's own connection speaks. */
  readonly protocol: "http" | "https";
  /** Of the client's connection. */
  readonly address: string;
  /** The fields as they came, flat, without what HTTP/2 puts before them. */
  readonly raw: readonly string[];
  /** Of its connection, where requests come one by one that are alike. */
  readonly memo: FieldsMemo | undefined;
  /** Values of the fields `Accept` and `X-Request-Id`. */
  readonly accept: string | undefined;
  readonly givenId: string | undefined;
  readonly hasBody: boolean;
  /** `Content-Length`, where the body has one; else it is as long as it is. */
  readonly length: string | undefined;
  /** Bytes of the body, or of what follows an `upgrade`, that may be held while nobody reads it. */
  readonly readAhead: number;
  readonly body: Readable;
  /** The whole body has come. */
  readonly complete: boolean;
  /** Those that followed the body, flat. */
  readonly trailers: readonly string[];
  /** The client waits for `100 Continue` before it sends the body. */
  readonly expects: boolean;
  /** The client asks for another protocol on its connection. */
  readonly upgrade: Upgrade | undefined;
  /** Whether interim answers may be sent. */
  readonly takesInterim: boolean;
  /** The answer has begun. */
  readonly begun: boolean;
  /** The whole answer has left. */
  readonly finished: boolean;
  /** The client can't be answered any more. */
  readonly gone: boolean;
  /** Of the answer as it counts, once it has begun. */
  readonly status: number;
  /** With which a call of gRPC has ended; undefined for all else. */
  readonly callStatus: number | undefined;
  watch(events: ClientEvents): void;
  continue(): void;
  inform(status: number, fields: string[]): void;
  /** Begins an app's answer, whose first piece may come along or much later. Throws when its fields can't be written. */
  begin(answer: Beginning): void;
  /** False: write no more until `drained`. */
  write(piece: Buffer): boolean;
  end(trailers: [string, string][]): void;
  /** Sends an answer of the gateway's own, whole. Returns the bytes of its body. */
  reply(answer: Answer, to: { requestId: string; verbose: boolean }): number;
  /** The client's connection isn't to be used for another request. */
  isLast(): void;
  /** Nobody wants the rest of the body, but the answer goes on. */
  dropBody(): void;
  /** Ends the answer in a way that can't be taken for whole; says why where the protocol has a place for it. */
  breakOff(why?: Answer): void;
  /** Where something of it has to be watched over time: called now and then. */
  check?(now: number): void;
}

/** A request on a connection of Node's HTTP server. */
export class Http1Incoming implements Incoming {
  readonly version: Arrival["protocol"];
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
  readonly expects: boolean;
  readonly upgrade: Upgrade | undefined;
  readonly body: IncomingMessage;
  /** Calls are of HTTP/2. */
  readonly callStatus = undefined;
  readonly memo = undefined;
  readonly #res: ServerResponse;
  /** Of what follows the fields. */
  #wrote = false;

  constructor(req: IncomingMessage, res: ServerResponse, more: { expects: boolean; upgrade?: UpgradingSocket }) {
    this.body = req;
    this.#res = res;
    const { headers, socket } = req;
    this.version = req.httpVersionMinor === 0 ? "HTTP/1.0" : "HTTP/1.1";
    this.method = req.method ?? "GET";
    this.url = req.url ?? "/";
    this.authority = headers.host;
    this.protocol = "encrypted" in socket ? "https" : "http";
    this.address = clientAddress(socket.remoteAddress);
    this.raw = req.rawHeaders;
    this.accept = headers.accept;
    const id = headers["x-request-id"];
    this.givenId = typeof id === "string" ? id : undefined;
    const chunked = headers["transfer-encoding"] !== undefined;
    this.length = chunked ? undefined : headers["content-length"];
    this.hasBody = chunked || (this.length !== undefined && this.length !== "0");
    this.expects = more.expects;
    this.upgrade = more.upgrade === undefined ? undefined : http1Upgrade(more.upgrade, req, res);
  }

  get readAhead(): number {
    return this.body.readableHighWaterMark;
  }

  get complete(): boolean {
    return this.body.complete;
  }

  get trailers(): readonly string[] {
    return this.body.rawTrailers;
  }

  get takesInterim(): boolean {
    return this.version === "HTTP/1.1";
  }

  get begun(): boolean {
    return this.#res.headersSent;
  }

  get finished(): boolean {
    return this.#res.writableFinished;
  }

  get gone(): boolean {
    return this.#res.destroyed;
  }

  get status(): number {
    return this.#res.statusCode;
  }

  watch(events: ClientEvents): void {
    const req = this.body;
    const res = this.#res;
    // Errors of the client's side all show as `close`; without a listener they would end the thread.
    req.on("error", () => {});
    res.on("error", () => {});
    res.on("drain", () => events.clientDrained());
    res.on("close", () => {
      events.clientClosed();
      if (req.complete || req.destroyed) events.clientOver();
      else req.once("close", () => events.clientOver());
    });
  }

  continue(): void {
    this.#res.writeContinue();
  }

  inform(status: number, fields: string[]): void {
    if (status === 102) this.#res.writeProcessing();
    // Node 24 has no `writeInformation`; there, these optional answers are left out.
    else if (typeof this.#res.writeInformation === "function") this.#res.writeInformation(status, fields);
  }

  begin({ status, message, fields }: Beginning): void {
    this.#res.writeHead(status, message, fields);
    // The fields go out with the first piece where it comes along, else now: a stream may have nothing to say for long.
    if (this.method !== "HEAD") setImmediate(() => !this.#wrote && this.#res.flushHeaders());
  }

  write(piece: Buffer): boolean {
    this.#wrote = true;
    return this.#res.write(piece);
  }

  end(trailers: [string, string][]): void {
    this.#wrote = true;
    if (trailers.length > 0) this.#res.addTrailers(trailers);
    this.#res.end();
  }

  reply(answer: Answer, { requestId, verbose }: { requestId: string; verbose: boolean }): number {
    const { fields, body } = renderAnswer(answer, { accept: this.accept, requestId, verbose });
    this.#res.writeHead(answer.status, fields);
    if (this.method === "HEAD") this.#res.end();
    else this.#res.end(body);
    return this.method === "HEAD" ? 0 : Buffer.byteLength(body);
  }

  isLast(): void {
    this.#res.shouldKeepAlive = false;
  }

  /** The next request on the connection stands behind it: it is read and dropped. */
  dropBody(): void {
    this.body.resume();
  }

  breakOff(): void {
    this.#res.destroy();
  }
}

/** An address as apps are told of it: IPv4 ones that came on an IPv6 socket are IPv4 ones. */
export function clientAddress(address: string | undefined): string {
  return address?.replace(/^::ffff:/, "") ?? "unknown";
}
