/** What exchanges of one front share. */
import type { Clock } from "../../lib/clock.ts";
import type { Core } from "../core.ts";
import type { DivertOptions } from "../divert.ts";
import type { AppSessions } from "../http2/sessions.ts";
import type { AppWires } from "../http1/app-wires.ts";
import type { HostNames } from "../match.ts";
import type { GatewayLimits } from "../options.ts";
import type { Observer } from "../seen/observer.ts";
import type { Exchange } from "./exchange.ts";
import type { Joined } from "./join.ts";
import type { Upstreams } from "./upstreams.ts";

export interface FrontContext {
  core: Core;
  clock: Clock;
  limits: GatewayLimits;
  verboseErrors: boolean;
  divert: DivertOptions | undefined;
  observer: Observer | undefined;
  /** Connections to apps: of HTTP/1.1, raw ones (undefined where there can be none) and Node's; of HTTP/2. */
  wires: AppWires | undefined;
  upstreams: Upstreams;
  sessions: AppSessions;
  names: HostNames;
  /** A new request id. */
  newId(): string;
  /** Whether clients should be told to close their connections. */
  draining(): boolean;
  /** The exchange needs no `check` any more. */
  done(exchange: Exchange): void;
  /** Upgraded connections that are open. */
  joined: Set<Joined>;
}
