/**
 * A client of WebSocket over HTTP/2 (RFC 8441) made of Node's HTTP/2 and `ws`: that one writes its handshake of HTTP/1.1 into a connection that
 * makes an extended CONNECT of it, and an answer of HTTP/1.1 of what comes back. All that follows passes as it is.
 */
import { createHash } from "node:crypto";
import { type ClientHttp2Session, type ClientHttp2Stream, constants, type OutgoingHttpHeaders } from "node:http2";
import { Duplex } from "node:stream";
import { WebSocket } from "ws";

const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR } = constants;
/** What RFC 8441 §5 leaves out of the handshake. */
const ofHttp1 = new Set(["host", "connection", "upgrade", "sec-websocket-key"]);

/** Resolves when the server has said that it takes extended CONNECTs; rejects when it says that it doesn't. */
export async function connectable(session: ClientHttp2Session): Promise<void> {
  const settings =
    session.remoteSettings.maxConcurrentStreams === undefined
      ? await new Promise<typeof session.remoteSettings>((resolve) => session.once("remoteSettings", resolve))
      : session.remoteSettings;
  if (settings.enableConnectProtocol !== true) throw new Error("The server takes no extended CONNECT");
}

/** The fields of an extended CONNECT. */
export function connectFields(host: string, path: string, more: OutgoingHttpHeaders = {}): OutgoingHttpHeaders {
  const pseudo = { ":method": "CONNECT", ":protocol": "websocket", ":scheme": "http", ":path": path };
  return { ...pseudo, ":authority": host, "sec-websocket-version": "13", ...more };
}

export interface WebSocket2 {
  client: WebSocket;
  /** The stream that it is on, once its handshake was sent. */
  stream(): ClientHttp2Stream | undefined;
}

/** A WebSocket on a stream of the session. */
export function websocketOn(
  session: ClientHttp2Session,
  { host, path, protocols = [], options = {} }: { host: string; path: string; protocols?: string[]; options?: object },
): WebSocket2 {
  const side = new StreamSide(session, host);
  const client = new WebSocket(`ws://${host}${path}`, protocols, {
    ...options,
    createConnection: () => side as never,
  });
  return { client, stream: () => side.stream };
}

class StreamSide extends Duplex {
  readonly #session: ClientHttp2Session;
  readonly #host: string;
  #head = "";
  stream: ClientHttp2Stream | undefined;

  constructor(session: ClientHttp2Session, host: string) {
    super({ allowHalfOpen: true });
    this.#session = session;
    this.#host = host;
  }

  override _write(piece: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    if (this.stream !== undefined) return void this.stream.write(piece, done);
    this.#head += piece.toString("latin1");
    if (this.#head.endsWith("\r\n\r\n")) this.#open();
    done();
  }

  override _read(): void {
    this.stream?.resume();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.stream?.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.stream?.close(NGHTTP2_CANCEL);
    done(error);
  }

  #open(): void {
    const [first = "", ...lines] = this.#head.trimEnd().split("\r\n");
    const fields = lines.map((line) => [line.split(":", 1).join("").toLowerCase(), line.replace(/^[^:]*: */, "")]);
    const passed = Object.fromEntries(fields.filter(([name = ""]) => !ofHttp1.has(name)));
    const [, key = ""] = fields.find(([name]) => name === "sec-websocket-key") ?? [];
    const [, path = "/"] = first.split(" ");
    const stream = this.#session.request(connectFields(this.#host, path, passed), { endStream: false });
    this.stream = stream;
    stream.pause();
    stream.on("error", () => {});
    stream.on("response", (answer) => {
      const status = answer[":status"] ?? 0;
      const own = status === 200 ? agreement(key) : ["Connection: close"];
      const rest = Object.entries(answer).flatMap(([name, value]) =>
        name.startsWith(":") ? [] : [`${name}: ${String(value)}`],
      );
      this.push(`HTTP/1.1 ${status === 200 ? 101 : status} x\r\n${[...own, ...rest].join("\r\n")}\r\n\r\n`);
    });
    stream.on("data", (piece: Buffer) => {
      if (!this.push(piece)) stream.pause();
    });
    stream.on("end", () => this.push(null));
    stream.on("close", () => {
      if (stream.rstCode !== NGHTTP2_NO_ERROR || !stream.readableEnded) this.destroy();
    });
  }
}

/** What a server of HTTP/1.1 would say (RFC 6455 §4.2.2). */
function agreement(key: string): string[] {
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  return ["Connection: Upgrade", "Upgrade: websocket", `Sec-WebSocket-Accept: ${accept}`];
}
