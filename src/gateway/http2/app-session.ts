/** One HTTP/2 connection to an instance, cleartext and with prior knowledge (RFC 9113 §3.3). It is of use once the app has sent its settings. */
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect as connectTcp } from "node:net";
import type { Clock } from "../../lib/clock.ts";
import type { GatewayLimits } from "../options.ts";
import type { Instance } from "../state.ts";

/** Answers of one connection share this window, so that one whose client is slow doesn't hold up the others. */
const connectionWindowBytes = 1024 * 1024;
/** Most streams before the app says how many it takes. */
const firstStreams = 100;
/** Node counts what streams of a session hold, and refuses new ones beyond. In MB. */
const mostSessionMemory = 64;

/** A field that should stand once and stands twice is passed on as it is; Node's types don't have the option for this side yet. */
const lenient: object = { strictSingleValueFields: false };

/** `foreign`: there is a connection, but what comes on it isn't HTTP/2. */
export type Opened = "ready" | "refused" | "foreign";

export interface AppSessionOptions {
  instance: Instance;
  clock: Clock;
  limits: GatewayLimits;
  /** Called when it takes no more streams. */
  ended(session: AppSession): void;
}

export class AppSession {
  readonly session: ClientHttp2Session;
  /** The last stream that the app may have looked at, once it has said that it takes no more (GOAWAY). */
  lastStream = Infinity;
  /** Milliseconds since it has had no stream. */
  idleSince: number;
  /** Takes no more streams. */
  over = false;
  /** Once there: whether the app has sent its settings. */
  ready = false;
  #streams = 0;
  /** Wait for the app to have read. */
  #unread: (() => void)[] = [];
  #asking = false;
  #verifying = false;
  #waiting: ((how: Opened) => void)[] = [];
  readonly #options: AppSessionOptions;

  constructor(options: AppSessionOptions) {
    const { instance, clock, limits } = options;
    this.#options = options;
    this.idleSince = clock.now();
    const socket = connectTcp({ host: instance.host, port: instance.port, noDelay: true });
    const session = connectHttp2(`http://${instance.host.includes(":") ? `[${instance.host}]` : instance.host}`, {
      createConnection: () => socket,
      settings: { enablePush: false, maxHeaderListSize: 2 * limits.headerBytes },
      maxHeaderListPairs: 2 * limits.headerCount,
      maxSessionMemory: mostSessionMemory,
      ...lenient,
    });
    this.session = session;
    let connected = false;
    let cancel = clock.after(limits.connectMs, () => setImmediate(() => connected || session.destroy()));
    socket.once("connect", () => {
      connected = true;
      cancel();
      cancel = clock.after(limits.settingsMs, () => session.destroy());
    });
    session.once("connect", () => {
      if (!session.destroyed) session.setLocalWindowSize(connectionWindowBytes);
    });
    session.once("remoteSettings", () => {
      cancel();
      this.ready = true;
      this.#tell("ready");
    });
    session.on("goaway", (_code, last) => {
      this.lastStream = last;
      this.#end();
    });
    let failed = false;
    session.on("error", (error: NodeJS.ErrnoException) => (failed ||= error.code === "ERR_HTTP2_ERROR"));
    session.once("close", () => {
      cancel();
      this.#end();
      this.#tell(connected && failed ? "foreign" : "refused");
    });
  }

  /** Whether a request more may be sent on it, or wait for it. */
  get hasRoom(): boolean {
    if (this.over) return false;
    if (!this.ready) return this.#waiting.length < firstStreams;
    return this.#streams < (this.session.remoteSettings.maxConcurrentStreams ?? Infinity);
  }

  get isIdle(): boolean {
    return this.#streams === 0 && this.#waiting.length === 0;
  }

  /** Calls once it is of use, or turns out not to be. The returned function takes that back. */
  whenReady(callback: (how: Opened) => void): () => void {
    this.#waiting.push(callback);
    return () => (this.#waiting = this.#waiting.filter((one) => one !== callback));
  }

  streamBegan(): void {
    this.#streams += 1;
  }

  streamEnded(): void {
    this.#streams -= 1;
    this.idleSince = this.#options.clock.now();
    // Its other streams have ended, too.
    if (this.over && this.#streams === 0) this.session.close();
  }

  /** Takes no more streams; ends when those that there are have ended. */
  close(): void {
    this.#end();
    if (this.isIdle) this.session.close();
  }

  /**
   * Calls back once the app has read all that was sent to it before now, or the connection is gone. Asks by SETTINGS, which must be acknowledged
   * in order (RFC 9113 §6.5.3), and not by PING: gRPC servers end connections on which they are pinged often.
   */
  whenRead(callback: () => void): void {
    if (this.session.destroyed) return callback();
    this.#unread.push(callback);
    if (!this.#asking) this.#ask();
  }

  /** Takes no more streams, should the app not read on: its connection may be dead, which TCP tells late or never. */
  verify(): void {
    if (this.#verifying || this.over) return;
    this.#verifying = true;
    const { clock, limits } = this.#options;
    const cancel = clock.after(limits.hungMs, () => this.#end());
    this.whenRead(() => {
      this.#verifying = false;
      cancel();
    });
  }

  #ask(): void {
    const asked = this.#unread.splice(0);
    if (asked.length === 0) return;
    const done = (): void => {
      this.session.off("close", done);
      this.#asking = false;
      for (const callback of asked.splice(0)) callback();
      if (!this.session.destroyed) this.#ask();
      else for (const callback of this.#unread.splice(0)) callback();
    };
    this.#asking = true;
    this.session.once("close", done);
    this.session.settings({}, done);
  }

  #end(): void {
    if (this.over) return;
    this.over = true;
    this.#options.ended(this);
  }

  #tell(how: Opened): void {
    for (const callback of this.#waiting.splice(0)) callback(how);
  }
}
