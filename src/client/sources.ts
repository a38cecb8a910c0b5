/**
 * Uploading source archives: the sources endpoint of the API server, where they are kept by digest
 * (`/apis/build.dev/v1alpha1/namespaces/NAMESPACE/sources/sha256:HEX`).
 */
import { ApiError } from "../api/meta/errors.ts";
import { formatBytes } from "../lib/bytes.ts";
import { type HttpClient, isUnreachable } from "./http.ts";

/** Names an archive. */
export interface SourceKey {
  namespace: string;
  /** `sha256:HEX` of its bytes. */
  digest: string;
}

export interface Upload extends SourceKey {
  bytes: number;
  /** Reads it from the start. */
  open(): AsyncIterable<Uint8Array>;
  /** Told how many bytes have been handed over, each time that some were. */
  onProgress?: (sent: number) => void;
  signal: AbortSignal;
}

function pathOf({ namespace, digest }: SourceKey): string {
  return `/apis/build.dev/v1alpha1/namespaces/${encodeURIComponent(namespace)}/sources/${encodeURIComponent(digest)}`;
}

/** Whether the server has the archive. False too where it doesn't say: the upload tells why. */
export async function hasSource(
  client: Pick<HttpClient, "request">,
  key: SourceKey & { signal: AbortSignal },
): Promise<boolean> {
  const answer = await client.request({ method: "HEAD", path: pathOf(key), signal: key.signal });
  return answer.status === 200;
}

/**
 * Sends an archive.
 * @throws ApiError whose message says why the server didn't take it
 */
export async function putSource(client: Pick<HttpClient, "request">, upload: Upload): Promise<void> {
  const { bytes, onProgress, signal } = upload;
  let sent = 0;
  let unreadable: unknown;
  const counted = async function* () {
    const pieces = upload.open()[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await pieces.next().catch((error: unknown) => {
          unreadable = error;
          throw error;
        });
        if (next.done === true) return;
        yield next.value;
        sent += next.value.length;
        onProgress?.(sent);
      }
    } finally {
      await pieces.return?.();
    }
  };
  let answer: Awaited<ReturnType<HttpClient["request"]>>;
  try {
    answer = await client.request({
      method: "PUT",
      path: pathOf(upload),
      headers: { "content-type": "application/octet-stream" },
      content: { bytes, open: counted },
      signal,
    });
  } catch (error) {
    if (unreadable !== undefined) throw unreadable as Error;
    if (signal.aborted || !isUnreachable(error)) throw error;
    const how = `${formatBytes(sent)} of ${formatBytes(bytes)} were sent`;
    throw new ApiError("ServiceUnavailable", `Cannot upload the source (${how}): ${error.message}`, { cause: error });
  }
  if (answer.status < 300) return;
  throw refusal(answer, upload);
}

function refusal(answer: { status: number; text: string }, { bytes, namespace }: Upload): ApiError {
  const error = ApiError.fromStatus(answer.status, parsed(answer.text));
  const why = (text: string) => new ApiError(error.reason, `Cannot upload the source: ${text}`, { cause: error });
  switch (answer.status) {
    case 404:
    case 405:
      return why(`the server takes no uploads for namespace "${namespace}" (${error.message})`);
    case 413:
      return why(
        `its archive of ${formatBytes(bytes)} is too large for the server (${error.message}): leave out what the build doesn't need with lines in .elafrosignore`,
      );
    default:
      return why(error.message);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text.trim().slice(0, 500);
  }
}
