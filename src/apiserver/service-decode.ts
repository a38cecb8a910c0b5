/** From a request's body to an object of its kind: names folded, unknown fields told, `metadata` of the right types. */
import { invalid, invalidObject } from "../api/meta/faults.ts";
import { apiVersionOf } from "../api/meta/kind.ts";
import type { Kind } from "../api/meta/kind.ts";
import { metadataSchema } from "../api/meta/metadata.ts";
import { objectSchema } from "../api/meta/object-schema.ts";
import { foldNames, prune, unknownFields } from "../api/meta/schema.ts";
import { validateSchema } from "../api/meta/schema-validation.ts";
import type { RequestContext, WriteOptions } from "../api/meta/service.ts";
import type { KubeObject } from "../api/meta/types.ts";
import { isObject } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { badRequest, cannotHandle, wrongVersion } from "./service-errors.ts";

/** An object as a client sent it: of its kind, without unknown fields, not completed or validated. */
export type Decoded = KubeObject & JsonObject;

/** Decodes the body of a create or update. Throws `BadRequest` or `Invalid`; adds warnings to the context. */
export function decodeObject(
  kind: Kind,
  body: unknown,
  { context, options }: { context: RequestContext; options: WriteOptions },
): Decoded {
  const unrecognized = `the object provided is unrecognized (must be of type ${kind.kind}): `;
  if (!isObject(body)) throw badRequest(`${unrecognized}couldn't get version/kind: the body is no object`);
  const folded = kind.exactNames === true ? body : (foldNames(objectSchema(kind), body) as JsonObject);
  checkType(kind, folded, unrecognized);
  const faults = [...(options.decodeFaults ?? []), ...unknownTexts(kind, folded)];
  if (faults.length > 0 && options.fieldValidation === "Strict") {
    throw cannotHandle(kind, `strict decoding error: ${faults.join(", ")}`);
  }
  if (options.fieldValidation !== "Ignore") context.warnings.push(...faults);
  return cleaned(kind, folded);
}

/** What Kubernetes says of each unknown field. */
export function unknownTexts(kind: Kind, object: JsonObject): string[] {
  return unknownFields(objectSchema(kind), object).map((path) => `unknown field ${JSON.stringify(path)}`);
}

/** The object without unknown fields, with a `metadata` of the right types. */
export function cleaned(kind: Kind, object: JsonObject): Decoded {
  const pruned = prune(objectSchema(kind), object) as JsonObject;
  const metadata = pruned["metadata"] ?? {};
  checkMetadata(kind, metadata);
  return { ...pruned, apiVersion: apiVersionOf(kind), kind: kind.kind, metadata: metadata as KubeObject["metadata"] };
}

/** Refuses another kind's or version's object. */
export function checkType(kind: Kind, object: JsonObject, unrecognized: string): void {
  const { apiVersion, kind: name } = object;
  for (const [field, value] of [
    ["Kind", name],
    ["apiVersion", apiVersion],
  ] as const) {
    if (value === undefined || value === null || value === "") {
      throw badRequest(`${unrecognized}Object '${field}' is missing in '${JSON.stringify(object).slice(0, 1024)}'`);
    }
    if (typeof value !== "string") throw badRequest(`${unrecognized}couldn't get version/kind: ${field} is no string`);
  }
  if (apiVersion !== apiVersionOf(kind)) throw wrongVersion(kind, String(apiVersion));
  if (name === kind.kind) return;
  const { metadata } = object;
  const objectName = isObject(metadata) && typeof metadata["name"] === "string" ? metadata["name"] : "";
  throw invalidObject({ group: kind.group, kind: String(name) }, objectName, [
    invalid("kind", name, `must be ${kind.kind}`),
  ]);
}

const goTypes: Record<string, string> = {
  string: "string",
  number: "number",
  integer: "number",
  boolean: "bool",
  array: "array",
  object: "object",
};

function goType(field: string, deep: boolean): string {
  switch (field) {
    case "labels":
    case "annotations":
      return deep ? "string" : "map[string]string";
    case "finalizers":
      return deep ? "string" : "[]string";
    case "ownerReferences":
      return deep ? "string" : "[]v1.OwnerReference";
    case "generation":
    case "deletionGracePeriodSeconds":
      return "int64";
    case "creationTimestamp":
    case "deletionTimestamp":
      return "v1.Time";
    default:
      return "string";
  }
}

/** Kubernetes decodes `metadata` into a struct: a wrong type there is a bad request, not an invalid object. */
function checkMetadata(kind: Kind, metadata: unknown): void {
  const faults = validateSchema(metadataSchema, metadata, "metadata");
  const fault = faults.find(
    ({ reason, message }) => reason === "FieldValueTypeInvalid" && !message.includes("date-time"),
  );
  if (fault === undefined) return;
  const found = /: "([a-z]+)"$/.exec(fault.message)?.[1] ?? "";
  const [, field = ""] = /^metadata\.([A-Za-z]+)/.exec(fault.field) ?? [];
  const deep = fault.field !== `metadata.${field}`;
  throw cannotHandle(
    kind,
    field === "" || goTypes[found] === undefined
      ? `${fault.field}: ${fault.message}`
      : `json: cannot unmarshal ${goTypes[found]} into Go struct field ObjectMeta.${field} of type ${goType(field, deep)}`,
  );
}
