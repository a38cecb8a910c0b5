/**
 * The images port: resolve a tag to a digest, pull. Embedded it is containers-storage on this machine, in a cluster the registry.
 */
import type { RegistryAuth } from "./workloads.ts";

/** Why an image can't be had. `message` is for the Revision's condition: the registry's own error, the URL, the user it asked as. */
export class ImageError extends Error {
  override readonly name = "ImageError";
}

export interface PullProgress {
  /** Bytes moved so far, and in all where known. Not called where the registry had nothing to send. */
  (done: number, total: number | undefined): void;
}

export interface ImagesPort {
  /**
   * Resolves a reference as a user wrote it to the exact image `name@sha256:…`, as it is in the registry now (or, for `localhost/…`
   * names and images that only this machine has, in local storage). An image that is there by digest needs no registry.
   * @throws ImageError
   */
  resolve(
    reference: string,
    auth: readonly RegistryAuth[],
    policy: "Always" | "IfNotPresent" | "Never",
  ): Promise<string>;
  /** Makes an exact image present on this machine. @throws ImageError */
  pull(exact: string, auth: readonly RegistryAuth[], progress?: PullProgress): Promise<void>;
}
