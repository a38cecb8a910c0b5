/**
 * Uploading source archives, which are kept by digest: to the sources endpoint of the API server (`/apis/build.dev/v1alpha1/namespaces/NAMESPACE/sources/sha256:HEX`), or on
 * a cluster to its controllers, through the API server's proxy. What a user may there is shown by a token of a ServiceAccount of the namespace.
 */
import { sharedTemplates, uploadsAudience, uploadsConfig, uploadsTokenField } from "../api/build-names.ts";
import { ApiError } from "../api/meta/errors.ts";
import { formatBytes } from "../lib/bytes.ts";
import { type HttpClient, isUnreachable } from "./http.ts";

/** Names an archive. */
export interface SourceKey {
  namespace: string;
  /** `sha256:HEX` of its bytes. */
  digest: string;
}

/** Where a namespace's archives go. */
export interface SourcePlace {
  /** The path before the digest. */
  path: string;
  headers: Readonly<Record<string, string>>;
}

/** Finds it out. @throws ApiError where the user may not upload for the namespace */
export async function sourcePlace(
  client: Pick<HttpClient, "request">,
  { namespace, signal }: { namespace: string; signal: AbortSignal },
): Promise<SourcePlace> {
  const config = `/api/v1/namespaces/${sharedTemplates}/configmaps/${uploadsConfig}`;
  const answer = await client.request({ method: "GET", path: config, signal });
  const { data } = (answer.status === 200 ? parsed(answer.text) : {}) as { data?: { path?: string } };
  const own = encodeURIComponent(namespace);
  if (data?.path === undefined) return { path: `/apis/build.dev/v1alpha1/namespaces/${own}/sources`, headers: {} };
  const asked = await client.request({
    method: "POST",
    path: `/api/v1/namespaces/${own}/serviceaccounts/default/token`,
    body: {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: { audiences: [uploadsAudience], expirationSeconds: tokenSeconds },
    },
    signal,
  });
  const body = parsed(asked.text);
  if (asked.status >= 300) {
    const error = ApiError.fromStatus(asked.status, body);
    const why = `Cannot upload for namespace "${namespace}": that takes a token of its ServiceAccount "default" (${error.message})`;
    throw new ApiError(error.reason, why, { cause: error });
  }
  const { status } = body as { status?: { token?: string } };
  return { path: `${data.path}/${own}`, headers: { [uploadsTokenField]: status?.token ?? "" } };
}

/** An upload may take its time, and the token is looked at when it begins. */
const tokenSeconds = 3600;

export interface Upload extends SourceKey {
  place: SourcePlace;
  bytes: number;
  /** Reads it from the start. */
  open(): AsyncIterable<Uint8Array>;
  /** Told how many bytes have been handed over, each time that some were. */
  onProgress?: (sent: number) => void;
  signal: AbortSignal;
}

function pathOf({ digest, place }: SourceKey & { place: SourcePlace }): string {
  return `${place.path}/${encodeURIComponent(digest)}`;
}

/** Whether the server has the archive. False too where it doesn't say: the upload tells why. */
export async function hasSource(
  client: Pick<HttpClient, "request">,
  key: SourceKey & { place: SourcePlace; signal: AbortSignal },
): Promise<boolean> {
  const { headers } = key.place;
  const answer = await client.request({ method: "HEAD", path: pathOf(key), headers, signal: key.signal });
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
      headers: { ...upload.place.headers, "content-type": "application/octet-stream" },
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
