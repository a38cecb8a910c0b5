/** Trace context and user agent in a request's fields: as lines of a head, and as a list of names and values. */
import type { Sighting } from "./sighting.ts";

const lineOf = new Map<string, RegExp>();

/** The value of a field in a head's lines; of several, all with commas between them (RFC 9110 §5.2). `name` in lower case. */
export function fieldInLines(lines: string, name: string): string | undefined {
  let pattern = lineOf.get(name);
  if (pattern === undefined) {
    // Names are letters and dashes, which mean nothing in a pattern.
    // The space around a value is left to trim(): a pattern that looks for it takes quadratic time on a value full of spaces.
    pattern = new RegExp(`^${name}:(.*)\\r$`, "gim");
    lineOf.set(name, pattern);
  }
  const values = [...lines.matchAll(pattern)].map(([, value = ""]) => value.trim());
  return values.length === 0 ? undefined : values.join(", ");
}

/** The value of a field in a flat list, likewise. */
export function fieldInList(list: readonly string[], name: string): string | undefined {
  const values: string[] = [];
  for (let i = 0; i < list.length; i += 2) if (list[i]?.toLowerCase() === name) values.push(list[i + 1] ?? "");
  return values.length === 0 ? undefined : values.join(", ");
}

/** A request's whole head for the app, with the trace context that it is to have. */
export function tracedHead(head: string, { traceparent, keepsTracestate }: Sighting): string {
  if (traceparent === undefined) return head;
  const kept = head.replaceAll(keepsTracestate ? /^traceparent:.*\r\n/gim : /^trace(?:parent|state):.*\r\n/gim, "");
  if (traceparent === null) return kept;
  const firstLine = kept.indexOf("\r\n") + 2;
  return `${kept.slice(0, firstLine)}traceparent: ${traceparent}\r\n${kept.slice(firstLine)}`;
}

/** The same for a flat list of fields, which is changed. */
export function traceList(list: string[], { traceparent, keepsTracestate }: Sighting): void {
  if (traceparent === undefined) return;
  for (let i = list.length - 2; i >= 0; i -= 2) {
    const name = list[i]?.toLowerCase();
    if (name === "traceparent" || (name === "tracestate" && !keepsTracestate)) list.splice(i, 2);
  }
  if (traceparent !== null) list.push("traceparent", traceparent);
}
