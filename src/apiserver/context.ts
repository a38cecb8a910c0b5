/** What the API server is made of, as its handlers see it. */
import type { Kind } from "../api/meta/kind.ts";
import type { ApiService } from "../api/meta/service.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Turns } from "../lib/turns.ts";
import type { SourcesPort } from "../runtime/sources.ts";
import type { Authorizer } from "./authorizer.ts";
import type { Discovery } from "./discovery.ts";
import type { LogSource } from "./logs.ts";
import type { OpenApi } from "./openapi.ts";
import type { Tokens } from "./tokens.ts";

export interface ApiServerOptions {
  service: ApiService;
  /** Every kind that is served. */
  kinds: readonly Kind[];
  authorizer: Authorizer;
  tokens: Tokens;
  /** The serving certificate and the CA of client certificates, PEM. */
  tls: { cert: string; key: string; ca: string };
  /** Absent: no logs. */
  logs?: LogSource;
  /** Where uploaded sources go. Absent: none are taken. */
  sources?: SourcesPort;
  /** Elafros' version. */
  version: string;
  clock: Clock;
  log: Log;
  /** What `/metrics` tells, in Prometheus' text format. Absent: nothing is there. */
  metrics?(): string;
  /** What `/readyz` tells: the checks by name, undefined where all is well, else why not. Absent: always ready. */
  checks?(): Readonly<Record<string, string | undefined>>;
}

export interface ServerParts extends ApiServerOptions {
  discovery: Discovery;
  openapi: OpenApi;
  /** Requests that come together take turns, so that the event loop is never held up by all of them. */
  turns: Turns;
  /** Aborted when the server closes: streams end. */
  closing: AbortController;
}
