import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { formatBytes } from "../../lib/bytes.ts";
import { shownUrl } from "../../lib/source/git-url.ts";
import { FailureError } from "../errors.ts";

export interface Download {
  url: string;
  /** Where it goes: a path that isn't there yet. */
  file: string;
  maxBytes: number;
  signal: AbortSignal;
}

/**
 * Fetches an archive, to look at it and to know its digest.
 * @returns 64 hex digits: the SHA-256 of its bytes
 * @throws FailureError
 */
export async function download({ url, file, maxBytes, signal }: Download): Promise<string> {
  const what = `Cannot fetch the source ${JSON.stringify(shownUrl(url))}`;
  let response: Response;
  try {
    response = await fetch(url, { signal });
  } catch (error) {
    if (signal.aborted) throw signal.reason as Error;
    const cause = (error as Error).cause as NodeJS.ErrnoException | undefined;
    throw new FailureError(`${what}: ${cause?.code ?? cause?.message ?? (error as Error).message}`, { cause: error });
  }
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new FailureError(`${what}: it was answered with HTTP ${response.status} ${response.statusText}`.trimEnd());
  }
  const hash = createHash("sha256");
  let bytes = 0;
  const metered = async function* (pieces: AsyncIterable<Uint8Array>) {
    for await (const piece of pieces) {
      bytes += piece.length;
      if (bytes > maxBytes) throw new FailureError(`${what}: it has more than ${formatBytes(maxBytes)}`);
      hash.update(piece);
      yield piece;
    }
  };
  try {
    await pipeline(Readable.fromWeb(response.body), metered, createWriteStream(file, { flags: "wx", mode: 0o600 }), {
      signal,
    });
  } catch (error) {
    if (signal.aborted) throw signal.reason as Error;
    if (error instanceof FailureError) throw error;
    throw new FailureError(`${what}: it broke off after ${formatBytes(bytes)} (${(error as Error).message})`, {
      cause: error,
    });
  }
  return hash.digest("hex");
}
