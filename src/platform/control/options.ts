import type { PlatformConfig } from "../config.ts";

/** What the supervisor gives control, as JSON in its first argument. */
export interface ControlOptions {
  config: PlatformConfig;
  /** The API server's listening socket. */
  apiFd: number;
  /** Where the next supervisor gets all sockets, should this one be killed. */
  handover: { path: string; fds: Record<string, number> };
}
