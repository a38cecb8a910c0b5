/**
 * WebSocket on a stream of HTTP/2 (RFC 8441), at the client and at the app. The key, and the proof that the app has read it, are of HTTP/1.1
 * alone (RFC 6455 §4); the rest of the handshake is between the two ends.
 */
import { randomBytes } from "node:crypto";
import { type ClientHttp2Stream, constants, type ServerHttp2Stream } from "node:http2";
import { acceptOf, type AppEnd, type Upgrade } from "../http/upgrade.ts";
import { resetStream } from "./endings.ts";
import { headersOf } from "./fields.ts";

/** Of the app's answer: what is of its own hop, or would frame what follows. */
const notPassed = new Set(["sec-websocket-accept", "content-length"]);

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
    streamRefusal: undefined,
    isAgreed({ switching }) {
      if (switching === undefined) return true;
      const { upgrade, "sec-websocket-accept": accept } = switching.headers;
      return upgrade?.toLowerCase() === "websocket" && accept === acceptOf(key);
    },
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

/** @param stream with an extended CONNECT to which the app has answered 2xx, with these fields, flat */
export function streamAppEnd(stream: ClientHttp2Stream, raw: readonly string[]): AppEnd {
  // As of HTTP/1.1, an app that has finished is done with both sides.
  stream.once("end", () => stream.end());
  return {
    stream,
    head: Buffer.alloc(0),
    raw,
    switching: undefined,
    broke: () => stream.rstCode !== constants.NGHTTP2_NO_ERROR,
    cut: () => resetStream(stream, constants.NGHTTP2_CANCEL),
  };
}
