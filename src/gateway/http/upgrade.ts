/**
 * A client that asks for another protocol on its connection, as an exchange sees it. The one of HTTP/1.1 (RFC 9110 §7.8) is here;
 * http2/websocket.ts has the one on a stream of HTTP/2. Apps are asked by HTTP/1.1 for both.
 */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

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

export interface Upgrade {
  /** The protocol that is asked for. */
  readonly protocol: string;
  /** The method by which an app is asked, and fields that it gets besides the client's, flat. */
  readonly method: string;
  readonly fields: readonly string[];
  /** Of the answer by which the client learns that it has what it asked for. */
  readonly status: number;
  /** Whether the app's 101 is a valid one. */
  isAgreed(answer: IncomingMessage): boolean;
  /** Whether the client would take an app's answer other than 101, with that status, for an agreement. */
  isTakenFor(status: number): boolean;
  /** Answers the client, with these fields, flat, of the app's 101; from here on its side is the caller's. Called at most once. */
  accept(fields: readonly string[], answer: IncomingMessage): ClientEnd;
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
  method: string,
  res: ServerResponse,
): Upgrade {
  return {
    protocol,
    method,
    fields: [],
    status: 101,
    isAgreed: () => true,
    isTakenFor: () => false,
    accept(fields, answer) {
      res.detachSocket(socket);
      socket.removeAllListeners("data");
      socket.removeAllListeners("end");
      const all = [...fields, "Connection", "Upgrade", "Upgrade", answer.headers.upgrade ?? ""];
      let head = `HTTP/1.1 101 ${STATUS_CODES[101] ?? ""}\r\n`;
      for (let i = 0; i < all.length; i += 2) head += `${all[i] ?? ""}: ${all[i + 1] ?? ""}\r\n`;
      socket.write(`${head}\r\n`, "latin1");
      keepOpen(socket);
      return { stream: socket, early, breakOff: () => socket.end(), cut: () => socket.destroy() };
    },
  };
}

/** Makes a socket one that lasts however quiet it is, and whose silent death shows. */
export function keepOpen(socket: Socket): void {
  socket.setNoDelay(true);
  socket.setTimeout(0);
  socket.setKeepAlive(true, 60_000);
}
