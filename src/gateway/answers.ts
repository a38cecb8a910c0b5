/**
 * The gateway's own answers: status, reason word, one fixed sentence, and the request's id to find it by. A reason that comes with a
 * Revision's problem is passed on as a word; its message may hold secrets and only shows with verbose errors.
 */
export interface Answer {
  status: number;
  /** Stands in `elafros-reason`. */
  reason: string;
  sentence: string;
  /** Seconds, for `Retry-After`. */
  retryAfter?: number;
  /** Only shown with verbose errors. */
  detail?: string;
  /** For `Location`. */
  location?: string;
  /** The body is the sentence and nothing else. */
  bare?: boolean;
}

export const answers = {
  /** RFC 9112 §3.2, §6.3: what two servers could read differently is refused. */
  badRequest: { status: 400, reason: "BadRequest", sentence: "The request is malformed or ambiguous." },
  badHost: { status: 400, reason: "BadHost", sentence: "The request names no host, or one that is malformed." },
  slowRequest: { status: 408, reason: "RequestTimeout", sentence: "The request did not arrive in time." },
  fieldsTooLarge: { status: 431, reason: "FieldsTooLarge", sentence: "The request's header section is too large." },
  targetTooLong: { status: 414, reason: "TargetTooLong", sentence: "The request's target is too long." },
  noConnect: { status: 405, reason: "MethodNotAllowed", sentence: "This server is not a forward proxy." },
  hostUnknown: { status: 404, reason: "HostUnknown", sentence: "No service has this host name." },
  routeNotReady: {
    status: 503,
    reason: "RouteNotReady",
    sentence: "The service has no revision that takes traffic yet.",
    retryAfter: 1,
  },
  revisionMissing: {
    status: 503,
    reason: "RevisionMissing",
    sentence: "The revision that this address names is not there.",
    retryAfter: 1,
  },
  overloaded: {
    status: 503,
    reason: "Overloaded",
    sentence: "Too many requests wait for this service.",
    retryAfter: 1,
  },
  starting: {
    status: 503,
    reason: "NoInstance",
    sentence: "No instance of the service could take the request in time.",
    retryAfter: 1,
  },
  unreachable: {
    status: 503,
    reason: "InstanceUnreachable",
    sentence: "The instances of the service refuse connections.",
    retryAfter: 1,
  },
  broken: { status: 502, reason: "InstanceBrokeOff", sentence: "The service broke off before it answered." },
  badAnswer: { status: 502, reason: "BadAnswer", sentence: "The service's answer is not valid HTTP." },
  badHandshake: {
    status: 502,
    reason: "BadHandshake",
    sentence: "The service's answer to the WebSocket handshake neither agrees nor declines.",
  },
  wrongProtocol: {
    status: 502,
    reason: "ProtocolMismatch",
    sentence: "The service does not speak HTTP/2, though its port is named h2c.",
  },
  protocolChanged: {
    status: 503,
    reason: "ProtocolChanged",
    sentence: "The service changed its protocol while the request waited for it.",
    retryAfter: 1,
  },
  noUpgrade: {
    status: 501,
    reason: "UpgradeUnsupported",
    sentence:
      "The service is reached over HTTP/2 and takes no other protocol (WebSocket) there: ask for it without an upgrade.",
  },
  /** Of RFC 8441's CONNECT; it has the same status in RFC 9220 §3. */
  protocolUnknown: {
    status: 501,
    reason: "ProtocolUnknown",
    sentence: "The only protocol that can be asked for on a stream is WebSocket: ask with :protocol websocket.",
  },
  /** Only told where an answer that has begun can still say something (gRPC). */
  tooOld: { status: 503, reason: "Draining", sentence: "The gateway ends connections that have become too old." },
  timeout: { status: 504, reason: "ResponseTimeout", sentence: "The service did not begin to answer in time." },
} as const satisfies Record<string, Answer>;

/** The answer for a Revision with no instance and a reason why. */
export function problemAnswer(problem: { reason: string; message: string }): Answer {
  const sentence = "The service can not be served; its owner finds out why with the reason.";
  return { status: 503, reason: problem.reason, sentence, retryAfter: 10, detail: problem.message };
}

/** The body and fields of an answer, as JSON for who accepts it, else as text. */
export function renderAnswer(
  answer: Answer,
  to: { accept: string | undefined; requestId: string; verbose: boolean },
): { fields: string[]; body: string } {
  const detail = to.verbose ? answer.detail : undefined;
  if (answer.bare === true) return { fields: bareFields(answer.sentence, to.requestId), body: answer.sentence };
  const json = wantsJson(to.accept);
  const body = json
    ? `${JSON.stringify({
        status: answer.status,
        reason: answer.reason,
        message: answer.sentence,
        requestId: to.requestId,
        ...(detail === undefined ? {} : { detail }),
      })}\n`
    : `${answer.sentence}${detail === undefined ? "" : `\n${detail}`}\nreason: ${answer.reason}\nrequest: ${to.requestId}\n`;
  const fields = [
    "Content-Type",
    json ? "application/json" : "text/plain; charset=utf-8",
    "Content-Length",
    String(Buffer.byteLength(body)),
    "Cache-Control",
    "no-store",
    "elafros-reason",
    answer.reason,
    "X-Request-Id",
    to.requestId,
  ];
  if (answer.location !== undefined) fields.push("Location", answer.location);
  if (answer.retryAfter !== undefined) fields.push("Retry-After", String(answer.retryAfter));
  return { fields, body };
}

function bareFields(body: string, requestId: string): string[] {
  const length = String(Buffer.byteLength(body));
  return ["Content-Type", "application/octet-stream", "Content-Length", length, "X-Request-Id", requestId];
}

function wantsJson(accept: string | undefined): boolean {
  if (accept === undefined) return false;
  const json = accept.search(/application\/(?:[a-z0-9.-]+\+)?json/i);
  if (json < 0) return false;
  const text = accept.search(/text\/(?:plain|html|\*)/i);
  return text < 0 || json < text;
}
