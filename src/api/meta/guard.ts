/** How a kind's own validator is given its object. */
import type { Cause } from "./errors.ts";
import type { AdmissionContext, Schema } from "./kind.ts";
import type { KubeObject } from "./types.ts";
import { wellFormed } from "./well-formed.ts";

/**
 * A validator that is safe for objects of any form: it reads a well-formed copy. Writes of status are passed over, because
 * nothing but status changes then, and a spec that an earlier version accepted must not hinder it.
 */
export function guarded<T extends KubeObject>(
  schema: Schema,
  validate: (object: T, context: AdmissionContext<T>) => Cause[],
): (object: T, context: AdmissionContext<T>) => Cause[] {
  return (object, context) => {
    if (context.subresource === "status") return [];
    const { apiVersion, kind, metadata } = object;
    const copy = { apiVersion, kind, metadata, ...(wellFormed(schema, object) as object) };
    return validate(copy as T, context);
  };
}
