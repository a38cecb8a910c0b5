/**
 * Resolves images in the background, one attempt at a time for a Revision, and remembers how it went, so that a plan can look at it.
 * Failures are tried again with growing delays (2 s up to 1 min), and at once when the credentials have changed.
 */
import { backoffMs } from "../../lib/backoff.ts";
import type { Clock } from "../../lib/clock.ts";
import type { ImagesPort } from "../../runtime/images.ts";
import type { RegistryAuth } from "../../runtime/workloads.ts";

/** What is known of a Revision's image. */
export type Resolution =
  | { state: "none" }
  | { state: "pending" }
  | { state: "resolved"; exact: string }
  /** `retryAt` in milliseconds since the epoch; `asked` is the request that failed. */
  | { state: "failed"; message: string; retryAt: number; asked: ImageRequest };

export interface ImageRequest {
  reference: string;
  auths: readonly RegistryAuth[];
  policy: "Always" | "IfNotPresent" | "Never";
}

export interface ImageResolver {
  get(key: string): Resolution;
  /** Starts an attempt unless one is under way. */
  resolve(key: string, request: ImageRequest): void;
  /** The Revision has its digest, or is gone. */
  forget(key: string): void;
}

const retry = { baseMs: 2_000, maxMs: 60_000, jitter: 0.1 };

/** @param changed called with the key after each attempt. */
export function createImageResolver(images: ImagesPort, clock: Clock, changed: (key: string) => void): ImageResolver {
  const known = new Map<string, { resolution: Resolution; failures: number }>();

  const attempt = async (key: string, request: ImageRequest, entry: { resolution: Resolution; failures: number }) => {
    try {
      const exact = await images.resolve(request.reference, request.auths, request.policy);
      entry.resolution = { state: "resolved", exact };
    } catch (error) {
      const retryAt = clock.now() + backoffMs(entry.failures, retry);
      entry.failures += 1;
      entry.resolution = { state: "failed", message: messageOf(error), retryAt, asked: request };
    }
    if (known.get(key) === entry) changed(key);
  };
  return {
    get: (key) => known.get(key)?.resolution ?? { state: "none" },
    resolve(key, request) {
      const entry = known.get(key) ?? { resolution: { state: "none" } as const, failures: 0 };
      if (entry.resolution.state === "pending") return;
      entry.resolution = { state: "pending" };
      known.set(key, entry);
      void attempt(key, request, entry);
    },
    forget: (key) => void known.delete(key),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** When the registry is asked, where the container doesn't say: always for a tag that may move, `latest` or none. */
export function pullPolicy(reference: string, stated: ImageRequest["policy"] | undefined): ImageRequest["policy"] {
  if (stated !== undefined) return stated;
  if (reference.includes("@")) return "IfNotPresent";
  const name = reference.slice(reference.lastIndexOf("/") + 1);
  return !name.includes(":") || name.endsWith(":latest") ? "Always" : "IfNotPresent";
}
