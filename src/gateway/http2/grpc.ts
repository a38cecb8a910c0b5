/**
 * Calls of gRPC, whose status isn't that of HTTP: it stands in `grpc-status`, in the trailers, or in an answer without messages that is a header
 * section and nothing else ("trailers-only", grpc.io PROTOCOL-HTTP2).
 */
import type { Answer } from "../answers.ts";

const code = {
  unknown: 2,
  deadlineExceeded: 4,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
};

/**
 * What says of a call that the server failed, and not its client (OpenTelemetry's conventions for gRPC servers), with the status of HTTP that
 * says the same. All others count as the 200 that they come with.
 */
const failures = new Map([
  [code.unknown, 500],
  [code.deadlineExceeded, 504],
  [code.unimplemented, 501],
  [code.internal, 500],
  [code.unavailable, 503],
  [15, 500],
]);

/** Whether a request is a gRPC call, by its `Content-Type`. */
export function isGrpc(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/grpc(?:$|[+;])/i.test(contentType);
}

/** The gRPC status that says the same as an answer. Only UNAVAILABLE invites the client to try again, as `Retry-After` does. */
export function grpcStatus({ status }: Answer): number {
  switch (status) {
    case 408:
    case 504:
      return code.deadlineExceeded;
    case 414:
    case 431:
      return code.resourceExhausted;
    case 404:
    case 405:
    case 501:
      return code.unimplemented;
    case 502:
    case 503:
      return code.unavailable;
    default:
      return code.internal;
  }
}

/**
 * The status with which a call has ended.
 * @param fields of the answer's header section, flat
 * @param trailers as pairs
 * @returns what the client makes of it: without a status that is one, UNKNOWN
 */
export function callStatus(fields: readonly string[], trailers: readonly [string, string][]): number {
  let text = trailers.find(([name]) => name.toLowerCase() === "grpc-status")?.[1];
  for (let i = 0; text === undefined && i < fields.length; i += 2)
    if (fields[i]?.toLowerCase() === "grpc-status") text = fields[i + 1];
  return text !== undefined && /^\d{1,3}$/.test(text) ? Number(text) : code.unknown;
}

/** The status of HTTP as which a call counts that was answered with 200 and has ended with a status of gRPC. */
export function countedStatus(call: number): number {
  return failures.get(call) ?? 200;
}

/** The fields that tell a gRPC client of an answer. `detail` of the answer shows only when `verbose`. */
export function grpcFields(answer: Answer, { requestId, verbose }: { requestId: string; verbose: boolean }): string[] {
  const detail = verbose && answer.detail !== undefined ? ` ${answer.detail}` : "";
  return [
    "grpc-status",
    String(grpcStatus(answer)),
    "grpc-message",
    percentEncoded(`${answer.sentence}${detail} (reason: ${answer.reason}, request: ${requestId})`),
    "elafros-reason",
    answer.reason,
    "x-request-id",
    requestId,
  ];
}

/** The end of an answer that has begun, when the rest doesn't come. */
export function grpcTrailers(answer: Answer): [string, string][] {
  return [
    ["grpc-status", String(grpcStatus(answer))],
    ["grpc-message", percentEncoded(`${answer.sentence} (reason: ${answer.reason})`)],
  ];
}

/** Printable ASCII stays but for `%`; each other byte of UTF-8 is `%` and two digits. */
function percentEncoded(text: string): string {
  let out = "";
  for (const byte of Buffer.from(text)) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    out += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return out;
}
