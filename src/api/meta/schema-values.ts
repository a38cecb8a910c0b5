/**
 * The few schema values that the kinds are made of, with TypeBox's types and without its code: loading that takes longer, and more memory, than
 * the rest of the API together, and all that is used of it is that TypeScript derives the objects' types from the schemas (`Static`).
 * Each gives the same JSON Schema as TypeBox's function of that name; a test compares them.
 */
import type {
  TArray,
  TArrayOptions,
  TBoolean,
  TInteger,
  TNumberOptions,
  TObject,
  TOptional,
  TSchema,
  TSchemaOptions,
  TString,
  TStringOptions,
  TUnsafe,
} from "typebox";

/** Those that may be absent from an object. */
const optional = new WeakSet<object>();

/** A copy of a schema that may be absent from an object. */
export function Optional<S extends TSchema>(schema: S): TOptional<S> {
  const copy = { ...schema };
  optional.add(copy);
  return copy as unknown as TOptional<S>;
}

/** An object; the fields that aren't `Optional` are required. */
export function ObjectOf<P extends Record<string, TSchema>>(properties: P, options: TSchemaOptions): TObject<P> {
  const required = Object.keys(properties).filter((name) => !optional.has(properties[name] ?? {}));
  const schema = { type: "object", ...(required.length === 0 ? {} : { required }), properties, ...options };
  return schema as unknown as TObject<P>;
}

export function ArrayOf<S extends TSchema>(items: S, options: TArrayOptions): TArray<S> {
  return { type: "array", items, ...options } as unknown as TArray<S>;
}

export function Text(options: TStringOptions): TString {
  return { type: "string", ...options } as unknown as TString;
}

export function Integer(options: TNumberOptions): TInteger {
  return { type: "integer", ...options } as unknown as TInteger;
}

export function Flag(options: TSchemaOptions): TBoolean {
  return { type: "boolean", ...options } as unknown as TBoolean;
}

/** Any schema, said to be that of a `T`. */
export function Unsafe<T>(schema: TSchema): TUnsafe<T> {
  return { ...schema } as unknown as TUnsafe<T>;
}
