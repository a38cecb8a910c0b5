/** Server-side apply, as recorded: fields have owners, another's field is a conflict unless forced, what is left out goes. */
import { ApiError, isReason } from "../../../src/api/meta/errors.ts";
import { apiVersionOf, type Kind } from "../../../src/api/meta/kind.ts";
import { objectSchema } from "../../../src/api/meta/object-schema.ts";
import type { ApiService, RequestContext, Target, WriteOptions } from "../../../src/api/meta/service.ts";
import type { KubeObject } from "../../../src/api/meta/types.ts";
import { equalJson, isObject, type JsonObject } from "../../../src/apiserver/json.ts";
import { type FieldSet, fieldsOf, merged, removeAt, valueAt } from "./field-set.ts";
import type { FieldOwners, Manager } from "./owners.ts";

export interface ApplyRequest {
  context: RequestContext;
  target: Target;
  body: unknown;
  manager: string;
  force: boolean;
  options: WriteOptions;
}

interface Parts {
  service: ApiService;
  owners: FieldOwners;
}

const attempts = 10;

/** Applies; gives the object, and whether it was created. */
export async function applyObject(
  parts: Parts,
  request: ApplyRequest,
): Promise<{ object: KubeObject; created: boolean }> {
  const { target, context, options } = request;
  const { kind, name = "", namespace } = target;
  const body = checkedBody(request);
  const manager: Manager = { name: request.manager, operation: "Apply", apiVersion: apiVersionOf(kind) };
  if (target.subresource !== undefined) manager.subresource = target.subresource;
  const fields = fieldsOf(objectSchema(kind), body);
  for (let attempt = 1; ; attempt += 1) {
    const current = await found(parts.service, request);
    try {
      if (current === undefined) {
        const place: Target = namespace === undefined ? { kind } : { kind, namespace };
        const made = { ...body, metadata: { ...(isObject(body["metadata"]) ? body["metadata"] : {}), name } };
        const object = await parts.service.create(context, place, made, options);
        if (options.dryRun !== true) parts.owners.apply(object, manager, { fields, taken: [] });
        return { object, created: true };
      }
      const taken = conflicts(parts.owners, { current, body, manager, fields });
      if (taken.size > 0 && !request.force) throw conflictError(taken);
      const next = result(parts.owners, { kind, current, body, manager, fields });
      const object = await parts.service.update(context, target, next, options);
      if (options.dryRun !== true) parts.owners.apply(object, manager, { fields, taken: taken.keys() });
      return { object, created: false };
    } catch (error) {
      const raced = isReason(error, "Conflict", "AlreadyExists") && !error.message.startsWith("Apply");
      if (!raced || attempt >= attempts) throw error;
    }
  }
}

function checkedBody({ body, target: { kind } }: ApplyRequest): JsonObject {
  const object = isObject(body) ? body : {};
  const expected = apiVersionOf(kind);
  if (object["apiVersion"] !== expected) {
    const found = typeof object["apiVersion"] === "string" ? object["apiVersion"] : "";
    const words = `Incorrect version specified in apply patch. Specified patch version: ${found}, expected: ${expected}`;
    throw new ApiError("BadRequest", words);
  }
  const { metadata } = object;
  if (isObject(metadata) && metadata["managedFields"] !== undefined && metadata["managedFields"] !== null) {
    throw new ApiError("BadRequest", "metadata.managedFields must be nil");
  }
  return object;
}

async function found(service: ApiService, { context, target }: ApplyRequest): Promise<KubeObject | undefined> {
  try {
    const { subresource: _, ...whole } = target;
    return await service.get(context, whole);
  } catch (error) {
    if (!isReason(error, "NotFound") || target.subresource !== undefined) throw error;
    return undefined;
  }
}

interface Applying {
  current: KubeObject;
  body: JsonObject;
  manager: Manager;
  fields: FieldSet;
}

/** Fields that others own and that would change, with who owns them. */
function conflicts(owners: FieldOwners, { current, body, manager, fields }: Applying): Map<string, Manager[]> {
  const found = new Map<string, Manager[]>();
  for (const [text, path] of fields) {
    const element = typeof path.at(-1) === "object";
    if (element || equalJson(valueAt(body, path), valueAt(current, path))) continue;
    const others = owners.others(current, manager, text);
    if (others.length > 0) found.set(text, others);
  }
  return found;
}

function conflictError(taken: Map<string, Manager[]>): ApiError {
  const causes = [...taken].flatMap(([field, owners]) =>
    owners.map((owner) => {
      const using = owner.operation === "Update" ? ` using ${owner.apiVersion}` : "";
      return { reason: "FieldManagerConflict", message: `conflict with ${JSON.stringify(owner.name)}${using}`, field };
    }),
  );
  const [only] = causes;
  const words =
    causes.length === 1 && only !== undefined
      ? `Apply failed with 1 conflict: ${only.message}: ${only.field}`
      : `Apply failed with ${causes.length} conflicts: ${[...Map.groupBy(causes, ({ message }) => message)]
          .map(([message, of]) => `${message}:\n${of.map(({ field }) => `- ${field}`).join("\n")}`)
          .join("\n")}`;
  return new ApiError("Conflict", words, { details: { causes } });
}

/** The object after the apply: what is there, with what is applied, without what this manager applied before and nobody else owns. */
function result(owners: FieldOwners, { kind, current, body, manager, fields }: Applying & { kind: Kind }): JsonObject {
  const { metadata: said, ...rest } = body;
  const own = isObject(said) ? { ...said } : {};
  delete own["resourceVersion"];
  const next = merged(objectSchema(kind), structuredClone(current), { ...rest, metadata: own }) as JsonObject;
  const dropped = [...owners.applied(current, manager)].filter(
    ([text]) => !fields.has(text) && owners.others(current, manager, text).length === 0,
  );
  // Elements of lists go after what is in them.
  for (const [, path] of dropped.sort((a, b) => b[1].length - a[1].length)) removeAt(next, path);
  return next;
}
