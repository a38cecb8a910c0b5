/** Which request fields belong to a hop or to the gateway, so that a client's own never reach an app. Names in lower case. */

/** Fields that speak of one connection, not of the message (RFC 9110 §7.6.1), besides those that `Connection` names. */
export const hopByHop = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  // Credentials for a proxy and its demand for them: this hop's, and nobody's here.
  "proxy-authenticate",
  "proxy-authorization",
  // `TE: trailers` is said again below when the client said it; other codings are this hop's.
  "te",
  // Framing is made anew for each hop; both in one message is refused before.
  "transfer-encoding",
  "upgrade",
]);

/** Fields that tell the app about the client. Only what the gateway says of it may arrive (spec: client-sent ones never win). */
export const aboutClient = new Set([
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-proto",
  "x-forwarded-server",
  "x-forwarded-ssl",
  "x-forwarded-scheme",
  "x-forwarded-by",
  "x-real-ip",
  "x-request-id",
  "host",
]);

/** Fields of the platform between its own parts; from outside they are forged. */
export function isControl(name: string): boolean {
  return name.startsWith("elafros-") || name.startsWith("k-");
}

/** Whether only the gateway itself may say this to an app. */
export function isForged(lower: string): boolean {
  return aboutClient.has(lower) || isControl(lower) || hopByHop.has(lower) || lower === "content-length";
}
