import { ApiError } from "../api/meta/errors.ts";
import type { Failure } from "./protocol.ts";

/** Result codes of SQLite (https://www.sqlite.org/rescode.html); the low byte of an extended code is its primary code. */
const codes = { busy: 5, readonly: 8, ioerr: 10, corrupt: 11, full: 13, notadb: 26 } as const;

function reasonText(code: number | undefined): string {
  switch ((code ?? 0) & 0xff) {
    case codes.full:
      return "the disk is full. Free some space on it, then try again";
    case codes.ioerr:
      return "the disk failed. See the kernel's log, then try again";
    case codes.readonly:
      return "the file or its file system is read-only";
    case codes.busy:
      return "another process holds the file";
    case codes.corrupt:
    case codes.notadb:
      return "the file is damaged. Restore it from a backup";
    default:
      return "the database refused it";
  }
}

/** The error that a client gets where its write could not be stored; path and SQLite's text are for the log only. */
export function writeFailure(path: string, failure: Failure): ApiError {
  return new ApiError("ServiceUnavailable", `Cannot store the object: ${reasonText(failure.code)}`, {
    cause: new Error(`${path}: ${failure.message}`),
    details: { retryAfterSeconds: 5 },
  });
}
