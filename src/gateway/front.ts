/**
 * The seam between the gateway's decisions and a protocol: a front accepts on one listening socket in one thread, reads requests, and
 * asks the core where they go. A front is made by a function of FrontOptions that resolves once it accepts. The one on Node's HTTP server is http/front.ts; a faster one for plain requests can stand before it.
 */
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Core } from "./core.ts";
import type { GatewayLimits } from "./options.ts";
import type { Instance } from "./state.ts";

export interface FrontOptions {
  /** A listening or bound socket of this thread alone. */
  fd: number;
  core: Core;
  clock: Clock;
  log: Log;
  limits: GatewayLimits;
  verboseErrors: boolean;
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
