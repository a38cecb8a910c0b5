import { ApiError } from "../api/meta/errors.ts";
import { forbidden } from "../api/meta/faults.ts";
import type { Cause } from "../api/meta/errors.ts";
import type { Kind } from "../api/meta/kind.ts";
import type { RequestContext, Target, WriteOptions } from "../api/meta/service.ts";
import type { KubeObject, ObjectMeta } from "../api/meta/types.ts";
import { RevisionMismatch } from "../store/store.ts";
import type { Entry } from "../store/store.ts";
import { copyJson, equalJson } from "./json.ts";
import { readOnlyHint, withRevision, writableMetadata } from "./service-create.ts";
import { decodeObject } from "./service-decode.ts";
import type { Decoded } from "./service-decode.ts";
import { badRequest, conflict, methodNotAllowed, notFound, parseRevision } from "./service-errors.ts";
import { finishObject } from "./service-finish.ts";
import { isCustom, keyOf, resourceOf } from "./service-names.ts";
import { changedNamespace, holdsContent, isNamespace } from "./service-namespaces.ts";
import { stampModifier } from "./service-ownership.ts";
import { authorize, findEntry, nameOf } from "./service-read.ts";
import type { ServiceCore } from "./service-types.ts";

/** How often a change that names no resourceVersion is tried anew after another write came between. */
const maxAttempts = 20;

/** What an update or patch is about. */
export interface Change {
  context: RequestContext;
  target: Target;
}

