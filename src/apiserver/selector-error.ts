import { ApiError } from "../api/meta/errors.ts";

/** A selector that can't be read. */
export function badSelector(message: string): ApiError {
  return new ApiError("BadRequest", message);
}
