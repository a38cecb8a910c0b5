/**
 * What a build's source step and the platform tell each other: `elafros-fetch` in a container of the tools image, and whoever runs it. It reads its request from one
 * file and fills `/workspace`. It writes lines of its log to its output, and ends with 0 after it has written where the files really came from to the other file;
 * or with 1, and then the last line of its standard error is a sentence for the Build's condition (`SourceMissing`).
 *
 * Credentials are files of `HOME`, as for every step.
 */
import type { BuildSource } from "../builds.ts";

/** The program's name in the tools image. */
export const fetchProgram = "elafros-fetch";

/** Paths in the source step's container. `directory` is writable for it, and seen by no other step. */
export const fetchPaths = {
  directory: "/elafros/fetch",
  request: "/elafros/fetch/spec.json",
  /** A `SourceFound`. */
  result: "/elafros/fetch/result.json",
  /** The uploaded archive, read-only, where the request has one. */
  upload: "/elafros/upload",
} as const;

/** The request: JSON in the file `fetchPaths.request`. */
export interface FetchRequest {
  source: Exclude<BuildSource, { type: "custom" }>;
  /** The most that `/workspace` may hold afterwards, files of git included: bytes, and files and directories. */
  limits: { bytes: number; entries: number };
  /** Where the archive of an `upload:sha256:HEX` is. */
  upload?: string;
  /** Directories of the machine that are mounted read-only under their own paths: `file:` repositories must lie below one of them. */
  fileSources: string[];
}
