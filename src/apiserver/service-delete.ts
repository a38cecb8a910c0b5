import type { DeleteOptions, Deleted, ListOptions, RequestContext, Target } from "../api/meta/service.ts";
import type { KubeList, KubeObject } from "../api/meta/types.ts";
import { rfc3339 } from "../lib/clock.ts";
import { RevisionMismatch } from "../store/store.ts";
import type { Entry } from "../store/store.ts";
import { copyJson, equalJson } from "./json.ts";
import { readOnlyHint, withRevision } from "./service-create.ts";
import { conflict, methodNotAllowed, notFound, preconditionFailed } from "./service-errors.ts";
import { isReason } from "../api/meta/errors.ts";
import { keyOf, resourceOf } from "./service-names.ts";
import { checkDeletable, holdsContent, isNamespace, terminating } from "./service-namespaces.ts";
import { authorize, findEntry, nameOf, selectList } from "./service-read.ts";
import type { ServiceCore } from "./service-types.ts";

/** Holds an owner that is deleted in the foreground until its dependents are gone. */
export const foregroundFinalizer = "foregroundDeletion";
/** Holds an owner that is deleted without its dependents until they have forgotten it. */
export const orphanFinalizer = "orphan";

const maxAttempts = 20;
/** How many deletions of a collection are under way at once. */
const parallel = 32;

export async function deleteObject(
  core: ServiceCore,
  { context, target }: { context: RequestContext; target: Target },
  options: DeleteOptions,
): Promise<Deleted> {
  nameOf(target);
  if (target.subresource !== undefined) throw methodNotAllowed(target.kind, "delete");
  await authorize(core, { context, target }, "delete");
  if (core.isVirtual(target.kind)) throw methodNotAllowed(target.kind, "delete", readOnlyHint);
  return deleteAuthorized(core, { context, target }, options);
}

export async function deleteObjects(
  core: ServiceCore,
  { context, target }: { context: RequestContext; target: Target },
  options: ListOptions & DeleteOptions,
): Promise<KubeList<KubeObject>> {
  await authorize(core, { context, target }, "deletecollection");
  const { kind } = target;
  if (core.isVirtual(kind)) throw methodNotAllowed(kind, "deletecollection", readOnlyHint);
  const list = selectList(core, target, options);
  const { propagationPolicy, preconditions, dryRun = false } = options;
  const each: DeleteOptions = {
    dryRun,
    ...(propagationPolicy === undefined ? {} : { propagationPolicy }),
    ...(preconditions === undefined ? {} : { preconditions }),
  };
  const waiting = list.items.values();
  const work = async (): Promise<void> => {
    for (const { metadata } of waiting) {
      const { namespace, name } = metadata;
      const one: Target = { kind, name, ...(namespace === undefined ? {} : { namespace }) };
      await deleteAuthorized(core, { context, target: one }, each).catch((error: unknown) => {
        // Somebody else was faster.
        if (!isReason(error, "NotFound")) throw error;
      });
    }
  };
  await Promise.all(Array.from({ length: parallel }, work));
  return list;
}

async function deleteAuthorized(
  core: ServiceCore,
  { context, target }: { context: RequestContext; target: Target },
  options: DeleteOptions,
): Promise<Deleted> {
  const { kind } = target;
  const name = nameOf(target);
  for (let attempt = 1; ; attempt += 1) {
    const stored = findEntry(core, target);
    checkPreconditions(target, stored.value, options);
    checkDeletable(kind, name, core.standing);
    await core.admit({ operation: "delete", kind, user: context.user, object: stored.value });
    const object = marked(core, target, { object: stored.value, options });
    const held = (object.metadata.finalizers ?? []).length > 0 || (isNamespace(kind) && holdsContent(object));
    if (options.dryRun === true) return { object: copyJson(held ? object : stored.value), gone: !held };
    if (held && equalJson(object, stored.value)) return { object: copyJson(object), gone: false };
    try {
      return { object: await write(core, { target, object: held ? object : stored.value, stored, held }), gone: !held };
    } catch (error) {
      if (!(error instanceof RevisionMismatch)) throw error;
      if (error.found === 0) throw notFound(kind, name);
      if (attempt >= maxAttempts) throw conflict(kind, name);
    }
  }
}

async function write(
  core: ServiceCore,
  { target, object, stored, held }: { target: Target; object: KubeObject; stored: Entry; held: boolean },
): Promise<KubeObject> {
  const { kind, namespace } = target;
  const entry = await core.store.write({
    collection: resourceOf(kind),
    key: keyOf(kind, namespace, object.metadata.name),
    action: held ? "put" : "delete",
    expect: stored.revision,
    value: (revision) => withRevision(object, revision),
  });
  return copyJson(entry.value);
}

function checkPreconditions({ kind }: Target, { metadata }: KubeObject, { preconditions = {} }: DeleteOptions): void {
  const { uid, resourceVersion } = preconditions;
  if (uid !== undefined && uid !== metadata.uid) {
    const why = `the UID in the precondition (${uid}) does not match the UID in record (${metadata.uid ?? ""}). The object might have been deleted and then recreated`;
    throw preconditionFailed(kind, metadata.name, why);
  }
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion) {
    const why = `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${metadata.resourceVersion ?? ""}). The object might have been modified`;
    throw preconditionFailed(kind, metadata.name, why);
  }
}

/** The object as it is while its deletion waits. */
function marked(
  core: ServiceCore,
  { kind }: Target,
  { object, options }: { object: KubeObject; options: DeleteOptions },
): KubeObject {
  const { finalizers: before = [], ...metadata } = object.metadata;
  const finalizers = propagated(before, options.propagationPolicy);
  const marked: KubeObject = {
    ...object,
    metadata: {
      ...metadata,
      deletionTimestamp: metadata.deletionTimestamp ?? rfc3339(core.clock.now()),
      ...(isNamespace(kind) ? {} : { deletionGracePeriodSeconds: 0 }),
      ...(finalizers.length === 0 ? {} : { finalizers }),
    },
  };
  return isNamespace(kind) ? terminating(marked) : marked;
}

/** The finalizer that each policy puts on an object. */
const policyFinalizers = { Background: [], Foreground: [foregroundFinalizer], Orphan: [orphanFinalizer] } as const;

function propagated(finalizers: readonly string[], policy: DeleteOptions["propagationPolicy"]): string[] {
  if (policy === undefined) return [...finalizers];
  const others = finalizers.filter((finalizer) => finalizer !== foregroundFinalizer && finalizer !== orphanFinalizer);
  return [...others, ...policyFinalizers[policy]];
}
