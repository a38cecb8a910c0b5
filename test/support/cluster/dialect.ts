/** What Kubernetes takes as bodies of custom resources, where the embedded server takes more. */
import type { IncomingMessage } from "node:http";
import { ApiError } from "../../../src/api/meta/errors.ts";
import type { Kind } from "../../../src/api/meta/kind.ts";

const objectTypes = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
const patchTypes = ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"];
const strategicType = "application/strategic-merge-patch+json";

/** The media type of a body, without parameters. */
export function mediaType(request: IncomingMessage): string {
  return (request.headers["content-type"] ?? "").split(";", 1).join("").trim().toLowerCase();
}

function unsupported(types: readonly string[]): ApiError {
  return new ApiError(
    "UnsupportedMediaType",
    `the body of the request was in an unknown format - accepted media types include: ${types.join(", ")}`,
  );
}

/**
 * Names the type of a body that came without, which is JSON.
 * @throws ApiError UnsupportedMediaType where Kubernetes doesn't take the type
 */
export function checkBody(request: IncomingMessage, kind: Kind | undefined): void {
  const type = mediaType(request);
  if (request.method === "PATCH") {
    const types =
      kind?.exactNames === true ? patchTypes : [...patchTypes.slice(0, 2), strategicType, ...patchTypes.slice(2)];
    if (!types.includes(type)) throw unsupported(types);
  } else if (request.method === "POST" || request.method === "PUT") {
    if (type === "") request.headers["content-type"] = "application/json";
    else if (!objectTypes.includes(type)) throw unsupported(objectTypes);
  }
}
