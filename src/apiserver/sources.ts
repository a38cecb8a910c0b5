/**
 * `PUT` and `HEAD /apis/build.dev/v1alpha1/namespaces/NAMESPACE/sources/sha256:HEX`: archives that users upload to be built. The body is never held in
 * memory: it goes through to the sources port as it comes.
 */
import { Readable } from "node:stream";

import type { FastifyReply, FastifyRequest } from "fastify";

import { ApiError, type Reason } from "../api/meta/errors.ts";
import { formatBytes } from "../lib/bytes.ts";
import type { Clock } from "../lib/clock.ts";
import { digestHex, uploadLocation } from "../lib/source/location.ts";
import type { SourceError, SourcesPort } from "../runtime/sources.ts";
import type { ResourceCall } from "./call.ts";
import type { ServerParts } from "./context.ts";
import { negotiate } from "./negotiate.ts";
import { systemUser } from "./rbac-cache.ts";
import type { ResourceRequest } from "./request-info.ts";
import { commonHeaders, sendObject } from "./respond.ts";

const group = "build.dev";
const version = "v1alpha1";
const plural = "sources";

/** The route whose bodies stay streams. */
export const sourceRoute = `/apis/${group}/${version}/namespaces/:namespace/${plural}/:digest`;

/** How long an upload may stand still. */
export const stallMs = 60_000;

/** Whether a request is about a source. */
export function isSourceRequest(info: ResourceRequest): boolean {
  return info.group === group && info.version === version && info.resource === plural;
}

/** Answers a request that was allowed. */
export async function handleSource(parts: ServerParts, call: ResourceCall): Promise<FastifyReply> {
  const { info, request } = call;
  const { method } = request;
  if (parts.sources === undefined) {
    throw new ApiError("ServiceUnavailable", "sources are not taken here: this server has no place for them");
  }
  if (!info.named || info.subresource !== "" || info.namespace === "" || (method !== "HEAD" && method !== "PUT")) {
    throw new ApiError(
      "MethodNotAllowed",
      `sources.${group} are uploaded with PUT, and looked for with HEAD, each under its digest: NAMESPACE/sources/sha256:HEX`,
      { details: { group, kind: plural } },
    );
  }
  if (digestHex(info.name) === undefined) {
    throw new ApiError(
      "BadRequest",
      `${JSON.stringify(info.name)} is no digest of a source: it must be sha256: and 64 hex digits, in lower case`,
      { details: { name: info.name, group, kind: plural } },
    );
  }
  await checkNamespace(parts, info, method);
  return method === "HEAD" ? look(parts.sources, call) : upload(parts, parts.sources, call);
}

/** Refuses where the namespace isn't there or, for an upload, goes. */
async function checkNamespace(parts: ServerParts, { namespace, name }: ResourceRequest, method: string): Promise<void> {
  const kind = parts.kinds.find((one) => one.group === "" && one.kind === "Namespace");
  if (kind === undefined) throw new Error("Kind Namespace is not served");
  // Whoever may upload needs no right to read Namespaces.
  const found = await parts.service.get({ user: systemUser, warnings: [] }, { kind, name: namespace });
  if (method !== "PUT" || found.metadata.deletionTimestamp === undefined) return;
  const why = `namespace ${namespace} is being terminated`;
  throw new ApiError("Forbidden", `${plural}.${group} "${name}" is forbidden: unable to upload it because ${why}`, {
    details: {
      name,
      group,
      kind: plural,
      causes: [{ reason: "NamespaceTerminating", message: why, field: "metadata.namespace" }],
    },
  });
}

async function look(sources: SourcesPort, { info, reply }: ResourceCall): Promise<FastifyReply> {
  const size = await sources.size(info.namespace, info.name);
  if (size === undefined) {
    throw new ApiError("NotFound", `${plural}.${group} "${info.name}" not found`, {
      details: { name: info.name, group, kind: plural },
    });
  }
  return reply
    .code(200)
    .headers({ ...commonHeaders(), "content-type": "application/octet-stream", "content-length": String(size) })
    .send();
}

