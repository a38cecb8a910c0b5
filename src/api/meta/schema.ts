/**
 * Structural schemas at work: names folded, unknown fields found and dropped, defaults filled in. (`schema-validation.ts` finds
 * the faults.)
 *
 * All of it follows the schema, never the value: it goes no deeper than the schema does, so a value nested a million times
 * costs nothing. Values come from JSON or YAML. Nothing is changed in place, and names such as `__proto__` are names like any other.
 * A field that is null counts as absent, as it does for the core kinds of Kubernetes.
 */
import { at, index } from "./faults.ts";
import type { Schema } from "./kind.ts";

/** A JSON object. */
export type JsonObject = Record<string, unknown>;

/** Whether a value is a JSON object: neither null nor a list. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The schema of one field, where the schema names it. */
export function fieldSchema(schema: Schema, name: string): Schema | undefined {
  const properties = schema.properties;
  return properties !== undefined && Object.hasOwn(properties, name) ? properties[name] : undefined;
}

/** The schema of a map's values, where the schema is a map. */
function valueSchema(schema: Schema): Schema | undefined {
  return typeof schema.additionalProperties === "object" ? schema.additionalProperties : undefined;
}

/** Whether fields that the schema doesn't name are kept. */
function keepsUnknown(schema: Schema): boolean {
  return schema["x-kubernetes-preserve-unknown-fields"] === true || schema.additionalProperties === true;
}

const lowerCaseNames = new WeakMap<Schema, Map<string, string>>();

/** The schema's field whose name differs from `name` only in case. */
function folded(schema: Schema, name: string): string | undefined {
  let names = lowerCaseNames.get(schema);
  if (names === undefined) {
    names = new Map(Object.keys(schema.properties ?? {}).map((known) => [known.toLowerCase(), known]));
    lowerCaseNames.set(schema, names);
  }
  return names.get(name.toLowerCase());
}

/** The value with `change` applied to each field that the schema names, each map value and each list element; `undefined` drops it. */
function mapChildren(schema: Schema, value: unknown, change: (schema: Schema, value: unknown) => unknown): unknown {
  if (Array.isArray(value)) {
    const items = schema.items;
    return items === undefined ? value : value.map((item) => change(items, item));
  }
  if (!isObject(value)) return value;
  const values = valueSchema(schema);
  if (schema.properties === undefined && values === undefined) return value;
  const entries: [string, unknown][] = [];
  for (const [name, child] of Object.entries(value)) {
    const childSchema = fieldSchema(schema, name) ?? values;
    const changed = childSchema === undefined ? child : change(childSchema, child);
    if (changed !== undefined) entries.push([name, changed]);
  }
  return Object.fromEntries(entries);
}

/**
 * The value with the names of fields as the schema writes them, where they differ only in case and there is no exact match
 * beside them. Map keys stay as they are. Works on whole objects and on patches. Of two spellings of one field the first is taken.
 */
export function foldNames(schema: Schema, value: unknown): unknown {
  if (!isObject(value)) return mapChildren(schema, value, foldNames);
  if (schema.properties === undefined) return mapChildren(schema, value, foldNames);
  const taken = new Set(Object.keys(value));
  const renamed = Object.entries(value).map(([name, child]): [string, unknown] => {
    if (fieldSchema(schema, name) !== undefined) return [name, child];
    const known = folded(schema, name);
    if (known === undefined || taken.has(known)) return [name, child];
    taken.add(known);
    return [known, child];
  });
  return mapChildren(schema, Object.fromEntries(renamed), foldNames);
}

/** The most unknown fields that are told about one object. */
export const maxUnknownFields = 100;

/**
 * The paths of fields that the schema doesn't name (`spec.rollout.traffic[0].weight`), those of `metadata` first, then in
 * order; at most `maxUnknownFields`. Kubernetes says `unknown field "PATH"` of each.
 */
export function unknownFields(schema: Schema, value: unknown): string[] {
  const found: string[] = [];
  collectUnknown(schema, value, { path: "", found });
  const rank = (path: string) => (path === "metadata" || path.startsWith("metadata.") ? 0 : 1);
  return found.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : a > b ? 1 : 0));
}

function collectUnknown(schema: Schema, value: unknown, to: { path: string; found: string[] }): void {
  if (to.found.length >= maxUnknownFields) return;
  if (Array.isArray(value)) {
    const items = schema.items;
    if (items === undefined) return;
    for (const [position, item] of value.entries()) {
      collectUnknown(items, item, { path: index(to.path, position), found: to.found });
    }
    return;
  }
  if (!isObject(value)) return;
  const values = valueSchema(schema);
  for (const name of Object.keys(value)) {
    const path = at(to.path, name);
    const child = fieldSchema(schema, name) ?? values;
    if (child !== undefined) collectUnknown(child, value[name], { path, found: to.found });
    else if (schema.properties !== undefined && !keepsUnknown(schema) && to.found.length < maxUnknownFields) {
      to.found.push(path);
    }
  }
}

/** The value without the fields that the schema doesn't name, and without those that are null. */
export function prune(schema: Schema, value: unknown): unknown {
  if (!isObject(value)) return mapChildren(schema, value, prune);
  if (schema.properties === undefined && valueSchema(schema) === undefined) return value;
  const keeps = keepsUnknown(schema) || valueSchema(schema) !== undefined;
  const known = Object.entries(value).filter(([name, child]) => {
    const field = fieldSchema(schema, name);
    return field === undefined ? keeps && child !== null : child !== null && field["x-elafros-dropped"] !== true;
  });
  return mapChildren(schema, Object.fromEntries(known), prune);
}

/** The value with the schema's defaults for fields that are absent, inside of what is there. */
export function applyDefaults(schema: Schema, value: unknown): unknown {
  const filled = mapChildren(schema, value, applyDefaults);
  if (!isObject(filled) || schema.properties === undefined) return filled;
  for (const [name, field] of Object.entries(schema.properties)) {
    if (field.default !== undefined && (filled[name] ?? null) === null) filled[name] = structuredClone(field.default);
  }
  return filled;
}
