/**
 * The faults of an object in Kubernetes' words (apimachinery `field.Error`): one constructor per reason, paths, and the error
 * that carries all faults of one object.
 */
import { ApiError, type Cause } from "./errors.ts";
import type { Kind } from "./kind.ts";
import type { Check } from "./names.ts";

/** The longest value that a message repeats. */
const maxShown = 1024;

/** A value as messages show it: JSON, cut where it is long. */
function shown(value: unknown): string {
  const text = typeof value === "object" && value !== null ? JSON.stringify(typeName(value)) : JSON.stringify(value);
  if (text === undefined) return "null";
  return text.length <= maxShown ? text : `${text.slice(0, maxShown)}…`;
}

/** The JSON type of a value, as messages name it. */
export function typeName(value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

/** The path of a field in the object at `path`. */
export function at(path: string, field: string): string {
  return path === "" ? field : `${path}.${field}`;
}

/** The path of an element of the list at `path`, or of an entry of the map. */
export function index(path: string, key: number | string): string {
  return `${path}[${key}]`;
}

/** Something must be there and isn't. */
export function required(field: string, detail = ""): Cause {
  return {
    reason: "FieldValueRequired",
    message: detail === "" ? "Required value" : `Required value: ${detail}`,
    field,
  };
}

/** The value can't be so. */
export function invalid(field: string, value: unknown, detail: string): Cause {
  return { reason: "FieldValueInvalid", message: `Invalid value: ${shown(value)}: ${detail}`, field };
}

/** The value has another JSON type, or isn't of the format. */
export function typeInvalid(field: string, value: unknown, detail: string): Cause {
  return { reason: "FieldValueTypeInvalid", message: `Invalid value: ${shown(value)}: ${detail}`, field };
}

/** The value isn't one of a fixed set. */
export function notSupported(field: string, value: unknown, supported: readonly string[]): Cause {
  const values = supported.map((one) => JSON.stringify(one)).join(", ");
  return {
    reason: "FieldValueNotSupported",
    message: `Unsupported value: ${shown(value)}: supported values: ${values}`,
    field,
  };
}

/** The string or map has more than `max` characters or bytes. */
export function tooLong(field: string, max: number): Cause {
  return { reason: "FieldValueTooLong", message: `Too long: may not be longer than ${max}`, field };
}

/** The values together take more than `max` bytes. */
export function tooLarge(field: string, max: number): Cause {
  return { reason: "FieldValueTooLong", message: `Too long: must have at most ${max} bytes`, field };
}

/** The list or map has more than `max` entries. */
export function tooMany(field: string, actual: number, max: number): Cause {
  return { reason: "FieldValueTooMany", message: `Too many: ${actual}: must have at most ${max} items`, field };
}

/** The field may not be set, or not to this. */
export function forbidden(field: string, detail: string): Cause {
  return { reason: "FieldValueForbidden", message: `Forbidden: ${detail}`, field };
}

/** The value is there twice where it must be unique. */
export function duplicate(field: string, value: unknown, reason = "FieldValueDuplicate"): Cause {
  return { reason, message: `Duplicate value: ${shown(value)}`, field };
}

/** A fault with a reason of its own. */
export function cause(reason: string, field: string, message: string): Cause {
  return { reason, message, field };
}

/** Another fault's value doesn't exist. */
export function notFound(field: string, value: unknown): Cause {
  return { reason: "FieldValueNotFound", message: `Not found: ${shown(value)}`, field };
}

/** The faults that a check finds in a value that is there and not empty. */
export function checked(check: Check, value: string | undefined, field: string): Cause[] {
  return value === undefined || value === "" ? [] : check(value).map((words) => invalid(field, value, words));
}

/** The answer to an invalid object: 422, one cause per fault. */
export function invalidObject(kind: Pick<Kind, "group" | "kind">, name: string, causes: readonly Cause[]): ApiError {
  const type = kind.group === "" ? kind.kind : `${kind.kind}.${kind.group}`;
  const faults = causes.map((cause) => `${cause.field}: ${cause.message}`);
  const text = faults.length === 1 ? faults.join("") : `[${faults.join(", ")}]`;
  return new ApiError("Invalid", `${type} ${JSON.stringify(name)} is invalid: ${text}`, {
    details: {
      ...(name === "" ? {} : { name }),
      ...(kind.group === "" ? {} : { group: kind.group }),
      kind: kind.kind,
      causes: [...causes],
    },
  });
}