async function upload(
  parts: ServerParts,
  sources: SourcesPort,
  { info, request, reply }: ResourceCall,
): Promise<FastifyReply> {
  const form = negotiate(request.headers.accept, { pretty: false, transformable: false });
  const body = bodyOf(request);
  const length = Number(request.headers["content-length"] ?? 0);
  if (length > sources.maxBytes) throw tooLarge(`The archive has ${formatBytes(length)}, and the limit is`, sources);
  const known = await sources.size(info.namespace, info.name);
  const guard = endWhenStalled(request, parts.clock);
  try {
    if (known === undefined) await sources.put(info.namespace, info.name, body);
    else await discard(body, sources);
  } catch (error) {
    throw request.raw.destroyed && !request.raw.complete ? brokenOff() : toApiError(error, info.name);
  } finally {
    guard();
    body.resume();
  }
  const size = await sources.size(info.namespace, info.name);
  const value = {
    kind: "Source",
    apiVersion: `${group}/${version}`,
    metadata: { name: info.name, namespace: info.namespace },
    status: { bytes: size ?? 0, location: uploadLocation(info.name) },
  };
  return sendObject(reply, value, { code: known === undefined ? 201 : 200, form });
}

/** The body as a stream. Only the route itself leaves it one. */
function bodyOf(request: FastifyRequest): Readable {
  const encoding = request.headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity") {
    throw new ApiError(
      "UnsupportedMediaType",
      `bodies with Content-Encoding ${JSON.stringify(encoding)} are not read: send the archive as it is`,
    );
  }
  if (request.body instanceof Readable) return request.body;
  if (request.body === undefined || request.body === null) return Readable.from([]);
  throw new ApiError("BadRequest", "the path of a source must end with its digest, without a slash behind it");
}

/** Ends a request whose client sends nothing more. The returned function stops watching. */
function endWhenStalled({ raw }: FastifyRequest, clock: Clock): () => void {
  let seen = raw.socket.bytesRead;
  const look = () => {
    if (raw.socket.bytesRead === seen) return void raw.destroy();
    seen = raw.socket.bytesRead;
    cancel = clock.after(stallMs, look);
    return undefined;
  };
  let cancel = clock.after(stallMs, look);
  return () => cancel();
}

/** What is there already is read all the same: the client is answered when it listens, and its connection goes on. */
async function discard(body: Readable, sources: SourcesPort): Promise<void> {
  let bytes = 0;
  for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > sources.maxBytes) throw tooLarge("The archive is over the limit of", sources);
  }
}

function tooLarge(what: string, { maxBytes }: SourcesPort): ApiError {
  return new ApiError("RequestEntityTooLarge", `${what} ${formatBytes(maxBytes)} (--max-source-size)`, {
    details: { group, kind: plural },
  });
}

/** Nobody reads it: the client has gone. */
function brokenOff(): ApiError {
  return new ApiError("BadRequest", "the upload ended before its end: send it again");
}

const reasons: Record<SourceError["reason"], Reason> = {
  BadDigest: "BadRequest",
  DigestMismatch: "Invalid",
  TooLarge: "RequestEntityTooLarge",
  NoSpace: "ServiceUnavailable",
};

/** The port's errors, told by their name: a port is types alone. */
function toApiError(error: unknown, name: string): unknown {
  if (!(error instanceof Error) || error.name !== "SourceError") return error;
  const { reason, message } = error as SourceError;
  const causes = reason === "DigestMismatch" ? [{ reason: "FieldValueInvalid", message, field: "metadata.name" }] : [];
  return new ApiError(reasons[reason], message, {
    details: { name, group, kind: plural, ...(causes.length === 0 ? {} : { causes }) },
    cause: error,
  });
}
