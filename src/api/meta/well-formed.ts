/**
 * Objects that cross-field validation can read safely, also where their schema has faults: so one answer tells the faults of
 * both. What has the wrong type is taken out; what is required and missing becomes something neutral (an empty object, list
 * or string, NaN), which validators pass over, because the schema has told of it.
 */
import { typeName } from "./faults.ts";
import type { Schema } from "./kind.ts";
import { isObject, type JsonObject } from "./schema.ts";

/** `value` with every field of the type that the schema gives it. Lists and strings are cut to their maximum; refused fields stay. */
export function wellFormed(schema: Schema, value: unknown): unknown {
  if (!fits(schema, value)) return neutral(schema);
  if (typeof value === "string") return value.slice(0, schema.maxLength ?? value.length);
  if (Array.isArray(value)) {
    const { items, maxItems } = schema;
    const kept = value.slice(0, maxItems);
    return items === undefined ? kept : kept.map((item) => wellFormed(items, item));
  }
  return isObject(value) ? wellFormedObject(schema, value) : value;
}

function wellFormedObject(schema: Schema, value: JsonObject): unknown {
  const { properties, additionalProperties: values, required = [], maxProperties } = schema;
  if (properties === undefined && typeof values !== "object") return value;
  const entries: [string, unknown][] = [];
  for (const [name, field] of Object.entries(properties ?? {})) {
    const child = Object.hasOwn(value, name) ? value[name] : undefined;
    if (fits(field, child)) entries.push([name, wellFormed(field, child)]);
    else if (required.includes(name)) entries.push([name, neutral(field)]);
  }
  if (typeof values === "object") {
    for (const [name, child] of Object.entries(value).slice(0, maxProperties)) {
      if (fits(values, child)) entries.push([name, wellFormed(values, child)]);
    }
  }
  return Object.fromEntries(entries);
}

function fits(schema: Schema, value: unknown): boolean {
  if (value === undefined || value === null) return false;
  const actual = typeName(value);
  if (schema["x-kubernetes-int-or-string"] === true) return actual === "integer" || actual === "string";
  if (schema.type === undefined) return true;
  return schema.type === actual || (schema.type === "number" && actual === "integer");
}

function neutral(schema: Schema): unknown {
  switch (schema.type) {
    case "object":
      return wellFormedObject(schema, {});
    case "array":
      return [];
    case "integer":
    case "number":
      return Number.NaN;
    case "boolean":
      return false;
    default:
      return "";
  }
}
