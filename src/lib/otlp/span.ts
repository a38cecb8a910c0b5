/** Spans as OTLP's JSON has them (opentelemetry-proto, trace/v1; https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding). */

/** A finished span, in plain values. */
export interface Span {
  traceId: string;
  spanId: string;
  parentId: string | undefined;
  name: string;
  /** `server` answers a request; `internal` is work within one process. */
  kind: "server" | "internal";
  /** Milliseconds since the epoch; may have a fraction. */
  from: number;
  to: number;
  /** Text and numbers; those that are undefined are left out. */
  attributes: Readonly<Record<string, string | number | undefined>>;
  failed: boolean;
}

/** Who says it: the resource that all spans of a process belong to. */
export type Resource = Readonly<Record<string, string>>;

const kinds = { internal: 1, server: 2 } as const;
const statusError = 2;

/** The body of a request to `/v1/traces`. */
export function traceRequest(resource: Resource, spans: readonly Span[]): string {
  return JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: keyValues(resource) },
        scopeSpans: [{ scope: { name: "elafros" }, spans: spans.map(spanJson) }],
      },
    ],
  });
}

function spanJson({ traceId, spanId, parentId, name, kind, from, to, attributes, failed }: Span): object {
  return {
    traceId,
    spanId,
    ...(parentId === undefined ? {} : { parentSpanId: parentId }),
    name,
    kind: kinds[kind],
    startTimeUnixNano: nanoseconds(from),
    // The machine's clock may be set back.
    endTimeUnixNano: nanoseconds(Math.max(from, to)),
    attributes: keyValues(attributes),
    status: failed ? { code: statusError } : {},
  };
}

/** 64-bit numbers are text in JSON. */
function nanoseconds(ms: number): string {
  return `${Math.round(ms * 1_000)}000`;
}

function keyValues(attributes: Span["attributes"]): object[] {
  const list: object[] = [];
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "string") list.push({ key, value: { stringValue: value } });
    else if (Number.isSafeInteger(value)) list.push({ key, value: { intValue: String(value) } });
    else if (value !== undefined) list.push({ key, value: { doubleValue: value } });
  }
  return list;
}
