/**
 * Every way in which a command ends, and its exit status. Thrown by commands, decided on in main alone.
 */

/** Exit statuses, documented in the CLI reference. */
export const exitCodes = {
  ok: 0,
  /** It was tried and failed. */
  failure: 1,
  /** The command line is wrong; nothing was tried. */
  usage: 2,
  /** Interrupted: 128 + SIGINT. */
  cancelled: 130,
} as const;

/** The command line is wrong: names the flag, its value and the way out. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** What was asked for failed; the message says why and what to do. `detail` is printed below it, as it is. */
export class FailureError extends Error {
  override name = "FailureError";
  readonly detail: readonly string[];

  constructor(message: string, options: { detail?: readonly string[]; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.detail = options.detail ?? [];
  }
}

/** The person interrupted it. */
export class CancelledError extends Error {
  override name = "CancelledError";
}
