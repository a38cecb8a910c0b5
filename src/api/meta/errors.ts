/**
 * The one error type of the API: transport-free inside, mapped to an HTTP code and a `metav1.Status` here and nowhere else.
 */

/** Why a request failed, with the HTTP code that Kubernetes gives it. */
export const reasonCodes = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Expired: 410,
  Gone: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
} as const;

export type Reason = keyof typeof reasonCodes;

/** One fault of an object, as in `details.causes`. `field` is a path such as `spec.rollout.traffic[0].percent`. */
export interface Cause {
  reason: string;
  message: string;
  field: string;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: Cause[];
  retryAfterSeconds?: number;
}

/** `metav1.Status`. */
export interface Status {
  kind: "Status";
  apiVersion: "v1";
  /** `continue` is there where a list expired: the rest can be read with it, not consistent with the first part. */
  metadata: { continue?: string };
  status: "Success" | "Failure";
  message?: string;
  reason?: string;
  details?: StatusDetails;
  code: number;
}

/** An expected failure of an API request. `message` is what the client may see; what only the log may hold goes into `cause`. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly reason: Reason;
  readonly details: StatusDetails | undefined;
  /** Of an expired list: goes on with it, inconsistently. */
  readonly continue: string | undefined;

  constructor(
    reason: Reason,
    message: string,
    options: { details?: StatusDetails; cause?: unknown; continue?: string } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.reason = reason;
    this.details = options.details;
    this.continue = options.continue;
  }

  /** The HTTP status code. */
  get code(): number {
    return reasonCodes[this.reason];
  }

  /** The wire form. */
  toStatus(): Status {
    const status: Status = {
      kind: "Status",
      apiVersion: "v1",
      metadata: this.continue === undefined ? {} : { continue: this.continue },
      status: "Failure",
      message: this.message,
      reason: this.reason,
      code: this.code,
    };
    if (this.details !== undefined) status.details = this.details;
    return status;
  }

  /** Anything thrown, as an ApiError: unknown throwables become `InternalError` with a generic message and keep their cause. */
  static from(error: unknown): ApiError {
    if (error instanceof ApiError) return error;
    return new ApiError("InternalError", "Internal error occurred: see the server's log", { cause: error });
  }

  /** The error that a server answered with, from its body. Bodies that are no Status become an error with that text. */
  static fromStatus(code: number, body: unknown): ApiError {
    const status = typeof body === "object" && body !== null ? (body as Partial<Status>) : {};
    const byCode = (Object.keys(reasonCodes) as Reason[]).find((reason) => reasonCodes[reason] === code);
    const reason = (status.reason ?? "") in reasonCodes ? (status.reason as Reason) : (byCode ?? "InternalError");
    const message = status.message ?? (typeof body === "string" && body !== "" ? body : `HTTP ${code}`);
    return new ApiError(reason, message, status.details === undefined ? {} : { details: status.details });
  }
}

/** Whether `error` is an ApiError with one of the reasons. */
export function isReason(error: unknown, ...reasons: readonly Reason[]): error is ApiError {
  return error instanceof ApiError && reasons.includes(error.reason);
}
