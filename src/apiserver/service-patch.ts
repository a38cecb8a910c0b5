import { ApiError } from "../api/meta/errors.ts";
import type { Kind, Schema } from "../api/meta/kind.ts";
import { invalid } from "../api/meta/faults.ts";
import { objectSchema } from "../api/meta/object-schema.ts";
import { fieldSchema, foldNames } from "../api/meta/schema.ts";
import type { PatchType, RequestContext, Target, WriteOptions } from "../api/meta/service.ts";
import type { KubeObject } from "../api/meta/types.ts";
import { isObject } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { formatPointer, jsonPatch, parseJsonPatch, parsePointer, PatchFailure } from "./json-patch.ts";
import type { JsonPatchOperation } from "./json-patch.ts";
import { mergePatch } from "./merge-patch.ts";
import { checkType, cleaned, unknownTexts } from "./service-decode.ts";
import type { Decoded } from "./service-decode.ts";
import { badRequest, methodNotAllowed } from "./service-errors.ts";
import { authorize, findEntry, nameOf } from "./service-read.ts";
import { readOnlyHint } from "./service-create.ts";
import { changeUntilWritten, checkSubresource } from "./service-update.ts";
import type { ServiceCore } from "./service-types.ts";
import { strategicMerge } from "./strategic-merge.ts";

/** A patch as a request brings it. */
export interface Patch {
  type: PatchType;
  body: unknown;
}

export async function patchObject(
  core: ServiceCore,
  { context, target, patch }: { context: RequestContext; target: Target; patch: Patch },
  options: WriteOptions,
): Promise<KubeObject> {
  const { kind } = target;
  nameOf(target);
  checkSubresource(target, "patch");
  await authorize(core, { context, target }, "patch");
  if (core.isVirtual(kind)) throw methodNotAllowed(kind, "patch", readOnlyHint);
  const apply = preparePatch(kind, patch);
  findEntry(core, target);
  let told = false;
  const change = (stored: KubeObject): Decoded => {
    const patched = apply(stored);
    checkType(kind, patched, `the object provided is unrecognized (must be of type ${kind.kind}): `);
    const faults = [...(options.decodeFaults ?? []), ...unknownTexts(kind, patched)];
    if (faults.length > 0 && options.fieldValidation === "Strict") throw strictFailure(patched, faults);
    if (!told && options.fieldValidation !== "Ignore") context.warnings.push(...faults);
    told = true;
    return cleaned(kind, patched);
  };
  return changeUntilWritten(core, { context, target, change }, { ...options, patching: true });
}

const patchSchemas = new WeakMap<Schema, Schema>();

/** The schema that strategic merge goes by: as the object's, with finalizers united, as Kubernetes does. */
function patchSchema(schema: Schema): Schema {
  let merged = patchSchemas.get(schema);
  if (merged === undefined) {
    const metadata = schema.properties?.["metadata"] ?? {};
    const finalizers: Schema = { ...metadata.properties?.["finalizers"], "x-kubernetes-list-type": "set" };
    merged = {
      ...schema,
      properties: {
        ...schema.properties,
        metadata: { ...metadata, properties: { ...metadata.properties, finalizers } },
      },
    };
    patchSchemas.set(schema, merged);
  }
  return merged;
}

type Applier = (stored: KubeObject) => JsonObject;

/** Gives the names in a value as a schema writes them. */
type Fold = typeof foldNames;

/** What makes a body of each type of patch a function of the stored object. */
const appliers: Record<PatchType, (schema: Schema, body: unknown, fold: Fold) => Applier> = {
  json: (schema, body, fold) => {
    if (!Array.isArray(body)) throw badRequest(`error decoding patch: ${cannotUnmarshal(body)} []handlers.jsonPatchOp`);
    const operations = refusing(() => foldPointers(schema, parseJsonPatch(body), fold));
    return (stored) => object(refusing(() => jsonPatch(stored, operations)));
  },
  merge: (schema, body, fold) => {
    const patch = fold(schema, decoded(body));
    return (stored) => object(mergePatch(stored, patch));
  },
  strategic: (schema, body, fold) => {
    const patch = fold(schema, decoded(body)) as JsonObject;
    return (stored) => {
      try {
        return strategicMerge(stored as KubeObject & JsonObject, patch, patchSchema(schema));
      } catch (error) {
        if (error instanceof PatchFailure) throw badRequest(`invalid strategic merge patch: ${error.message}`);
        throw error;
      }
    };
  },
};

/** The patch as a function of the stored object. Throws `BadRequest` where the body is no patch of its type. */
function preparePatch(kind: Kind, { type, body }: Patch): Applier {
  return appliers[type](objectSchema(kind), body, kind.exactNames === true ? (_, value) => value : foldNames);
}

function decoded(body: unknown): JsonObject {
  if (isObject(body)) return body;
  throw badRequest(`error decoding patch: ${cannotUnmarshal(body)} map[string]interface {}`);
}

function object(value: unknown): JsonObject {
  if (isObject(value)) return value;
  throw badRequest("the patch makes the object something that is no object");
}

function cannotUnmarshal(body: unknown): string {
  const type = Array.isArray(body) ? "array" : isObject(body) ? "object" : body === null ? "null" : typeof body;
  return `json: cannot unmarshal ${type === "boolean" ? "bool" : type} into Go value of type`;
}

/** Kubernetes answers the same sentence to every JSON patch that can't be applied; the cause says which operation. */
function refusing<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof PatchFailure)) throw error;
    throw new ApiError("Invalid", "the server rejected our request due to an error in our request", {
      details: { causes: [{ reason: "FieldValueInvalid", message: error.message, field: "patch" }] },
    });
  }
}

function strictFailure(patched: JsonObject, faults: readonly string[]): ApiError {
  const cause = invalid("patch", JSON.stringify(patched), `strict decoding error: ${faults.join(", ")}`);
  return new ApiError("Invalid", ` "" is invalid: patch: ${cause.message}`, { details: { causes: [cause] } });
}

/** JSON patch operations with the names in their paths and values as the schema writes them. */
function foldPointers(schema: Schema, operations: readonly JsonPatchOperation[], fold: Fold): JsonPatchOperation[] {
  return operations.map((operation) => {
    const target = foldPointer(schema, operation.path, fold);
    const folded = { ...operation, path: target.pointer };
    if (operation.from !== undefined) folded.from = foldPointer(schema, operation.from, fold).pointer;
    if (target.schema !== undefined && Object.hasOwn(operation, "value")) {
      folded.value = fold(target.schema, operation.value);
    }
    return folded;
  });
}

function foldPointer(schema: Schema, pointer: string, fold: Fold): { pointer: string; schema: Schema | undefined } {
  let at: Schema | undefined = schema;
  const parts = parsePointer(pointer).map((part) => {
    if (at?.items !== undefined) {
      at = at.items;
      return part;
    }
    if (at?.properties === undefined) {
      at = typeof at?.additionalProperties === "object" ? at.additionalProperties : undefined;
      return part;
    }
    const names = Object.keys(fold(at, { [part]: null }) as JsonObject);
    const [name = part] = names;
    at = fieldSchema(at, name);
    return name;
  });
  return { pointer: formatPointer(parts), schema: at };
}
