/** One request on a resource, as its handlers pass it along, and what they all need of it. */
import type { FastifyReply, FastifyRequest } from "fastify";

import { ApiError } from "../api/meta/errors.ts";
import type { Kind } from "../api/meta/kind.ts";
import type { RequestContext, Target } from "../api/meta/service.ts";
import type { KubeObject, UserInfo } from "../api/meta/types.ts";
import type { RawBody } from "./body.ts";
import type { ServerParts } from "./context.ts";
import { type Negotiated, negotiate } from "./negotiate.ts";
import { isTrue, qualifiedResource, type ResourceRequest } from "./request-info.ts";
import { type IncludeObject, objectTable, partialMetadata } from "./table.ts";

/** One request on a resource, with everything that answering it needs. */
export interface ResourceCall {
  request: FastifyRequest;
  reply: FastifyReply;
  info: ResourceRequest;
  user: UserInfo;
}

/** The same, with the kind found. */
export interface KindCall extends ResourceCall {
  target: Target;
  kind: Kind;
  query: URLSearchParams;
  context: RequestContext;
}

/** The error of an object, or subresource of it, that isn't there. */
export function notFound(kind: Kind, name: string): ApiError {
  const { group, plural } = kind;
  return new ApiError("NotFound", `${qualifiedResource(plural, group)} ${JSON.stringify(name)} not found`, {
    details: { name, ...(group === "" ? {} : { group }), kind: plural },
  });
}

/** The body as it came. */
export function rawBody(request: FastifyRequest): RawBody {
  const { headers, body } = request;
  const encoding = headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity") {
    throw new ApiError(
      "UnsupportedMediaType",
      `bodies with Content-Encoding ${JSON.stringify(encoding)} are not read: send it plain`,
    );
  }
  return {
    bytes: Buffer.isBuffer(body) ? body : Buffer.alloc(0),
    contentType: headers["content-type"],
    fromPage: headers.origin !== undefined || headers["sec-fetch-site"] !== undefined,
  };
}

/** The form of the answer; refused before anything is done. */
export function formFor(call: Pick<KindCall, "request" | "query" | "info">): Negotiated {
  const form = negotiate(call.request.headers.accept, { pretty: isTrue(call.query.get("pretty")) });
  const forList = call.info.verb === "list" || call.info.verb === "deletecollection";
  if (form.transform === (forList ? "PartialObjectMetadata" : "PartialObjectMetadataList")) {
    throw new ApiError(
      "NotAcceptable",
      `the answer can't be given as ${form.transform}: ask for ${forList ? "PartialObjectMetadataList" : "PartialObjectMetadata"}`,
    );
  }
  return form;
}

/** How much of each object a table carries. */
export function includeObject(query: URLSearchParams): IncludeObject {
  const value = query.get("includeObject");
  if (value === null || value === "" || value === "Metadata") return "Metadata";
  if (value === "None" || value === "Object") return value;
  throw new ApiError("BadRequest", `unrecognized includeObject value: ${JSON.stringify(value)}`);
}

/** An object in the form that was asked for. */
export function transformObject(
  parts: ServerParts,
  call: KindCall,
  { object, form, columns }: { object: KubeObject; form: Negotiated; columns?: boolean },
): unknown {
  if (form.transform === "Table") {
    const options = {
      now: parts.clock.now(),
      include: includeObject(call.query),
      ...(columns === undefined ? {} : { columns }),
    };
    return objectTable(call.kind, object, options);
  }
  return form.transform === undefined ? object : partialMetadata(object);
}

/** Aborts when the client has gone before the answer was complete. */
export function closeSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once("close", () => controller.abort());
  return controller.signal;
}
