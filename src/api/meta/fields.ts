/**
 * How the kinds write their schemas: thin words over schema values with TypeBox's types, each with a description (it feeds `kubectl explain`, OpenAPI and
 * the reference) and a maximum. What they return is plain JSON Schema in the form of `Schema`, and TypeScript derives the
 * object types from it (`Static`).
 */
import type { TSchema } from "typebox";
import type { Schema } from "./kind.ts";
import { ArrayOf, Flag, Integer, ObjectOf, Optional, Text, Unsafe } from "./schema-values.ts";

type Extra = Pick<Schema, "default" | "pattern" | "format" | "minLength" | "minItems">;

/** An object with these fields; those not wrapped in `optional` are required. */
export function object<P extends Record<string, TSchema>>(description: string, properties: P) {
  return ObjectOf(properties, { description });
}

/** A string of at most `max` characters. */
export function text(description: string, max: number, extra: Extra = {}) {
  return Text({ ...extra, description, maxLength: max });
}

/** A whole number between two limits. */
export function integer(description: string, minimum: number, maximum: number, extra: Extra = {}) {
  const format = maximum > 2 ** 31 - 1 ? "int64" : "int32";
  return Integer({ format, ...extra, description, minimum, maximum });
}

/** true or false. */
export function flag(description: string, extra: Extra = {}) {
  return Flag({ ...extra, description });
}

/** An RFC 3339 time. */
export function time(description: string) {
  return Text({ description, format: "date-time", maxLength: 64 });
}

/** A string out of a fixed set. */
export function choice<const V extends readonly string[]>(description: string, values: V, extra: Extra = {}) {
  return Unsafe<V[number]>({ ...extra, type: "string", description, enum: [...values] });
}

/** A list that a strategic merge patch replaces whole. */
export function list<S extends TSchema>(description: string, max: number, items: S, extra: Extra = {}) {
  return ArrayOf(items, { ...extra, description, maxItems: max, "x-kubernetes-list-type": "atomic" });
}

/** A list that strategic merge merges by one field, its key. */
export function keyed<S extends TSchema>(description: string, max: number, key: string, items: S) {
  return ArrayOf(items, {
    description,
    maxItems: max,
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": [key],
  });
}

/** A copy of a keyed list in which a key that is there twice is a fault with a reason of its own. */
export function unique<S extends TSchema>(reason: string, schema: S): S {
  return { ...schema, "x-elafros-duplicate": reason };
}

/** A map from names to strings of at most `maxLength` characters. */
export function stringMap(description: string, max: number, maxLength: number) {
  return Unsafe<Record<string, string>>({
    type: "object",
    description,
    maxProperties: max,
    additionalProperties: { type: "string", maxLength },
  });
}

/** A quantity such as 500m or 64Mi. Numbers are accepted too: `complete` makes strings of them. */
export function quantity(description: string) {
  return Unsafe<string>({ description, maxLength: 64, "x-kubernetes-int-or-string": true });
}

/** A map from names of resources to quantities. */
export function quantities(description: string) {
  return Unsafe<Record<string, string>>({
    type: "object",
    description,
    maxProperties: 16,
    additionalProperties: { maxLength: 64, "x-kubernetes-int-or-string": true },
  });
}

/** A number or a name, such as a port. */
export function intOrString(description: string, maxLength: number) {
  return Unsafe<number | string>({ description, maxLength, "x-kubernetes-int-or-string": true });
}

/** Any JSON object, kept as it is. */
export function anything(description: string) {
  return Unsafe<Record<string, unknown>>({
    type: "object",
    description,
    "x-kubernetes-preserve-unknown-fields": true,
  });
}

/** A field that Kubernetes has and Elafros refuses, with the sentence that says so. Its type is `never`: nothing can set it. */
export function refused(sentence: string) {
  return Optional(Unsafe<never>({ description: `Refused: ${sentence}`, "x-elafros-refused": sentence }));
}

/** A field that Kubernetes has and clients send back: known, so that sending it is no fault, and never kept. */
export function dropped(description: string) {
  return Optional(Unsafe<never>({ description, "x-elafros-dropped": true }));
}

/** Marks a field that may be absent. */
export const optional = Optional;

/** A TypeBox schema as the structural schema that it is: the same value, in the API machinery's words. */
export function structural(schema: TSchema): Schema {
  return schema;
}
