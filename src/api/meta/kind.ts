/**
 * What declares a kind. One value per kind, beside its type, schema, defaults and validation: from it come the server's
 * validation and pruning, defaults, tables, discovery, OpenAPI, `kubectl explain`, and the CRD manifest of a real cluster.
 */
import type { Cause } from "./errors.ts";
import type { KubeObject, UserInfo } from "./types.ts";

/** The part of JSON Schema that structural schemas of Kubernetes use; a TypeBox schema is one. */
export interface Schema {
  type?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema | boolean;
  items?: Schema;
  enum?: unknown[];
  default?: unknown;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  maxProperties?: number;
  pattern?: string;
  format?: string;
  /** Accepts a string or an integer (ports of probes, quantities). */
  "x-kubernetes-int-or-string"?: boolean;
  "x-kubernetes-preserve-unknown-fields"?: boolean;
  /** How strategic merge treats a list: `map` merges by the keys below, `atomic` (the default) replaces, `set` unites. */
  "x-kubernetes-list-type"?: "atomic" | "set" | "map";
  "x-kubernetes-list-map-keys"?: string[];
  /** The reason of the fault where a key is there twice. Default: FieldValueDuplicate. */
  "x-elafros-duplicate"?: string;
  /** Known to core/v1 but refused by Elafros with a sentence of its own. An empty string and false, which say nothing, are let pass. */
  "x-elafros-refused"?: string;
  /** Known, so that sending it is no fault, but never kept. */
  "x-elafros-dropped"?: boolean;
}

/** A column of the server-side table that `kubectl get` prints. `value` reads it from the object; times are RFC 3339, and `date` columns print as ages. */
export interface PrinterColumn<T> {
  name: string;
  type: "string" | "integer" | "boolean" | "date";
  description: string;
  /** 0 is always shown, 1 with `-o wide`. */
  priority: 0 | 1;
  /** Where a real cluster's CRD reads it (`.status.domain`), where a simple path says it. */
  jsonPath?: string;
  value(object: T): string | number | boolean | undefined;
}

/** What validation and defaulting are told besides the object. */
export interface AdmissionContext<T> {
  operation: "create" | "update";
  /** The stored object, on update. */
  old?: T;
  user: UserInfo;
  /** `status` where the status subresource is written. */
  subresource?: "status";
}

export interface Kind<T extends KubeObject = KubeObject> {
  /** Empty for the core group. */
  group: string;
  version: string;
  kind: string;
  listKind: string;
  plural: string;
  singular: string;
  shortNames: readonly string[];
  /** `all` makes `kubectl get all` list it. */
  categories: readonly string[];
  namespaced: boolean;
  /** Field names count with their case, as those of custom resources do on Kubernetes. Absent: what differs only in case is taken. */
  exactNames?: boolean;
  /** Of the whole object, without `apiVersion`, `kind` and `metadata`, which are common. */
  schema: Schema;
  /** Whether status is a subresource that the main endpoint ignores. */
  hasStatus: boolean;
  /** The longest name and the form that names must have. */
  names: { form: "dns1035" | "dns1123label" | "dns1123subdomain" | "path"; max: number };
  columns: readonly PrinterColumn<T>[];
  /** Completes an object in place before validation (what the schema's `default` can't say). Never edits an immutable object on update. */
  complete?(object: T, context: AdmissionContext<T>): void;
  /** Faults beyond the schema; doesn't change the object. */
  validate?(object: T, context: AdmissionContext<T>): Cause[];
  /** Warnings for the client about an accepted object. */
  warn?(object: T): string[];
  /** Phantom: carries T. */
  readonly type?: T;
}

/** `apiVersion` of a kind: `group/version`, or `v1` for the core group. */
export function apiVersionOf(kind: Pick<Kind<never>, "group" | "version">): string {
  return kind.group === "" ? kind.version : `${kind.group}/${kind.version}`;
}
