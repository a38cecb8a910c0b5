import { pino } from "pino";

/** A structured log: constant message, values as fields. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** A log that adds `fields` to each line. */
  child(fields: Record<string, unknown>): Log;
}

/** Bytes of lines that wait for room on the disk; further ones are dropped. */
const keptBytes = 256 * 1024;

/**
 * A log of JSON lines on standard error, at the level of `ELAFROS_LOG` (default `info`). `name` is the process, which goes on where a
 * line can't be written: the disk may be full.
 */
export function createLog(name: string): Log {
  const level = process.env["ELAFROS_LOG"] ?? "info";
  const destination = pino.destination({ fd: 2, sync: true, maxLength: keptBytes });
  destination.on("error", () => {});
  return pino({ name, level, errorKey: "error" }, destination);
}

/** A log that says nothing, for tests. */
export const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLog,
};
