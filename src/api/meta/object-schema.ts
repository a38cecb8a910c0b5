/** The schema of a kind's whole object: what the kind declares, with `apiVersion`, `kind` and `metadata`. */
import { apiVersionOf, type Kind, type Schema } from "./kind.ts";
import { metadataSchema } from "./metadata.ts";

const schemas = new WeakMap<Schema, Schema>();

/** The schema of a kind's whole object; the same value for every call. */
export function objectSchema(kind: Kind): Schema {
  let whole = schemas.get(kind.schema);
  if (whole === undefined) {
    whole = {
      ...kind.schema,
      properties: {
        apiVersion: { type: "string", maxLength: 316, description: `The group and version: ${apiVersionOf(kind)}.` },
        kind: { type: "string", maxLength: 63, description: `The kind: ${kind.kind}.` },
        metadata: metadataSchema,
        ...kind.schema.properties,
      },
    };
    schemas.set(kind.schema, whole);
  }
  return whole;
}
