import type { PlatformConfig } from "../config.ts";

/** Instead of ControlOptions: only looks whether control of these files could start on a data directory, beside the one that runs. */
export interface ControlCheck {
  check: { dataDir: string };
}

/** What the supervisor gives control, as JSON in its first argument. */
export interface ControlOptions {
  config: PlatformConfig;
  /** The API server's listening socket. */
  apiFd: number;
  /** Where the next supervisor gets all sockets, should this one be killed. */
  handover: { path: string; fds: Record<string, number> };
}
