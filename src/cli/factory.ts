/**
 * What commands are given besides their options: the world, each part replaceable by a test.
 */
import type { HttpClient } from "../client/http.ts";
import type { Clock } from "../lib/clock.ts";
import type { Io } from "./io.ts";
import type { Platform } from "./platform.ts";

/** Options that every command which talks to a server has. */
export interface ServerOptions {
  kubeconfig?: string | undefined;
  region?: string | undefined;
  namespace?: string | undefined;
}

/** A server and the namespace to work in. */
export interface Session {
  client: HttpClient;
  namespace: string;
  /** The kubeconfig context's name. */
  region: string;
  /** The URL of the API server. */
  server: string;
}

export interface Factory {
  io: Io;
  clock: Clock;
  env: Readonly<Record<string, string | undefined>>;
  /** The working directory. */
  cwd: string;
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
  connect(options: ServerOptions): Promise<Session>;
  platform: Platform;
}

/** The data directory that is used where none is given. */
export const defaultDataDir = "/var/lib/elafros";
