/** From a decoded object to one that may be stored: defaults, completion, validation, all faults in one answer. */
import type { Cause } from "../api/meta/errors.ts";
import { invalidObject } from "../api/meta/faults.ts";
import type { AdmissionContext, Kind } from "../api/meta/kind.ts";
import { validateMetadata } from "../api/meta/metadata.ts";
import { objectSchema } from "../api/meta/object-schema.ts";
import { applyDefaults } from "../api/meta/schema.ts";
import { validateSchema } from "../api/meta/schema-validation.ts";
import type { KubeObject } from "../api/meta/types.ts";
import { copyJson } from "./json.ts";

/** The object, completed. Throws `Invalid` with every fault. `extra` are faults that the caller found. */
export function finishObject(
  kind: Kind,
  object: KubeObject,
  { context, extra = [] }: { context: AdmissionContext<KubeObject>; extra?: readonly Cause[] },
): KubeObject {
  const schema = objectSchema(kind);
  let finished = applyDefaults(schema, copyJson(object)) as KubeObject;
  const before = validateSchema(schema, finished);
  if (kind.complete !== undefined) finished = completed(kind, finished, { context, faulty: before.length > 0 });
  const faults = unique([
    ...validateMetadata(kind, finished.metadata),
    ...(kind.complete === undefined ? before : validateSchema(schema, finished)),
    ...kindFaults(kind, finished, { context, faulty: before.length > 0 }),
    ...extra,
  ]);
  if (faults.length > 0) throw invalidObject(kind, finished.metadata.name, faults);
  return finished;
}

interface Situation {
  context: AdmissionContext<KubeObject>;
  /** The schema found faults, so the kind's own code may stumble over what it was promised. */
  faulty: boolean;
}

function completed(kind: Kind, object: KubeObject, { context, faulty }: Situation): KubeObject {
  const copy = faulty ? copyJson(object) : object;
  try {
    kind.complete?.(copy, context);
    return copy;
  } catch (error) {
    if (faulty) return object;
    throw error;
  }
}

function kindFaults(kind: Kind, object: KubeObject, { context, faulty }: Situation): Cause[] {
  try {
    return kind.validate?.(object, context) ?? [];
  } catch (error) {
    if (faulty) return [];
    throw error;
  }
}

function unique(faults: readonly Cause[]): Cause[] {
  const seen = new Set<string>();
  return faults.filter(({ field, message }) => {
    const key = `${field}\0${message}`;
    return !seen.has(key) && seen.add(key) !== undefined;
  });
}
