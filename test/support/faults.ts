/** Sends an object through what a kind declares, as the API server does: defaults, completion, validation. */
import type { Cause } from "../../src/api/meta/errors.ts";
import type { AdmissionContext, Kind } from "../../src/api/meta/kind.ts";
import { validateMetadata } from "../../src/api/meta/metadata.ts";
import { objectSchema } from "../../src/api/meta/object-schema.ts";
import { validateSchema } from "../../src/api/meta/schema-validation.ts";
import { applyDefaults, prune } from "../../src/api/meta/schema.ts";
import type { KubeObject } from "../../src/api/meta/types.ts";

const user = { username: "tester", groups: [] };

/** The object as it would be stored, and its faults. `old` makes it an update. */
export function admit<T extends KubeObject>(kind: Kind<T>, object: unknown, old?: T): { object: T; faults: Cause[] } {
  const schema = objectSchema(kind);
  const finished = applyDefaults(schema, prune(schema, object)) as T;
  const context: AdmissionContext<T> =
    old === undefined ? { operation: "create", user } : { operation: "update", old, user };
  kind.complete?.(finished, context);
  const faults = [
    ...validateMetadata(kind, finished.metadata),
    ...validateSchema(schema, finished),
    ...(kind.validate?.(finished, context) ?? []),
  ];
  return { object: finished, faults };
}

/** The faults, each as `field: message`. */
export function faultTexts<T extends KubeObject>(kind: Kind<T>, object: unknown, old?: T): string[] {
  return admit(kind, object, old).faults.map(({ field, message }) => `${field}: ${message}`);
}
