/**
 * Answers of the gateway's own to gRPC clients, which take no HTTP status: the status stands in `grpc-status`, and an answer without messages is
 * a header section and nothing else ("trailers-only", grpc.io PROTOCOL-HTTP2).
 */
import type { Answer } from "../answers.ts";

const code = { deadlineExceeded: 4, resourceExhausted: 8, unimplemented: 12, internal: 13, unavailable: 14 };

/** Whether a request is a gRPC call, by its `Content-Type`. */
export function isGrpc(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/grpc(?:$|[+;])/i.test(contentType);
}

/** The gRPC status that says the same as an answer. Only UNAVAILABLE invites the client to try again, as `Retry-After` does. */
function grpcStatus({ status }: Answer): number {
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
