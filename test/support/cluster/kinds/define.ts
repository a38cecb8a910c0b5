import type { AdmissionContext, Kind, PrinterColumn, Schema } from "../../../../src/api/meta/kind.ts";
import type { Cause } from "../../../../src/api/meta/errors.ts";
import type { KubeObject } from "../../../../src/api/meta/types.ts";
import { ageColumn } from "../../../../src/api/columns.ts";
import { equalJson } from "../../../../src/apiserver/json.ts";
import { open } from "./schema.ts";

/** An object of a kind whose form is only partly known here. */
export interface Loose extends KubeObject {
  [field: string]: unknown;
}

interface Definition {
  group?: string;
  version?: string;
  kind: string;
  plural: string;
  shortNames?: readonly string[];
  categories?: readonly string[];
  namespaced?: boolean;
  /** Fields besides metadata; absent: `spec` and `status`, as they are sent. */
  fields?: Record<string, Schema>;
  hasStatus?: boolean;
  /** Whether `metadata.generation` counts changes of `spec`, as for most kinds with controllers. */
  counted?: boolean;
  names?: Kind["names"];
  columns?: readonly PrinterColumn<KubeObject>[];
  /** Fills in what is absent, in place. */
  defaults?: (object: Loose, context: AdmissionContext<KubeObject>) => void;
  validate?: (object: Loose, context: AdmissionContext<KubeObject>) => Cause[];
}

/** Declares one of Kubernetes' own kinds. */
export function define(definition: Definition): Kind {
  const { group = "", version = "v1", kind, plural, namespaced = true, hasStatus = true, counted = false } = definition;
  const { defaults, validate } = definition;
  return {
    group,
    version,
    kind,
    listKind: `${kind}List`,
    plural,
    singular: kind.toLowerCase(),
    shortNames: definition.shortNames ?? [],
    categories: definition.categories ?? [],
    namespaced,
    schema: open(definition.fields ?? { spec: open(), status: open() }),
    hasStatus,
    names: definition.names ?? { form: "dns1123subdomain", max: 253 },
    columns: [...(definition.columns ?? []), ageColumn],
    complete: (object, context) => {
      defaults?.(object as Loose, context);
      if (counted) count(object as Loose, context.old as Loose | undefined);
    },
    ...(validate === undefined ? {} : { validate: (object, context) => validate(object as Loose, context) }),
  };
}

function count(object: Loose, old: Loose | undefined): void {
  const before = old?.metadata.generation;
  const changed = old !== undefined && !equalJson(object["spec"], old["spec"]);
  object.metadata.generation = before === undefined ? 1 : before + (changed ? 1 : 0);
}
