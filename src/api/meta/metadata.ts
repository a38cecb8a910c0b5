/** Object metadata: its schema, and its faults in Kubernetes' words (apimachinery `validation.ValidateObjectMeta`). */
import type { Cause } from "./errors.ts";
import { at, forbidden, invalid, required, tooLarge } from "./faults.ts";
import { dropped, flag, integer, keyed, list, object, optional, stringMap, structural, text, time } from "./fields.ts";
import type { Kind, Schema } from "./kind.ts";
import {
  type Check,
  dns1035Label,
  dns1123Label,
  dns1123Subdomain,
  labelValue,
  pathSegment,
  qualifiedName,
} from "./names.ts";
import type { ObjectMeta } from "./types.ts";

/** The most that an object's annotations may hold together, in bytes. */
export const maxAnnotationBytes = 256 * 1024;

const ownerReference = object("An object that this one belongs to: it is deleted with its last owner.", {
  apiVersion: optional(text("The owner's group and version.", 316)),
  kind: optional(text("The owner's kind.", 63)),
  name: optional(text("The owner's name, in the same namespace.", 253)),
  uid: optional(text("The owner's uid.", 128)),
  controller: optional(flag("Whether the owner is the controller that made the object; at most one is.")),
  blockOwnerDeletion: optional(flag("Whether a foreground deletion of the owner waits for this object.")),
});

/** `metadata` of every object. */
export const metadataSchema: Schema = structural(
  object("What every object has.", {
    name: optional(text("The name, unique among the kind's objects in the namespace. It never changes.", 1024)),
    generateName: optional(text("The start of a name that the server completes, where there is no name.", 1024)),
    namespace: optional(text("The namespace. It never changes.", 63)),
    labels: optional(stringMap("Labels, by which lists and watches select.", 4096, 1024)),
    annotations: optional(stringMap("Notes of any form, 256 KiB together.", 4096, maxAnnotationBytes)),
    finalizers: optional(list("What must be done before the object goes after a delete.", 64, text("A name.", 1024))),
    ownerReferences: optional(keyed("What the object belongs to.", 64, "uid", ownerReference)),
    uid: optional(text("Set by the server: the object's identity in time and space.", 128)),
    resourceVersion: optional(text("Set by the server: opaque; sent back in an update, it must be the newest.", 128)),
    generation: optional(integer("Set by the server: grows by one whenever spec changes.", 0, Number.MAX_SAFE_INTEGER)),
    creationTimestamp: optional(time("Set by the server: when the object was created.")),
    deletionTimestamp: optional(time("Set by the server: when the deletion was asked for.")),
    deletionGracePeriodSeconds: optional(integer("Set by the server.", 0, Number.MAX_SAFE_INTEGER)),
    selfLink: optional(text("Set by the server: the object's path.", 2048)),
    managedFields: dropped("Who set which field, for server-side apply, which there is not: never kept."),
  }),
);

/** The check of a kind's names. */
function nameCheck(names: Kind["names"]): Check {
  const form = {
    dns1035: dns1035Label(names.max),
    dns1123label: dns1123Label,
    dns1123subdomain: dns1123Subdomain,
    path: pathSegment,
  }[names.form];
  return (name) => (name.length > names.max ? [`must be no more than ${names.max} characters`] : form(name));
}

/** The faults of an object's metadata, its types being right. `path` is where it stands. */
export function validateMetadata(
  kind: Pick<Kind, "names" | "namespaced">,
  metadata: Partial<ObjectMeta>,
  path = "metadata",
): Cause[] {
  return [
    ...nameFaults(kind, metadata, path),
    ...namespaceFaults(kind, metadata, path),
    ...validateLabels(metadata.labels ?? {}, at(path, "labels")),
    ...validateAnnotations(metadata.annotations ?? {}, at(path, "annotations")),
    ...ownerFaults(metadata, at(path, "ownerReferences")),
    ...(metadata.finalizers ?? []).flatMap((finalizer) =>
      qualifiedName(finalizer).map((words) => invalid(at(path, "finalizers"), finalizer, words)),
    ),
  ];
}

function nameFaults(kind: Pick<Kind, "names">, metadata: Partial<ObjectMeta>, path: string): Cause[] {
  const { name = "", generateName = "" } = metadata;
  if (name === "" && generateName === "") return [required(at(path, "name"), "name or generateName is required")];
  const check = nameCheck(kind.names);
  if (name !== "") return check(name).map((words) => invalid(at(path, "name"), name, words));
  // The server cuts the prefix where it is long, and completes it: only its characters matter.
  const sample = `${generateName.slice(0, kind.names.max - 5)}x`;
  return check(sample).map((words) => invalid(at(path, "generateName"), generateName, words));
}

function namespaceFaults(kind: Pick<Kind, "namespaced">, metadata: Partial<ObjectMeta>, path: string): Cause[] {
  const field = at(path, "namespace");
  const { namespace = "" } = metadata;
  if (!kind.namespaced) return namespace === "" ? [] : [forbidden(field, "not allowed on this type")];
  if (namespace === "") return [required(field)];
  return dns1123Label(namespace).map((words) => invalid(field, namespace, words));
}

/** The faults of labels. */
export function validateLabels(labels: Record<string, string>, path: string): Cause[] {
  return Object.entries(labels).flatMap(([key, value]) => [
    ...qualifiedName(key).map((words) => invalid(path, key, words)),
    ...labelValue(value).map((words) => invalid(path, value, words)),
  ]);
}

/** The faults of annotations. */
export function validateAnnotations(annotations: Record<string, string>, path: string): Cause[] {
  const entries = Object.entries(annotations);
  // Kubernetes accepts upper case in the prefix of an annotation.
  const faults = entries.flatMap(([key]) => qualifiedName(key.toLowerCase()).map((words) => invalid(path, key, words)));
  const bytes = entries.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
  return bytes > maxAnnotationBytes ? [...faults, tooLarge(path, maxAnnotationBytes)] : faults;
}

function ownerFaults(metadata: Partial<ObjectMeta>, path: string): Cause[] {
  const owners = metadata.ownerReferences ?? [];
  const faults = owners.flatMap((owner) => [
    ...(owner.apiVersion ? [] : [invalid(at(path, "apiVersion"), "", "version must not be empty")]),
    ...(owner.kind ? [] : [invalid(at(path, "kind"), "", "kind must not be empty")]),
    ...(owner.name ? [] : [invalid(at(path, "name"), "", "name must not be empty")]),
    ...(owner.uid ? [] : [invalid(at(path, "uid"), "", "uid must not be empty")]),
  ]);
  const controllers = owners.filter((owner) => owner.controller === true).map((owner) => owner.name);
  if (controllers.length > 1) {
    const words = `Only one reference can have Controller set to true. Found "true" in references for ${controllers.join(" and ")}`;
    faults.push(invalid(path, owners, words));
  }
  return faults;
}
