/** What a source may still bring: it is counted as it is written, so that no bomb fills the disk. */
import { formatBytes } from "../../lib/bytes.ts";
import { capitalized, SourceFault } from "../../lib/source/errors.ts";

/** The most that a source may hold. */
export interface Limits {
  bytes: number;
  entries: number;
}

/** Counts for one source, whatever number of archives or repositories it is made of. */
export interface Budget {
  readonly limits: Limits;
  /** Takes one file, directory or link. @throws SourceFault where there are too many */
  entry(shown: string): void;
  /** Takes bytes. @throws SourceFault where there are too many */
  bytes(count: number, shown: string): void;
  /** Bytes so far. */
  readonly used: number;
}

export function createBudget(limits: Limits): Budget {
  let entries = 0;
  let used = 0;
  return {
    limits,
    entry(shown) {
      entries += 1;
      if (entries > limits.entries) {
        throw new SourceFault(
          `${capitalized(shown)} holds more than ${limits.entries} files and directories, the limit of a source: leave out what the build doesn't need`,
        );
      }
    },
    bytes(count, shown) {
      used += count;
      if (used > limits.bytes) {
        throw new SourceFault(
          `${capitalized(shown)} unpacks to more than ${formatBytes(limits.bytes)}, the limit of a source: leave out what the build doesn't need`,
        );
      }
    },
    get used() {
      return used;
    },
  };
}
