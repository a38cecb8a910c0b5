/**
 * A connection that is to speak another protocol, as an exchange sees it: its client's side and its app's. Those of HTTP/1.1 (RFC 9110 §7.8) are
 * here; http2/websocket.ts has those on streams of HTTP/2, which know WebSocket only. Any client's side can be joined to any app's.
 */
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { http } from "../../lib/node-http.ts";
import { type Answer, answers } from "../answers.ts";

/** The client's side of a connection that was agreed on. */
export interface ClientEnd {
  stream: Duplex;
  /** What it has sent already, and nobody has read. */
  early: readonly Buffer[];
  /** The app has broken off: the client is told so, where its protocol has a word for it. */
  breakOff(): void;
  /** Ends it at once. */
  cut(): void;
}

/** The app's side, once it has agreed. */
export interface AppEnd {
  stream: Duplex;
  /** What it has sent already, and nobody has read. */
  head: Buffer;
  /** Fields of its answer, flat. */
  raw: readonly string[];
  /** The answer where it is one of HTTP/1.1, a 101. */
  switching: IncomingMessage | undefined;
  /** Whether its end, once it has ended, was none that it meant. */
  broke(): boolean;
  /** Ends it at once. */
  cut(): void;
}

export interface Upgrade {
  /** The protocol that is asked for. */
  readonly protocol: string;
  /** The method by which an app of HTTP/1.1 is asked, and fields that it gets besides the client's, flat. */
  readonly method: string;
  readonly fields: readonly string[];
  /** Of the answer by which the client learns that it has what it asked for. */
  readonly status: number;
  /** The answer where an app of HTTP/2 can't be asked so; undefined where it can. */
  readonly streamRefusal: Answer | undefined;
  /** Whether the app's agreement is a valid one. */
  isAgreed(app: AppEnd): boolean;
  /** Whether the client would take an app's answer other than 101, with that status, for an agreement. */
  isTakenFor(status: number): boolean;
  /** Answers the client, with these fields, flat, of the app's answer; from here on its side is the caller's. Called at most once. */
  accept(fields: readonly string[], app: AppEnd): ClientEnd;
}

/** RFC 6455 §1.3. */
const proof = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** 16 bytes in base64 (RFC 6455 §4.2.1). */
const keyForm = /^[A-Za-z0-9+/]{22}==$/;

/** The value of `Sec-WebSocket-Accept` that answers a key (RFC 6455 §4.2.2). */
export function acceptOf(key: string): string {
  return createHash("sha1").update(`${key}${proof}`).digest("base64");
}

/** A request with `Upgrade`, its client's connection, and what came of that since. */
export interface UpgradingSocket {
  protocol: string;
  socket: Socket;
  early: Buffer[];
}

/** @param res the answer of Node's server, which has the connection till then */
export function http1Upgrade(
  { protocol, socket, early }: UpgradingSocket,
  req: IncomingMessage,
  res: ServerResponse,
): Upgrade {
  const method = req.method ?? "GET";
  const key = req.headers["sec-websocket-key"];
  return {
    protocol,
    method,
    fields: [],
    status: 101,
    get streamRefusal() {
      if (protocol.toLowerCase() !== "websocket") return answers.noUpgrade;
      // What an app of HTTP/1.1 would find out for itself.
      return method === "GET" && key !== undefined && keyForm.test(key) ? undefined : answers.badRequest;
    },
    isAgreed: () => true,
    isTakenFor: () => false,
    accept(fields, { switching }) {
      res.detachSocket(socket);
      socket.removeAllListeners("data");
      socket.removeAllListeners("end");
      const all = [...fields, "Connection", "Upgrade", "Upgrade", switching?.headers.upgrade ?? protocol];
      // An app of HTTP/2 has seen no key.
      if (switching === undefined) all.push("Sec-WebSocket-Accept", acceptOf(key ?? ""));
      let head = `HTTP/1.1 101 ${http.STATUS_CODES[101] ?? ""}\r\n`;
      for (let i = 0; i < all.length; i += 2) head += `${all[i] ?? ""}: ${all[i + 1] ?? ""}\r\n`;
      socket.write(`${head}\r\n`, "latin1");
      keepOpen(socket);
      return { stream: socket, early, breakOff: () => socket.end(), cut: () => socket.destroy() };
    },
  };
}

/** The app's side on a connection of HTTP/1.1. */
export function http1AppEnd(switching: IncomingMessage, socket: Socket, head: Buffer): AppEnd {
  keepOpen(socket);
  const raw = switching.rawHeaders;
  return { stream: socket, head, raw, switching, broke: () => socket.errored !== null, cut: () => socket.destroy() };
}

/** Makes a socket one that lasts however quiet it is, and whose silent death shows. */
function keepOpen(socket: Socket): void {
  socket.setNoDelay(true);
  socket.setTimeout(0);
  socket.setKeepAlive(true, 60_000);
}
