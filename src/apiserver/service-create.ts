import { randomInt, randomUUID } from "node:crypto";
import { ApiError } from "../api/meta/errors.ts";
import type { RequestContext, Target, WriteOptions } from "../api/meta/service.ts";
import type { KubeObject, ObjectMeta } from "../api/meta/types.ts";
import { rfc3339 } from "../lib/clock.ts";
import { RevisionMismatch } from "../store/store.ts";
import type { Write } from "../store/store.ts";
import { copyJson } from "./json.ts";
import { decodeObject } from "./service-decode.ts";
import { alreadyExists, badRequest, methodNotAllowed } from "./service-errors.ts";
import { finishObject } from "./service-finish.ts";
import { isCustom, keyOf, resourceOf, selfLinkOf } from "./service-names.ts";
import {
  checkNamespace,
  isNamespace,
  namespaceCollection,
  namespaceGuard,
  newNamespace,
} from "./service-namespaces.ts";
import { checkCreator, stampCreator } from "./service-ownership.ts";
import { authorize } from "./service-read.ts";
import type { ServiceCore } from "./service-types.ts";

/** As Kubernetes: no vowels, nothing that reads like another character. */
const suffixCharacters = "bcdfghjklmnpqrstvwxz2456789";
const suffixLength = 5;
/** How often another generated name is tried. */
const nameAttempts = 8;

export const readOnlyHint = "they show what runs; change the Configuration or Route that they belong to";

export async function createObject(
  core: ServiceCore,
  { context, target, body }: { context: RequestContext; target: Target; body: unknown },
  options: WriteOptions,
): Promise<KubeObject> {
  const { kind, namespace } = target;
  if (target.subresource !== undefined) throw methodNotAllowed(kind, "create");
  await authorize(core, { context, target }, "create");
  if (core.isVirtual(kind)) throw methodNotAllowed(kind, "create", readOnlyHint);
  if (kind.namespaced && namespace === undefined) throw badRequest("namespace must be provided");
  const decoded = decodeObject(kind, body, { context, options });
  checkPlace(target, decoded.metadata);
  if (core.ownership) checkCreator(kind, decoded.metadata.name ?? "", context.user);
  if (kind.namespaced && namespace !== undefined) {
    const entry = core.store.collection(namespaceCollection).get(namespace);
    checkNamespace(kind, { namespace, name: decoded.metadata.name ?? "" }, entry);
  }
  for (let attempt = 1; ; attempt += 1) {
    const object = newObject(core, { target, decoded, context });
    const finished = finishObject(kind, object, { context: { operation: "create", user: context.user } });
    await core.admit({ operation: "create", kind, user: context.user, object: finished });
    context.warnings.push(...(kind.warn?.(finished) ?? []));
    try {
      return await store(core, { target, object: finished }, options.dryRun === true);
    } catch (error) {
      if (!(error instanceof RevisionMismatch)) throw error;
      const generated = (decoded.metadata.name ?? "") === "" && attempt < nameAttempts;
      if (!generated) throw existing(core, target, finished.metadata.name);
    }
  }
}

function existing(core: ServiceCore, { kind, namespace }: Target, name: string): ApiError {
  const entry = core.store.collection(resourceOf(kind)).get(keyOf(kind, namespace, name));
  return alreadyExists(kind, name, entry?.value.metadata.deletionTimestamp !== undefined);
}

async function store(
  core: ServiceCore,
  { target, object }: { target: Target; object: KubeObject },
  dryRun: boolean,
): Promise<KubeObject> {
  const { kind, namespace } = target;
  const { name } = object.metadata;
  const collection = resourceOf(kind);
  const key = keyOf(kind, namespace, name);
  if (dryRun) {
    const found = core.store.collection(collection).get(key)?.revision ?? 0;
    if (found !== 0) throw new RevisionMismatch(key, 0, found);
    return object;
  }
  const guard = namespaceGuard(kind, namespace, name);
  const write: Write = {
    collection,
    key,
    action: "put",
    expect: 0,
    value: (revision) => withRevision(object, revision),
  };
  const entry = await core.store.write(guard === undefined ? write : { ...write, guard });
  return copyJson(entry.value);
}

/** The object with the revision that its write gets. */
export function withRevision(object: KubeObject, revision: number): KubeObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
}

function checkPlace({ kind, namespace, name }: Target, metadata: Partial<ObjectMeta>): void {
  if (
    metadata.namespace !== undefined &&
    metadata.namespace !== "" &&
    metadata.namespace !== namespace &&
    kind.namespaced
  ) {
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  }
  if (name !== undefined && metadata.name !== name) {
    throw badRequest(`the name of the object (${metadata.name ?? ""}) does not match the name on the URL (${name})`);
  }
  if ((metadata.resourceVersion ?? "") !== "") {
    throw new ApiError("InternalError", "resourceVersion should not be set on objects to be created");
  }
}

function generatedName(prefix: string, max: number): string {
  const suffix = Array.from({ length: suffixLength }, () =>
    suffixCharacters.charAt(randomInt(suffixCharacters.length)),
  );
  return prefix.slice(0, Math.min(max, 63) - suffixLength) + suffix.join("");
}

/** The object with everything that the server sets. */
function newObject(
  core: ServiceCore,
  { target, decoded, context }: { target: Target; decoded: KubeObject; context: RequestContext },
): KubeObject {
  const { kind, namespace } = target;
  const said: Partial<ObjectMeta> = decoded.metadata;
  const prefix = said.generateName ?? "";
  const name = (said.name ?? "") === "" && prefix !== "" ? generatedName(prefix, kind.names.max) : (said.name ?? "");
  const metadata: ObjectMeta = {
    name,
    ...(prefix === "" ? {} : { generateName: prefix }),
    ...(kind.namespaced && namespace !== undefined ? { namespace } : {}),
    ...(!kind.namespaced && (said.namespace ?? "") !== "" ? { namespace: said.namespace ?? "" } : {}),
    uid: randomUUID(),
    ...(isCustom(kind) ? { generation: 1 } : {}),
    creationTimestamp: rfc3339(core.clock.now()),
    selfLink: selfLinkOf(kind, namespace, name),
    ...writableMetadata(said),
  };
  const { apiVersion, kind: kindName, metadata: _, ...rest } = decoded as KubeObject & { status?: unknown };
  // Status has its own endpoint: what a create says of it is dropped, as Kubernetes does.
  if (kind.hasStatus) delete rest.status;
  const object: KubeObject = { apiVersion, kind: kindName, metadata, ...rest };
  if (isNamespace(kind)) return newNamespace(object);
  return core.ownership ? stampCreator(kind, object, context.user) : object;
}

/** The part of metadata that clients decide. */
export function writableMetadata(said: Partial<ObjectMeta>): Partial<ObjectMeta> {
  const { labels, annotations, ownerReferences, finalizers } = said;
  return {
    ...(labels === undefined || Object.keys(labels).length === 0 ? {} : { labels }),
    ...(annotations === undefined || Object.keys(annotations).length === 0 ? {} : { annotations }),
    ...(ownerReferences === undefined || ownerReferences.length === 0 ? {} : { ownerReferences }),
    ...(finalizers === undefined || finalizers.length === 0 ? {} : { finalizers: [...new Set(finalizers)] }),
  };
}
