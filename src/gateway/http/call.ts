/**
 * A request on its way to an instance, as an exchange sees it, whatever version of HTTP the app speaks. The one for HTTP/1.1 is in raw-call.ts;
 * that on Node's client is here, for upgrades, and for a Node.js without raw connections. http2/call.ts has the one for a stream of HTTP/2.
 */
import type { ClientRequest, IncomingMessage } from "node:http";
import { http } from "../../lib/node-http.ts";
import type { Clock } from "../../lib/clock.ts";
import type { GatewayLimits } from "../options.ts";
import type { Instance } from "../state.ts";
import type { AppFields } from "./app-fields.ts";
import { answerFields } from "./headers.ts";
import { type AppEnd, http1AppEnd } from "./upgrade.ts";
import type { Upstreams } from "./upstreams.ts";

export interface CallOptions {
  instance: Instance;
  method: string;
  path: string;
  fields: AppFields;
  requestId: string;
  hasBody: boolean;
  /** `Content-Length`, where the request has one. */
  length: string | undefined;
  /** The request may be sent twice. */
  repeatable: boolean;
  /** Not on a connection that was used before. */
  fresh: boolean;
  /** The protocol that an upgrading client asks for. */
  upgrade: string | undefined;
}

/**
 * Why there is no answer. `refused`: no connection, so the app saw nothing. `untouched`: the app says that it has done nothing for the
 * request. `stale`: the connection was closed as the request was on its way on it, and the request may be sent twice. `foreign`: the app doesn't
 * speak the protocol at all. `unsendable`: the app's protocol doesn't let the request out. `fixed`: the app takes no other protocol. `malformed`: what came is no valid answer.
 * `broken`: anything else.
 */
export type Failure = "refused" | "untouched" | "stale" | "foreign" | "unsendable" | "fixed" | "malformed" | "broken";

/** Who asks. The call that tells is named each time: one that was given up for another may still have something to say. */
export interface CallUser {
  /** The app has the request's fields, or gets them now. */
  appConnected(call: AppCall): void;
  /** The app says `100 Continue`. */
  appContinued(call: AppCall): void;
  /** Another interim answer, with what passes of its fields. */
  appInformed(call: AppCall, status: number, fields: readonly string[]): void;
  /** The answer begins; then come its pieces, and at last `appEnded` or `appBroke`. */
  appAnswered(call: AppCall, answer: AppAnswer): void;
  /** A piece of the answer's body, which is the user's to keep. */
  appData(call: AppCall, piece: Buffer): void;
  /** The answer is whole. `trailers`: those that followed the body, flat. */
  appEnded(call: AppCall, trailers: readonly string[]): void;
  /** The answer was broken off. */
  appBroke(call: AppCall): void;
  /** The app's side speaks another protocol from now on. */
  appUpgraded(call: AppCall, app: AppEnd): void;
  /** No answer comes. Not called once it has begun, nor after `destroy`. */
  appFailed(call: AppCall, why: Failure): void;
  /** The app has taken what was written. */
  appDrained(call: AppCall): void;
  /** The app is done with the request. */
  appClosed(call: AppCall): void;
}

export interface AppAnswer {
  readonly status: number;
  readonly message: string | undefined;
  /** What passes of its fields, flat. */
  readonly fields: readonly string[];
  /** Nothing follows the fields. */
  readonly empty: boolean;
  /** Trailers may follow. */
  readonly trailing: boolean;
}

export interface AppCall {
  readonly instance: Instance;
  /** Pieces of the body can be written. */
  readonly writable: boolean;
  /** Whether the answer, should it turn out `untouched`, is worth keeping pieces of the body for. */
  readonly mayReturn: boolean;
  /** Begins to send; its user is told nothing before. */
  start(): void;
  /** Sends the fields without waiting for the body. */
  flush(): void;
  /** False: write no more until `drained`. */
  write(piece: Buffer): boolean;
  end(trailers: [string, string][]): void;
  /** Reads no more of the answer until `resume`. */
  pause(): void;
  resume(): void;
  /** Tells the app that nobody waits for its answer any more; what it still sends is read (outlast.ts). */
  tell(): void;
  /** Ends it at once, on both sides. */
  destroy(): void;
}

interface Http1CallContext {
  clock: Clock;
  limits: GatewayLimits;
  upstreams: Upstreams;
}

/** A request of Node's client. */
export class Http1Call implements AppCall {
  readonly instance: Instance;
  readonly mayReturn = false;
  readonly #request: ClientRequest;
  readonly #hasBody: boolean;
  #connected = false;
  #answered: IncomingMessage | undefined;
  #over = false;

