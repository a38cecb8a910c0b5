/** A serving thread's log: the first thread writes its lines, so that what writes them is loaded once and not in each thread. */
import type { Log } from "../lib/log.ts";

/** A line on its way to the first thread; `fields` as JSON. */
export interface LogLine {
  type: "log";
  level: "debug" | "info" | "warn" | "error";
  fields: string;
  message: string;
}

/** @param common fields that each line has */
export function threadLog(say: (line: LogLine) => void, common: Record<string, unknown>): Log {
  const debugs = ["debug", "trace"].includes(process.env["ELAFROS_LOG"] ?? "");
  const write =
    (level: LogLine["level"]) =>
    (fields: object, message: string): void => {
      if (level !== "debug" || debugs) say({ type: "log", level, fields: asJson({ ...common, ...fields }), message });
    };
  return {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    child: (fields) => threadLog(say, { ...common, ...fields }),
  };
}

/** JSON leaves out what an error says: written as the log does elsewhere. */
function asJson(fields: object): string {
  return JSON.stringify(fields, (_, value: unknown) => {
    if (!(value instanceof Error)) return value;
    const { name: type, message, stack } = value;
    return Object.assign({}, value, { type, message, stack });
  });
}
