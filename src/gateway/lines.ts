/** Messages over a local socket: one JSON value a line. */
import type { Socket } from "node:net";

/** A line longer than this is no message of ours: the connection is ended. */
const mostBytes = 256 * 1024 * 1024;

/**
 * Calls `onLine` with each whole line that arrives, without its end. What `onLine` throws ends the connection, with the error for its
 * `error` listeners.
 */
export function readLines(socket: Socket, onLine: (line: string) => void): void {
  let parts: Buffer[] = [];
  let bytes = 0;
  socket.on("data", (piece: Buffer) => {
    let start = 0;
    try {
      for (let end = piece.indexOf(10); end >= 0; end = piece.indexOf(10, start)) {
        parts.push(piece.subarray(start, end));
        const line = Buffer.concat(parts).toString("utf8");
        parts = [];
        bytes = 0;
        start = end + 1;
        if (line !== "") onLine(line);
      }
    } catch (error) {
      socket.destroy(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    if (start === piece.length) return;
    parts.push(piece.subarray(start));
    bytes += piece.length - start;
    if (bytes > mostBytes) socket.destroy(new Error(`Cannot read the message: it is longer than ${mostBytes} bytes`));
  });
}

/** Sends one message. On a connection that has ended, nothing happens. */
export function writeLine(socket: Socket, message: object): void {
  if (socket.writable) socket.write(`${JSON.stringify(message)}\n`);
}
