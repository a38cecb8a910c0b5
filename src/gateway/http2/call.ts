/** A request on its way to an instance as a stream of HTTP/2. */
import { type ClientHttp2Stream, constants, type IncomingHttpStatusHeader } from "node:http2";
import type { AppCall, CallOptions, CallUser, Failure } from "../http/call.ts";
import { answerFields } from "../http/headers.ts";
import type { Instance } from "../state.ts";
import type { AppSession } from "./app-session.ts";
import { resetStream, watchWhole } from "./endings.ts";
import { answerList, headersOf } from "./fields.ts";
import type { AppSessions } from "./sessions.ts";
import { streamAppEnd } from "./websocket.ts";

const { NGHTTP2_CANCEL, NGHTTP2_REFUSED_STREAM, NGHTTP2_FLAG_END_STREAM } = constants;

/** Connections on which others took all the places, one after the other, before the app counts as one that has none. */
const mostTries = 16;

export class Http2Call implements AppCall {
  readonly instance: Instance;
  readonly mayReturn = true;
  readonly #options: CallOptions;
  readonly #user: CallUser;
  readonly #sessions: AppSessions;
  #session: AppSession | undefined;
  #stream: ClientHttp2Stream | undefined;
  #stopWaiting = (): void => {};
  #answered = false;
  #over = false;
  /** Connections that had no room. */
  #tries = 0;
  /** The app was told that nobody waits for its answer. */
  #told = false;
  #trailers: [string, string][] = [];

  constructor({ sessions }: { sessions: AppSessions }, options: CallOptions, user: CallUser) {
    this.instance = options.instance;
    this.#sessions = sessions;
    this.#options = options;
    this.#user = user;
  }

  start(): void {
    const session = this.#sessions.take(this.instance, this.#options.fresh);
    this.#session = session;
    if (session.ready) return this.#open(session, true);
    this.#stopWaiting = session.whenReady((how) => {
      if (this.#over) return;
      if (how !== "ready") return this.#end(how);
      // Others that waited, too, may have taken all the places.
      if (session.hasRoom) return this.#open(session, false);
      this.#tries += 1;
      if (this.#tries < mostTries) this.start();
      else this.#end("refused");
    });
  }

  get writable(): boolean {
    return this.#stream?.writable === true && !this.#stream.closed;
  }

  /** Nothing to do: the header section went out with the stream's opening. */
  flush(): void {}

  write(piece: Buffer): boolean {
    return this.#stream?.write(piece) ?? true;
  }

  end(trailers: [string, string][]): void {
    this.#trailers = trailers;
    this.#stream?.end();
  }

  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  /** Resets the stream: an END_STREAM would make a whole request of what may be half of one. The app is done once it has read of it. */
  tell(): void {
    if (this.#stream === undefined) return;
    this.#told = true;
    resetStream(this.#stream, NGHTTP2_CANCEL);
  }

  destroy(): void {
    if (this.#stream !== undefined) {
      resetStream(this.#stream, NGHTTP2_CANCEL);
      if (!this.#answered) this.#session?.verify();
      return;
    }
    this.#stopWaiting();
    if (this.#over) return;
    this.#over = true;
    setImmediate(() => this.#user.appClosed(this));
  }

  #open(session: AppSession, used: boolean): void {
    const { method, path, fields, requestId, hasBody, length, upgrade } = this.#options;
    // RFC 8441 §3: only where the app has said that it takes it.
    if (upgrade !== undefined && session.session.remoteSettings.enableConnectProtocol !== true)
      return this.#end("fixed");
    const [, authority = "", ...rest] = fields.list;
    rest.push("x-request-id", requestId);
    if (length !== undefined) rest.push("content-length", length);
    const pseudo = { ":scheme": "http", ":authority": authority, ":path": path };
    const asked = upgrade === undefined ? { ":method": method } : { ":method": "CONNECT", ":protocol": upgrade };
    const headers = headersOf({ ...asked, ...pseudo }, rest);
    let stream: ClientHttp2Stream;
    try {
      stream = session.session.request(headers, {
        endStream: !hasBody && upgrade === undefined,
        waitForTrailers: hasBody,
      });
    } catch {
      return this.#end("unsendable");
    }
    session.streamBegan();
    this.#stream = stream;
    const seen = watchWhole(stream);
    stream.on("error", () => {});
    stream.on("continue", () => this.#user.appContinued(this));
    stream.on("headers", (headers: IncomingHttpStatusHeader, _flags: number, raw?: string[]) => {
      const status = headers[":status"] ?? 0;
      if (status !== 100) this.#user.appInformed(this, status, answerFields(answerList(raw ?? [])));
    });
    stream.on("wantTrailers", () => {
      if (stream.closed || stream.destroyed) return;
      try {
        stream.sendTrailers(headersOf({}, this.#trailers.flat()));
      } catch {
        // A field that HTTP/2 doesn't have.
        resetStream(stream, NGHTTP2_CANCEL);
      }
    });
    stream.on("drain", () => this.#user.appDrained(this));
    let trailers: readonly string[] = [];
    stream.on("trailers", (_headers, _flags: number, raw?: string[]) => (trailers = answerList(raw ?? [])));
    stream.on("response", (response, flags, raw) => {
      this.#answered = true;
      const status = response[":status"] ?? 502;
      if (upgrade !== undefined && status >= 200 && status < 300) {
        // From here on the stream is the user's.
        this.#over = true;
        return this.#user.appUpgraded(this, streamAppEnd(stream, answerList(raw)));
      }
      if (upgrade !== undefined) stream.end();
      const empty = (flags & NGHTTP2_FLAG_END_STREAM) !== 0;
      const isComplete = (): boolean => empty || seen.whole;
      const fields = answerFields(answerList(raw));
      this.#user.appAnswered(this, { status, message: undefined, fields, empty, trailing: !empty });
      stream.on("data", (piece: Buffer) => this.#user.appData(this, piece));
      // An end that the app didn't mean: `close` follows.
      stream.on("end", () => isComplete() && this.#user.appEnded(this, trailers));
      stream.on("close", () => isComplete() || this.#user.appBroke(this));
    });
    stream.once("close", () => this.#closed(stream, session, used));
    this.#user.appConnected(this);
  }

  #closed(stream: ClientHttp2Stream, session: AppSession, used: boolean): void {
    session.streamEnded();
    this.#sessions.settle(session, this.instance);
    if (this.#over) return;
    this.#over = true;
    if (!this.#answered) this.#user.appFailed(this, this.#failure(stream, session, used));
    if (this.#told) session.whenRead(() => this.#user.appClosed(this));
    else this.#user.appClosed(this);
  }

  #failure(stream: ClientHttp2Stream, session: AppSession, used: boolean): Failure {
    if (stream.rstCode === NGHTTP2_REFUSED_STREAM || (stream.id ?? Infinity) > session.lastStream) return "untouched";
    // The connection, which had been there before, is gone with the stream.
    const { closed, destroyed } = session.session;
    return used && (session.over || closed || destroyed) && this.#options.repeatable ? "stale" : "broken";
  }

  #end(why: Failure): void {
    this.#over = true;
    this.#user.appFailed(this, why);
  }
}
