/** The faults of a value by its structural schema, all of them, in Kubernetes' words. */
import type { Cause } from "./errors.ts";
import {
  at,
  duplicate,
  forbidden,
  index,
  invalid,
  notSupported,
  required,
  tooLong,
  tooMany,
  typeInvalid,
  typeName,
} from "./faults.ts";
import type { Schema } from "./kind.ts";
import { fieldSchema, isObject, type JsonObject } from "./schema.ts";

/** RFC 3339, as times are written in the API. */
const dateTime = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

const patterns = new Map<string, RegExp>();

function patternOf(source: string): RegExp {
  let pattern = patterns.get(source);
  if (pattern === undefined) {
    pattern = new RegExp(source, "u");
    patterns.set(source, pattern);
  }
  return pattern;
}

/** The most faults that are told about one object. */
export const maxFaults = 1000;

/**
 * All faults of `value` (at most `maxFaults`), which stands at `path` of the object, empty for the whole object. Fields that
 * are null count as absent. Lists and maps longer than their maximum are one fault and are not looked into. Never throws.
 */
export function validateSchema(schema: Schema, value: unknown, path = ""): Cause[] {
  const faults: Cause[] = [];
  collect(schema, value, path, faults);
  return faults;
}

function collect(schema: Schema, value: unknown, path: string, faults: Cause[]): void {
  if (faults.length >= maxFaults) return;
  const fault = ownFault(schema, value, path);
  if (fault !== undefined) faults.push(fault);
  else if (Array.isArray(value)) collectList(schema, value, path, faults);
  else if (isObject(value)) collectObject(schema, value, path, faults);
}

/** The first fault of the value itself, without what is in it. */
function ownFault(schema: Schema, value: unknown, path: string): Cause | undefined {
  const refusal = schema["x-elafros-refused"];
  // Typed clients of core/v1 always send some fields, such as a container's `name: ""`.
  if (refusal !== undefined) return value === "" || value === false ? undefined : forbidden(path, refusal);
  const type = typeFault(schema, value, path);
  if (type !== undefined) return type;
  if (schema.enum !== undefined && !schema.enum.includes(value)) {
    return notSupported(path, value, schema.enum.map(String));
  }
  if (typeof value === "string") return stringFault(schema, value, path);
  if (typeof value === "number") return numberFault(schema, value, path);
  const { maxItems = Infinity, maxProperties = Infinity } = schema;
  if (Array.isArray(value) && value.length > maxItems) return tooMany(path, value.length, maxItems);
  if (isObject(value) && Object.keys(value).length > maxProperties) {
    return tooMany(path, Object.keys(value).length, maxProperties);
  }
  return undefined;
}

function typeFault(schema: Schema, value: unknown, path: string): Cause | undefined {
  const actual = typeName(value);
  if (schema["x-kubernetes-int-or-string"] === true) {
    return actual === "integer" || actual === "string" ? undefined : wrongType(path, actual, "integer,string");
  }
  const wanted = schema.type;
  if (wanted === undefined || wanted === actual || (wanted === "number" && actual === "integer")) return undefined;
  return wrongType(path, actual, wanted);
}

function wrongType(path: string, actual: string, wanted: string): Cause {
  return typeInvalid(path, actual, `${path} in body must be of type ${wanted}: ${JSON.stringify(actual)}`);
}

function stringFault(schema: Schema, value: string, path: string): Cause | undefined {
  const { minLength = 0, maxLength = Infinity, pattern } = schema;
  // Maxima count characters, not UTF-16 units; no string has more characters than units.
  if (value.length > maxLength && (value.length > 2 * maxLength || Array.from(value).length > maxLength)) {
    return tooLong(path, maxLength);
  }
  if (value.length < minLength)
    return invalid(path, value, `${path} in body should be at least ${minLength} chars long`);
  if (pattern !== undefined && !patternOf(pattern).test(value)) {
    return invalid(path, value, `${path} in body should match '${pattern}'`);
  }
  if (schema.format === "date-time" && (!dateTime.test(value) || Number.isNaN(Date.parse(value)))) {
    return typeInvalid(path, value, `${path} in body must be of type date-time: ${JSON.stringify(value)}`);
  }
  return undefined;
}

function numberFault(schema: Schema, value: number, path: string): Cause | undefined {
  if (schema.minimum !== undefined && value < schema.minimum) {
    return invalid(path, value, `${path} in body should be greater than or equal to ${schema.minimum}`);
  }
  if (schema.maximum !== undefined && value > schema.maximum) {
    return invalid(path, value, `${path} in body should be less than or equal to ${schema.maximum}`);
  }
  return undefined;
}

function collectList(schema: Schema, value: readonly unknown[], path: string, faults: Cause[]): void {
  const { minItems = 0, items } = schema;
  if (value.length < minItems) {
    faults.push(invalid(path, value.length, `${path} in body should have at least ${minItems} items`));
  }
  if (items !== undefined) {
    for (const [position, item] of value.entries()) collect(items, item, index(path, position), faults);
  }
  collectDuplicates(schema, value, path, faults);
}

/** Elements that have the same key, in lists that are maps, or are the same, in sets. */
function collectDuplicates(schema: Schema, value: readonly unknown[], path: string, faults: Cause[]): void {
  const listType = schema["x-kubernetes-list-type"];
  const key = listType === "map" ? schema["x-kubernetes-list-map-keys"]?.[0] : undefined;
  if (key === undefined && listType !== "set") return;
  const seen = new Set<unknown>();
  for (const [position, item] of value.entries()) {
    const identity = key === undefined ? item : isObject(item) ? item[key] : undefined;
    if (identity === undefined || identity === null || faults.length >= maxFaults) continue;
    const place = index(path, position);
    if (seen.has(identity))
      faults.push(duplicate(key === undefined ? place : at(place, key), identity, schema["x-elafros-duplicate"]));
    seen.add(identity);
  }
}

function collectObject(schema: Schema, value: JsonObject, path: string, faults: Cause[]): void {
  const { properties = {}, required: names = [], additionalProperties: values } = schema;
  for (const [name, field] of Object.entries(properties)) {
    const child = Object.hasOwn(value, name) ? value[name] : undefined;
    if (child !== undefined && child !== null) collect(field, child, at(path, name), faults);
    else if (names.includes(name)) faults.push(required(at(path, name)));
  }
  if (typeof values !== "object") return;
  for (const [name, child] of Object.entries(value)) {
    if (fieldSchema(schema, name) === undefined) collect(values, child, at(path, name), faults);
  }
}
