/** The `log` subresource of Pods. */

/** What of a log is asked for. */
export interface LogOptions {
  container?: string;
  follow?: boolean;
  tailLines?: number;
  sinceSeconds?: number;
  /** RFC 3339. */
  sinceTime?: string;
  timestamps?: boolean;
  previous?: boolean;
  limitBytes?: number;
}

/** Where logs come from. Rejects with ApiError (NotFound, BadRequest) before the first chunk. */
export interface LogSource {
  open(namespace: string, pod: string, options: LogOptions, signal: AbortSignal): AsyncIterable<string | Uint8Array>;
}
