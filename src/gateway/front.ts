/**
 * The seam between the gateway's decisions and a protocol: a front accepts on one listening socket in one thread, reads requests, and
 * asks the core where they go. http1/front.ts accepts and serves plain requests; it hands what isn't plain to the one on Node's HTTP server,
 * http/front.ts, which also serves what tls/front.ts has accepted.
 */
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Core } from "./core.ts";
import type { DivertOptions } from "./divert.ts";
import type { GatewayLimits } from "./options.ts";
import type { Observer } from "./seen/observer.ts";
import type { Instance } from "./state.ts";

export interface FrontOptions {
  core: Core;
  clock: Clock;
  log: Log;
  limits: GatewayLimits;
  verboseErrors: boolean;
  /** Where there is an access log, or traces: told of each request. */
  observer: Observer | undefined;
  /** For requests that come in plain text; absent: none is diverted. */
  divert?: DivertOptions;
}

export interface Front {
  /** Stops accepting, tells clients to close, closes idle connections; resolves when no connection is left. */
  drain(): Promise<void>;
  /** Ends streaming and upgraded connections that are older. */
  shed(maxAgeMs: number): void;
  /** The instance takes no new request: lets go of its idle connections. */
  gone(instance: Instance): void;
  /** Drops every connection. */
  close(): void;
}
