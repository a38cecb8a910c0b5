/** Sets of fields, as server-side apply owns them. Lists that are maps have a field for each element, other lists are one field. */
import type { Schema } from "../../../src/api/meta/kind.ts";
import { fieldSchema } from "../../../src/api/meta/schema.ts";
import { isObject, type JsonObject } from "../../../src/apiserver/json.ts";

/** A step of a path: a field's name, or the keys of a list's element. */
type Step = string | { keys: JsonObject };
export type FieldPath = readonly Step[];

/** Fields, by their paths as text. */
export type FieldSet = ReadonlyMap<string, FieldPath>;

/** A path as Kubernetes writes it: `.spec.containers[name="a"].image`. */
function pathText(path: FieldPath): string {
  return path
    .map((step) => {
      if (typeof step === "string") return `.${step}`;
      const keys = Object.entries(step.keys).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
      return `[${keys.join(",")}]`;
    })
    .join("");
}

/** What nobody owns: it says which object is meant, or is the server's. */
const unowned = new Set([
  "apiVersion",
  "kind",
  "metadata.name",
  "metadata.namespace",
  "metadata.uid",
  "metadata.resourceVersion",
  "metadata.generation",
  "metadata.creationTimestamp",
  "metadata.selfLink",
  "metadata.managedFields",
]);

/** The fields that an object sets. */
export function fieldsOf(schema: Schema, object: JsonObject): FieldSet {
  const found = new Map<string, FieldPath>();
  collect(schema, object, [], found);
  return new Map([...found].filter(([text]) => !unowned.has(text.slice(1))));
}

function childSchema(schema: Schema, name: string): Schema {
  const values = typeof schema.additionalProperties === "object" ? schema.additionalProperties : undefined;
  return fieldSchema(schema, name) ?? values ?? { "x-kubernetes-preserve-unknown-fields": true };
}

/** The keys of a list that is a map; undefined of any other. */
function listKeys(schema: Schema): readonly string[] | undefined {
  return schema["x-kubernetes-list-type"] === "map" ? schema["x-kubernetes-list-map-keys"] : undefined;
}

/** The keys of one element. */
function keysOf(names: readonly string[], item: JsonObject): JsonObject {
  return Object.fromEntries(names.map((name) => [name, item[name]]));
}

function collect(schema: Schema, value: unknown, path: FieldPath, found: Map<string, FieldPath>): void {
  const keys = listKeys(schema);
  if (Array.isArray(value) && keys !== undefined && value.length > 0) {
    for (const item of value) {
      if (!isObject(item)) continue;
      const at = [...path, { keys: keysOf(keys, item) }];
      found.set(pathText(at), at);
      collect(schema.items ?? {}, item, at, found);
    }
  } else if (isObject(value) && Object.keys(value).length > 0) {
    for (const [name, child] of Object.entries(value))
      collect(childSchema(schema, name), child, [...path, name], found);
  } else found.set(pathText(path), path);
}

/** The value at a path; undefined where there is none. */
export function valueAt(object: unknown, path: FieldPath): unknown {
  let at = object;
  for (const step of path) {
    if (typeof step === "string") at = isObject(at) ? at[step] : undefined;
    else at = Array.isArray(at) ? at.find((item) => isObject(item) && hasKeys(item, step.keys)) : undefined;
  }
  return at;
}

function hasKeys(item: JsonObject, keys: JsonObject): boolean {
  return Object.entries(keys).every(([name, value]) => item[name] === value);
}

/** Takes what is at a path out of the object, and objects and lists that this leaves empty. */
export function removeAt(object: JsonObject, path: FieldPath): void {
  const step = path.at(-1);
  const parentPath = path.slice(0, -1);
  const parent = valueAt(object, parentPath);
  if (step === undefined) return;
  if (typeof step === "string" && isObject(parent)) delete parent[step];
  else if (typeof step !== "string" && Array.isArray(parent)) {
    const at = parent.findIndex((item) => isObject(item) && hasKeys(item, step.keys));
    if (at >= 0) parent.splice(at, 1);
  }
  const empty = Array.isArray(parent) ? parent.length === 0 : isObject(parent) && Object.keys(parent).length === 0;
  if (empty && parentPath.length > 1) removeAt(object, parentPath);
}

/** `base` with everything that `applied` sets. */
export function merged(schema: Schema, base: unknown, applied: unknown): unknown {
  const keys = listKeys(schema);
  if (Array.isArray(applied) && keys !== undefined) {
    const items: unknown[] = Array.isArray(base) ? [...base] : [];
    for (const item of applied) {
      const at = items.findIndex((one) => isObject(one) && isObject(item) && hasKeys(one, keysOf(keys, item)));
      if (at < 0) items.push(item);
      else items[at] = merged(schema.items ?? {}, items[at], item);
    }
    return items;
  }
  if (!isObject(applied)) return applied;
  const result: JsonObject = isObject(base) ? { ...base } : {};
  for (const [name, child] of Object.entries(applied))
    result[name] = merged(childSchema(schema, name), result[name], child);
  return result;
}