export async function updateObject(
  core: ServiceCore,
  { context, target, body }: Change & { body: unknown },
  options: WriteOptions,
): Promise<KubeObject> {
  const name = nameOf(target);
  checkSubresource(target, "update");
  await authorize(core, { context, target }, "update");
  if (core.isVirtual(target.kind)) throw methodNotAllowed(target.kind, "update", readOnlyHint);
  const decoded = decodeObject(target.kind, body, { context, options });
  if ((decoded.metadata.name ?? "") === "") {
    throw badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`);
  }
  return changeUntilWritten(core, { context, target, change: () => decoded }, { ...options, patching: false });
}

/** Refuses a status subresource that the kind hasn't. */
export function checkSubresource({ kind, subresource }: Target, verb: string): void {
  if (subresource === "status" && !kind.hasStatus) {
    throw new ApiError("NotFound", "the server could not find the requested resource", { details: {} });
  }
  if (subresource !== undefined && verb === "delete") throw methodNotAllowed(kind, verb);
}

/**
 * Reads the stored object, changes it and writes it, until no other write comes between; at once a conflict where the change
 * carries a resourceVersion. `change` gives the whole new object as the client wants it.
 */
export async function changeUntilWritten(
  core: ServiceCore,
  { context, target, change }: Change & { change: (stored: KubeObject) => Decoded },
  options: WriteOptions & { patching: boolean },
): Promise<KubeObject> {
  const { kind } = target;
  const name = nameOf(target);
  for (let attempt = 1; ; attempt += 1) {
    const stored = findEntry(core, target);
    const decoded = change(stored.value);
    const asked = askedRevision(kind, decoded, { stored, patching: options.patching });
    if (asked !== undefined && asked !== stored.revision) throw conflict(kind, name);
    const object = changedObject(kind, { decoded, old: stored.value, target });
    const causes = deletionCauses(decoded.metadata, stored.value);
    const finished = finishObject(kind, object, {
      context: {
        operation: "update",
        old: stored.value,
        user: context.user,
        ...(target.subresource === undefined ? {} : { subresource: target.subresource }),
      },
      extra: causes,
    });
    const stamped = stampSystem(core, kind, finished, { old: stored.value, context });
    if (equalJson(stamped, stored.value)) return copyJson(stored.value);
    await core.admit({
      operation: "update",
      kind,
      user: context.user,
      object: stamped,
      old: stored.value,
      ...(target.subresource === undefined ? {} : { subresource: target.subresource }),
    });
    if (attempt === 1) context.warnings.push(...(kind.warn?.(stamped) ?? []));
    if (options.dryRun === true) return copyJson(stamped);
    try {
      return await writeChange(core, { target, object: stamped, stored });
    } catch (error) {
      if (!(error instanceof RevisionMismatch)) throw error;
      if (error.found === 0) throw notFound(kind, name);
      // Where the client named a resourceVersion, the next look finds it stale.
      if (attempt >= maxAttempts) throw conflict(kind, name);
    }
  }
}

/** The revision that the client says it changes; undefined where it doesn't. */
function askedRevision(
  kind: Kind,
  decoded: Decoded,
  { stored, patching }: { stored: Entry; patching: boolean },
): number | undefined {
  const { resourceVersion = "" } = decoded.metadata;
  if (resourceVersion !== "") return parseRevision(resourceVersion);
  if (patching || !isCustom(kind)) return undefined;
  const cause: Cause = {
    reason: "FieldValueInvalid",
    message: "Invalid value: 0x0: must be specified for an update",
    field: "metadata.resourceVersion",
  };
  const { name } = stored.value.metadata;
  throw new ApiError("Invalid", `${resourceOf(kind)} "${name}" is invalid: ${cause.field}: ${cause.message}`, {
    details: { name, group: kind.group, kind: kind.plural, causes: [cause] },
  });
}

/** The stored object with what the client may change taken from `decoded`. */
function changedObject(
  kind: Kind,
  { decoded, old, target }: { decoded: Decoded; old: KubeObject; target: Target },
): KubeObject {
  const said: Partial<ObjectMeta> = decoded.metadata;
  checkIdentity(kind, { said, old: old.metadata, target });
  const { status, metadata: _, apiVersion, kind: kindName, ...rest } = decoded as KubeObject & { status?: unknown };
  const before = old as KubeObject & { status?: unknown };
  if (target.subresource === "status") {
    const { status: __, ...kept } = before;
    return { ...kept, ...(status === undefined ? {} : { status }) };
  }
  const metadata: ObjectMeta = { ...systemMetadata(old.metadata), ...writableMetadata(said) };
  const object: KubeObject = { apiVersion, kind: kindName, metadata, ...rest };
  const kept = kind.hasStatus ? before.status : status;
  const whole = kept === undefined ? object : { ...object, status: kept };
  return isNamespace(kind) ? changedNamespace(whole, old) : whole;
}

function systemMetadata(old: ObjectMeta): ObjectMeta {
  const { labels: _, annotations: __, ownerReferences: ___, finalizers: ____, ...system } = old;
  return system;
}

function checkIdentity(
  kind: Kind,
  { said, old, target }: { said: Partial<ObjectMeta>; old: ObjectMeta; target: Target },
): void {
  if (said.name !== old.name) {
    throw badRequest(`the name of the object (${said.name ?? ""}) does not match the name on the URL (${old.name})`);
  }
  if ((said.namespace ?? "") !== "" && said.namespace !== target.namespace) {
    throw badRequest(
      `the namespace of the object (${said.namespace ?? ""}) does not match the namespace on the request (${target.namespace ?? ""})`,
    );
  }
  if ((said.uid ?? "") !== "" && said.uid !== old.uid) {
    const key = `/registry/${kind.group === "" ? "" : `${kind.group}/`}${kind.plural}/${keyOf(kind, old.namespace, old.name)}`;
    throw conflict(
      kind,
      old.name,
      `StorageError: invalid object, Code: 4, Key: ${key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ${said.uid ?? ""}, UID in object meta: ${old.uid ?? ""}`,
    );
  }
}

/** Faults that come from the object being deleted. */
function deletionCauses(said: Partial<ObjectMeta>, old: KubeObject): Cause[] {
  if (old.metadata.deletionTimestamp === undefined) return [];
  const added = (said.finalizers ?? []).filter((finalizer) => !(old.metadata.finalizers ?? []).includes(finalizer));
  if (added.length === 0) return [];
  const list = added.map((finalizer) => JSON.stringify(finalizer)).join(", ");
  const why = `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`;
  return [forbidden("metadata.finalizers", why)];
}

/** Generation and ownership, which depend on what the change came to. */
function stampSystem(
  { ownership }: ServiceCore,
  kind: Kind,
  object: KubeObject,
  { old, context }: { old: KubeObject; context: RequestContext },
): KubeObject {
  if (!isCustom(kind)) return object;
  const specChanged = !equalJson((object as { spec?: unknown }).spec, (old as { spec?: unknown }).spec);
  const stamped = ownership ? stampModifier(kind, object, { old, user: context.user, specChanged }) : object;
  const generation = (old.metadata.generation ?? 0) + (specChanged ? 1 : 0);
  return { ...stamped, metadata: { ...stamped.metadata, generation } };
}

/** Writes the object; deletes it where the change took away the last thing that held it. */
async function writeChange(
  core: ServiceCore,
  { target, object, stored }: { target: Target; object: KubeObject; stored: Entry },
): Promise<KubeObject> {
  const { kind, namespace } = target;
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, finalizers = [] } = object.metadata;
  const held = finalizers.length > 0 || deletionGracePeriodSeconds > 0 || (isNamespace(kind) && holdsContent(object));
  const entry = await core.store.write({
    collection: resourceOf(kind),
    key: keyOf(kind, namespace, object.metadata.name),
    action: deletionTimestamp !== undefined && !held ? "delete" : "put",
    expect: stored.revision,
    value: (revision) => withRevision(object, revision),
  });
  return copyJson(entry.value);
}