  /** Throws when Node's client doesn't let the method, path or a field out. */
  constructor({ clock, limits, upstreams }: Http1CallContext, options: CallOptions, user: CallUser) {
    const { instance, method, path, repeatable, fresh, upgrade } = options;
    this.instance = instance;
    const upstream = http.request({
      agent: fresh || upgrade !== undefined ? false : upstreams.agent(instance, repeatable),
      host: instance.host,
      port: instance.port,
      method,
      path,
      headers: framedFields(options),
      setHost: false,
      maxHeaderSize: limits.headerBytes,
    });
    this.#request = upstream;
    upstream.maxHeadersCount = 0;
    const ready = (): void => {
      if (this.#over) return;
      this.#connected = true;
      user.appConnected(this);
    };
    upstream.on("socket", (socket) => {
      if (!socket.connecting) return ready();
      const late = (): void => {
        if (socket.connecting) socket.destroy(new Error("Connection to the instance timed out"));
      };
      // After the sockets were looked at: it may have come while this thread was busy.
      const cancel = clock.after(limits.connectMs, () => setImmediate(late));
      socket.once("connect", ready);
      socket.once("connect", cancel);
      socket.once("close", cancel);
    });
    upstream.on("response", (answer) => this.#answer(answer, user));
    upstream.on("continue", () => user.appContinued(this));
    upstream.on("information", (info) => user.appInformed(this, info.statusCode, answerFields(info.rawHeaders)));
    upstream.on("upgrade", (answer, socket, head) => {
      // From here on the connection is the user's.
      this.#over = true;
      user.appUpgraded(this, http1AppEnd(answer, socket, head));
    });
    upstream.on("drain", () => user.appDrained(this));
    upstream.on("error", (error: NodeJS.ErrnoException) => {
      if (this.#over || this.#answered !== undefined) return;
      user.appFailed(this, this.#failure(error, upstream.reusedSocket && repeatable));
    });
    upstream.on("close", () => {
      if (this.#over) return;
      this.#over = true;
      user.appClosed(this);
    });
    this.#hasBody = options.hasBody;
  }

  start(): void {
    if (!this.#hasBody) this.#request.end();
  }

  get writable(): boolean {
    return !this.#request.destroyed && !this.#request.writableEnded;
  }

  flush(): void {
    this.#request.flushHeaders();
  }

  write(piece: Buffer): boolean {
    return this.#request.write(piece);
  }

  end(trailers: [string, string][]): void {
    if (trailers.length > 0) this.#request.addTrailers(trailers);
    this.#request.end();
  }

  pause(): void {
    this.#answered?.pause();
  }

  resume(): void {
    this.#answered?.resume();
  }

  tell(): void {
    this.#request.socket?.end();
  }

  destroy(): void {
    this.#request.destroy();
  }

  #answer(answer: IncomingMessage, user: CallUser): void {
    this.#answered = answer;
    answer.on("error", () => {});
    user.appAnswered(this, {
      status: answer.statusCode ?? 502,
      message: answer.statusMessage,
      fields: answerFields(answer.rawHeaders),
      empty: false,
      trailing: answer.headers["transfer-encoding"] !== undefined,
    });
    answer.on("data", (piece: Buffer) => user.appData(this, piece));
    // An end that the app didn't mean: `close` follows.
    answer.on("end", () => answer.complete && user.appEnded(this, answer.rawTrailers));
    answer.on("close", () => !answer.complete && user.appBroke(this));
  }

  #failure(error: NodeJS.ErrnoException, stale: boolean): Failure {
    if (!this.#connected) return "refused";
    // The app closed the idle connection as the request was on its way.
    if (stale && (error.code === "ECONNRESET" || error.code === "EPIPE")) return "stale";
    return error.code?.startsWith("HPE_") === true ? "malformed" : "broken";
  }
}

function framedFields({ method, fields, requestId, hasBody, length, upgrade }: CallOptions): string[] {
  const framed = [...fields.list, "X-Request-Id", requestId];
  if (length !== undefined) framed.push("Content-Length", length);
  else if (hasBody) framed.push("Transfer-Encoding", "chunked");
  else if (method === "POST" || method === "PUT" || method === "PATCH") framed.push("Content-Length", "0");
  if (upgrade !== undefined) framed.push("Connection", "Upgrade", "Upgrade", upgrade);
  return framed;
}
