/**
 * What a cluster's API server says of a custom resource: the structural schema, then the CEL rules, as Kubernetes 1.26 does it. CEL is
 * evaluated by a library; whether the rules compile and what they may cost is known to a real API server only (`npm run check:cluster`).
 */
import { celEnv, isCelError, parse, plan } from "@bufbuild/cel";
import type { Cause } from "../../src/api/meta/errors.ts";
import { typeName } from "../../src/api/meta/faults.ts";
import { validateSchema } from "../../src/api/meta/schema-validation.ts";
import { applyDefaults, isObject, prune } from "../../src/api/meta/schema.ts";
import type { Schema } from "../../src/api/meta/kind.ts";
import type { CrdSchema } from "../../src/kubernetes/manifests/crd-schema.ts";

export interface ClusterFault {
  field: string;
  message: string;
}

type Program = ReturnType<typeof plan>;
const environment = celEnv({});
const programs = new Map<string, Program>();

function programOf(rule: string): Program {
  let program = programs.get(rule);
  if (program === undefined) {
    program = plan(environment, parse(rule));
    programs.set(rule, program);
  }
  return program;
}

/** Kinds of faults after which Kubernetes doesn't evaluate rules. */
const blocking = ["FieldValueRequired", "FieldValueTypeInvalid", "FieldValueTooLong", "FieldValueTooMany"];

/** The faults of an object by a schema of a cluster. `old` makes it an update. */
export function clusterFaults(schema: CrdSchema, object: unknown, old?: unknown): ClusterFault[] {
  const plain = schema as Schema;
  const stored = (value: unknown) => applyDefaults(plain, prune(plain, value));
  const value = stored(object);
  const faults = validateSchema(plain, value);
  const found: ClusterFault[] = faults.map(({ field, message }) => ({ field, message }));
  if (rulesBlocked(faults) !== undefined) return found;
  return [...found, ...ruleFaults(schema, value, old === undefined ? undefined : stored(old))];
}

/** What Kubernetes says where faults keep it from evaluating rules; undefined where they don't. */
export function rulesBlocked(faults: readonly Cause[]): Cause[] | undefined {
  if (!faults.some(({ reason }) => blocking.includes(reason))) return undefined;
  const why =
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";
  return [{ reason: "FieldValueInvalid", message: `Invalid value: "null": ${why}`, field: "<nil>" }];
}

/** The faults that a schema's rules find in an object as it is stored. `old` makes it an update. */
export function ruleFaults(schema: CrdSchema, value: unknown, old?: unknown): Cause[] {
  const found: Cause[] = [];
  collect(schema, { path: "", value, old }, found);
  return found;
}

interface Place {
  path: string;
  value: unknown;
  /** The value that stood here before, where the two belong together. */
  old: unknown;
}

function collect(schema: CrdSchema, place: Place, found: Cause[]): void {
  const { path, value, old } = place;
  if (value === undefined || value === null) return;
  for (const { rule, message } of schema["x-kubernetes-validations"] ?? []) {
    const transition = /\boldSelf\b/.test(rule);
    if (transition && old === undefined) continue;
    const result = programOf(rule)({
      self: celValue(schema, value),
      ...(transition ? { oldSelf: celValue(schema, old) } : {}),
    } as Parameters<Program>[0]);
    // A rule that can't be evaluated refuses, too.
    if (result === true) continue;
    const why = isCelError(result) ? `${message} (${String(result)})` : message;
    found.push({
      reason: "FieldValueInvalid",
      message: `Invalid value: ${JSON.stringify(typeName(value))}: ${why}`,
      field: path,
    });
  }
  for (const [name, child, childSchema] of childrenOf(schema, value)) {
    // Elements of lists have no counterpart in the old list, but by the key of a list that is a map, which no rule here asks for.
    const before = Array.isArray(value) || !isObject(old) ? undefined : old[name];
    const field = Array.isArray(value) ? `${path}[${name}]` : path === "" ? name : `${path}.${name}`;
    collect(childSchema, { path: field, value: child, old: before }, found);
  }
}

function childrenOf(schema: CrdSchema, value: unknown): [string, unknown, CrdSchema][] {
  if (Array.isArray(value)) {
    const { items } = schema;
    return items === undefined ? [] : value.map((item: unknown, index) => [String(index), item, items]);
  }
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([name, child]) => {
    const field = schema.properties?.[name] ?? schema.additionalProperties;
    return typeof field === "object" ? [[name, child, field] as [string, unknown, CrdSchema]] : [];
  });
}

/** Whole numbers are `int` in CEL, which is a bigint here. */
function celValue(schema: CrdSchema, value: unknown): unknown {
  if (typeof value === "number") return Number.isInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map((item) => celValue(schema.items ?? {}, item));
  if (!isObject(value)) return value;
  return Object.fromEntries(childrenOf(schema, value).map(([name, child, field]) => [name, celValue(field, child)]));
}

/** Whether a fault at `outer` speaks of the embedded server's at `inner`: the same place, or what it is in. */
export function covers(outer: string, inner: string): boolean {
  // A value of a map is `map[key]` there, and `map.key` in what schemas say.
  const plain = inner.replaceAll(/\[([^\]\d][^\]]*)\]/g, ".$1");
  if (outer === plain || outer === inner) return true;
  return outer !== "" && plain.startsWith(outer) && [".", "["].includes(plain.charAt(outer.length));
}
