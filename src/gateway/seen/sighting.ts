/** What is seen of one request, for its line in the access log and its span. */
import type { Span } from "../../lib/otlp/span.ts";
import { formatTraceparent, type TraceContext } from "../../lib/otlp/trace-context.ts";

/** A request as it came, whatever its protocol. */
export interface Arrival {
  /** Milliseconds since the epoch. */
  at: number;
  method: string;
  /** As the client wrote it, or its path; what follows a `?` is never kept. */
  target: string;
  /** In the table's form. */
  host: string;
  protocol: "HTTP/1.0" | "HTTP/1.1" | "HTTP/2.0";
  scheme: "http" | "https";
  /** Address of the client's connection. */
  address: string;
  requestId: string;
  /** The value of a header field; several of one name with commas between them. The name is in lower case. */
  header: (name: string) => string | undefined;
}

/** What became of it. */
export interface Ending {
  status: number;
  ms: number;
  /** Of the answer's body, as sent to the client. */
  bytes: number;
  route: string;
  revision: string;
}

export interface SightingOptions {
  logged: boolean;
  /** The request's span, and the span that the client named; absent where it isn't traced by this gateway. */
  trace: TraceContext | undefined;
  parent: TraceContext | undefined;
  /** `traceparent` of the client was none. */
  invalid: boolean;
  /** Takes it when it is over. */
  done(sighting: Sighting, ending: Ending): void;
}

/** Names of gRPC's statuses, by their number. */
const callNames = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
];
/** Most characters that are kept of what clients make up. */
const mostPath = 2_048;
const mostAgent = 512;

export class Sighting {
  readonly arrival: Arrival;
  readonly logged: boolean;
  readonly trace: TraceContext | undefined;
  readonly userAgent: string | undefined;
  instance = "";
  /** With which a call of gRPC has ended. */
  callStatus: number | undefined;
  /** How long it waited for an instance with a free slot, in milliseconds. */
  queuedMs = 0;
  #waitsSince: number | undefined;
  readonly #options: SightingOptions;

  constructor(arrival: Arrival, options: SightingOptions) {
    this.arrival = arrival;
    this.#options = options;
    this.logged = options.logged;
    this.trace = options.trace;
    this.userAgent = arrival.header("user-agent")?.slice(0, mostAgent);
  }

  /** What the app gets in place of the client's `traceparent`: text, or nothing (null); undefined leaves the client's as it is. */
  get traceparent(): string | null | undefined {
    if (this.trace !== undefined) return formatTraceparent(this.trace);
    return this.#options.invalid ? null : undefined;
  }

  /** Whether the client's `tracestate` goes on: it belongs to its `traceparent`, and says nothing of another trace (W3C Trace Context §3.3.1). */
  get keepsTracestate(): boolean {
    return !this.#options.invalid && (this.trace === undefined || this.#options.parent !== undefined);
  }

  /** The path, without a query: those hold tokens and addresses of people. */
  get path(): string {
    const { target } = this.arrival;
    const query = target.indexOf("?");
    return target.slice(0, Math.min(query < 0 ? target.length : query, mostPath));
  }

  /** It begins to wait for a slot. */
  waits(now: number): void {
    this.#waitsSince ??= now;
  }

  /** It has a slot at an instance; of several, the last one counts. */
  placed(instance: string, now: number): void {
    this.#waited(now);
    this.instance = instance;
  }

  ended(ending: Ending): void {
    this.#waited(this.arrival.at + ending.ms);
    this.#options.done(this, ending);
  }

  #waited(now: number): void {
    if (this.#waitsSince === undefined) return;
    this.queuedMs += Math.max(0, now - this.#waitsSince);
    this.#waitsSince = undefined;
  }

  /** Its line of the access log: one JSON object, with the end of the line. */
  line({ status, ms, bytes, route, revision }: Ending): string {
    const { at, method, host, protocol, scheme, address, requestId } = this.arrival;
    const line = {
      time: new Date(at).toISOString(),
      client: address,
      method,
      scheme,
      host,
      path: this.path,
      protocol,
      status,
      // Left out where there is none.
      grpcStatus: this.callStatus,
      bytes,
      durationMs: rounded(ms),
      queuedMs: rounded(this.queuedMs),
      route,
      revision,
      instance: this.instance,
      requestId,
      traceId: this.trace?.traceId ?? this.#options.parent?.traceId ?? "",
      userAgent: this.userAgent ?? "",
    };
    // Terminals take some of these for commands, and JSON leaves them as they are.
    return `${JSON.stringify(line).replaceAll(/[\u007f-\u009f]/g, escaped)}\n`;
  }

  /** Its span, by the names of OpenTelemetry's conventions for HTTP servers. */
  span({ status, ms, bytes, route, revision }: Ending): Span | undefined {
    if (this.trace === undefined) return undefined;
    const { at, method, host, protocol, scheme, address, requestId } = this.arrival;
    return {
      traceId: this.trace.traceId,
      spanId: this.trace.spanId,
      parentId: this.#options.parent?.spanId,
      name: route === "" ? method : `${method} ${route}`,
      kind: "server",
      from: at,
      to: at + ms,
      failed: status >= 500,
      attributes: {
        "http.request.method": method,
        // Calls that end with a status of their own were answered with 200.
        "http.response.status_code": this.callStatus === undefined ? status : 200,
        ...callAttributes(this.callStatus),
        "http.response.body.size": bytes,
        "url.scheme": scheme,
        "url.path": this.path,
        "server.address": host,
        "client.address": address,
        "network.protocol.version": protocol.slice("HTTP/".length),
        "user_agent.original": this.userAgent,
        "elafros.request_id": requestId,
        "elafros.route": given(route),
        "elafros.revision": given(revision),
        "elafros.instance": given(this.instance),
        "elafros.queued_ms": rounded(this.queuedMs),
      },
    };
  }
}

function escaped(char: string): string {
  return `\\u00${char.charCodeAt(0).toString(16)}`;
}

/** By OpenTelemetry's conventions for gRPC servers. */
function callAttributes(status: number | undefined): Record<string, string> {
  if (status === undefined) return {};
  return { "rpc.system.name": "grpc", "rpc.response.status_code": callNames[status] ?? String(status) };
}

function given(text: string): string | undefined {
  return text === "" ? undefined : text;
}

/** The gateway's clock counts whole milliseconds, mostly. */
function rounded(ms: number): number {
  return Math.round(Math.max(0, ms) * 1_000) / 1_000;
}
