/**
 * The sources port: archives that users upload to be built, kept by digest and namespace. Embedded they are files below the data directory, in a cluster they are
 * in the installation's registry.
 */
import type { Readable } from "node:stream";
import type { PruneRules } from "../lib/source/pruning.ts";

/** Why an upload can't be taken. */
export class SourceError extends Error {
  override readonly name = "SourceError";
  readonly reason: "DigestMismatch" | "TooLarge" | "NoSpace" | "BadDigest";
  constructor(reason: SourceError["reason"], message: string) {
    super(message);
    this.reason = reason;
  }
}

export interface SourcesPort {
  /** The most bytes of one archive. */
  readonly maxBytes: number;
  /** Bytes of the archive with that digest (`sha256:HEX`), where the namespace has it. Counts as a put: whoever asks is about to build it. */
  size(namespace: string, digest: string): Promise<number | undefined>;
  /** Keeps an archive. Its bytes must have that digest; nothing is kept otherwise. @throws SourceError */
  put(namespace: string, digest: string, body: Readable): Promise<void>;
  /** The archive's bytes, where the namespace has it. */
  open(namespace: string, digest: string): Promise<Readable | undefined>;
  /** Removes archives that nobody needs any more. */
  prune(rules: PruneRules): Promise<void>;
}
