/**
 * WebSocket on a stream of HTTP/2 (RFC 8441): the client's extended CONNECT becomes an upgrade of HTTP/1.1 at the app (RFC 6455 §4). The
 * key, and the proof that the app has read it, are of HTTP/1.1 alone; the rest of the handshake is between the two ends.
 */
import { createHash, randomBytes } from "node:crypto";
import { constants, type ServerHttp2Stream } from "node:http2";
import type { Upgrade } from "../http/upgrade.ts";
import { resetStream } from "./endings.ts";
import { headersOf } from "./fields.ts";

/** RFC 6455 §1.3. */
const proof = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** Of the app's 101: what is of its own hop, or would frame what follows. */
const notPassed = new Set(["sec-websocket-accept", "content-length"]);

/** The value of `Sec-WebSocket-Accept` that answers a key (RFC 6455 §4.2.2). */
export function acceptOf(key: string): string {
  return createHash("sha1").update(`${key}${proof}`).digest("base64");
}

/** The request's own fields, flat, without a key that the client has no business to send (RFC 8441 §5). */
export function withoutKey(raw: readonly string[]): string[] {
  return raw.filter((_, i) => raw[i - (i % 2)] !== "sec-websocket-key");
}

/** @param stream with an extended CONNECT for `websocket`, not answered yet, and nothing read of what follows */
export function streamUpgrade(stream: ServerHttp2Stream): Upgrade {
  const key = randomBytes(16).toString("base64");
  return {
    protocol: "websocket",
    method: "GET",
    fields: ["Sec-WebSocket-Key", key],
    status: 200,
    isAgreed: ({ headers }) =>
      headers.upgrade?.toLowerCase() === "websocket" && headers["sec-websocket-accept"] === acceptOf(key),
    isTakenFor: (status) => status >= 200 && status < 300,
    accept(fields) {
      const passed: string[] = [];
      for (let i = 0; i < fields.length; i += 2)
        if (!notPassed.has(fields[i]?.toLowerCase() ?? "")) passed.push(fields[i] ?? "", fields[i + 1] ?? "");
      stream.respond(headersOf({ ":status": 200 }, passed));
      // RFC 8441 §5: what a reset is to TCP, is RST_STREAM with CANCEL here.
      const cut = (): void => resetStream(stream, constants.NGHTTP2_CANCEL);
      return { stream, early: [], breakOff: cut, cut };
    },
  };
}
