/** The errors of the API machinery, in Kubernetes' words. */
import { ApiError } from "../api/meta/errors.ts";
import type { Cause, StatusDetails } from "../api/meta/errors.ts";
import { apiVersionOf } from "../api/meta/kind.ts";
import type { Kind } from "../api/meta/kind.ts";
import { resourceOf, typeOf } from "./service-names.ts";

function detailsOf(group: string, kind: string, name?: string): StatusDetails {
  return { ...(name === undefined ? {} : { name }), ...(group === "" ? {} : { group }), kind };
}

export function notFound(kind: Kind, name: string): ApiError {
  return new ApiError("NotFound", `${resourceOf(kind)} "${name}" not found`, {
    details: detailsOf(kind.group, kind.plural, name),
  });
}

export function alreadyExists(kind: Kind, name: string, deleting: boolean): ApiError {
  const prefix = deleting ? "object is being deleted: " : "";
  return new ApiError("AlreadyExists", `${prefix}${resourceOf(kind)} "${name}" already exists`, {
    details: detailsOf(kind.group, kind.plural, name),
  });
}

/** `why` ends the sentence; absent, the object was changed in between. */
export function conflict(kind: Kind, name: string, why?: string): ApiError {
  const reason = why ?? "the object has been modified; please apply your changes to the latest version and try again";
  return new ApiError("Conflict", `Operation cannot be fulfilled on ${resourceOf(kind)} "${name}": ${reason}`, {
    details: detailsOf(kind.group, kind.plural, name),
  });
}

/** A precondition of a deletion that isn't met. Kubernetes names the kind here, not the resource. */
export function preconditionFailed(kind: Kind, name: string, why: string): ApiError {
  return new ApiError("Conflict", `Operation cannot be fulfilled on ${typeOf(kind)} "${name}": ${why}`, {
    details: detailsOf(kind.group, kind.kind, name),
  });
}

export function forbidden(kind: Kind, name: string, { why, causes }: { why: string; causes?: Cause[] }): ApiError {
  const details = detailsOf(kind.group, kind.plural, name);
  return new ApiError("Forbidden", `${resourceOf(kind)} "${name}" is forbidden: ${why}`, {
    details: causes === undefined ? details : { ...details, causes },
  });
}

/** `hint` is the way out, as a sentence. */
export function methodNotAllowed(kind: Kind, verb: string, hint = ""): ApiError {
  const text = `${verb} is not supported on resources of kind "${resourceOf(kind)}"`;
  return new ApiError("MethodNotAllowed", hint === "" ? text : `${text}: ${hint}`, {
    details: detailsOf(kind.group, kind.plural),
  });
}

export function badRequest(message: string): ApiError {
  return new ApiError("BadRequest", message);
}

/** The object can't be read as one of its kind at all. */
export function cannotHandle(kind: Kind, why: string): ApiError {
  return badRequest(`${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}: ${why}`);
}

export function wrongVersion(kind: Kind, found: string): ApiError {
  return badRequest(
    `the API version in the data (${found}) does not match the expected API version (${apiVersionOf(kind)})`,
  );
}

/** Options that contradict each other (`ListOptions` and the like). */
export function invalidOptions(options: string, cause: Cause): ApiError {
  return new ApiError("Invalid", `${options}.meta.k8s.io "" is invalid: ${cause.field}: ${cause.message}`, {
    details: { group: "meta.k8s.io", kind: options, causes: [cause] },
  });
}

export function expiredWatch(asked: number, oldest: number): ApiError {
  return new ApiError("Expired", `too old resource version: ${asked} (${oldest})`);
}

/** A revision that isn't reached yet. */
export function tooLargeRevision(asked: number, current: number): ApiError {
  // This one cause has no field in Kubernetes.
  const cause = { reason: "ResourceVersionTooLarge", message: "Too large resource version" } as Cause;
  return new ApiError("Timeout", `Timeout: Too large resource version: ${asked}, current: ${current}`, {
    details: { causes: [cause], retryAfterSeconds: 1 },
  });
}

/** The number of a resourceVersion. Kubernetes answers 500 to one that is none. */
export function parseRevision(text: string, prefix = ""): number {
  if (/^[0-9]{1,16}$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  throw new ApiError("InternalError", `${prefix}strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`);
}
