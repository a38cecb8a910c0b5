/** W3C Trace Context, level 1 (https://www.w3.org/TR/trace-context/): which trace a request belongs to, and which span it comes from. */
import { randomBytes } from "node:crypto";

/** A span's place in a trace. Ids are lower-case hexadecimal: 16 bytes of the trace, 8 of the span. */
export interface TraceContext {
  traceId: string;
  spanId: string;
  /** Somebody records this trace. */
  sampled: boolean;
}

// A later version may have more behind the flags, after a dash (§3.2.2.5, "versioning of traceparent").
const pattern = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const noTrace = "0".repeat(32);
const noSpan = "0".repeat(16);

/** Reads `traceparent`; undefined where it isn't a valid one, which §3.2.2 has one treat as if none had come. */
export function parseTraceparent(value: string): TraceContext | undefined {
  const match = pattern.exec(value);
  if (match === null) return undefined;
  const [, version = "", traceId = "", spanId = "", flags = "", more] = match;
  if (version === "ff" || (version === "00" && more !== undefined)) return undefined;
  if (traceId === noTrace || spanId === noSpan) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** Writes `traceparent` in version 00, whatever version was read (§4.3). */
export function formatTraceparent({ traceId, spanId, sampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`;
}

/** A span below `parent`, or the first one of a new trace. It is sampled. */
export function nextContext(parent: TraceContext | undefined): TraceContext {
  const random = randomBytes(24).toString("hex");
  // All zeros would be invalid, and comes about once in the life of 2^63 universes.
  return { traceId: parent?.traceId ?? random.slice(0, 32), spanId: random.slice(32), sampled: true };
}
