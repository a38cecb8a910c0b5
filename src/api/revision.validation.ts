/** Defaults and faults of a Revision beyond its schema. */
import { isDeepStrictEqual } from "node:util";
import { validateAutoscaling } from "./autoscaling.ts";
import { configurationGenerationAnnotation, configurationLabel } from "./labels.ts";
import type { Cause } from "./meta/errors.ts";
import { index, invalid } from "./meta/faults.ts";
import { structural } from "./meta/fields.ts";
import type { AdmissionContext } from "./meta/kind.ts";
import { applyDefaults, isObject, prune } from "./meta/schema.ts";
import { validateScheduling } from "./scheduling.ts";
import { revisionSpecSchema } from "./revision-spec.ts";
import { completeRevisionSpec, validateRevisionSpec } from "./revision-spec.validation.ts";
import type { Revision } from "./revision.ts";

/** Fills in defaults of a new Revision; one that exists is never touched. The object's form is not known yet. */
export function completeRevision(object: object, context: AdmissionContext<Revision>): void {
  if (context.operation === "create" && isObject(object)) completeRevisionSpec(object["spec"]);
}

/** Faults beyond the schema: on creation those of its spec, on update any change of what is immutable. */
export function validateRevision(object: Revision, { old }: AdmissionContext<Revision>): Cause[] {
  const { annotations = {} } = object.metadata;
  const path = "metadata.annotations";
  const settings = [...validateAutoscaling(annotations, path), ...validateScheduling(annotations, path)];
  if (old === undefined) return [...validateRevisionSpec(object.spec, "spec"), ...settings];
  return [...immutableFaults(object, old), ...settings];
}

const words = "is immutable: change the Configuration, which makes a new Revision";

/** The spec in today's terms: fields and defaults that came or went with a version of the schema are no change. */
function comparable({ spec }: Revision): unknown {
  const schema = structural(revisionSpecSchema);
  return applyDefaults(schema, prune(schema, spec));
}

function immutableFaults(object: Revision, old: Revision): Cause[] {
  const faults: Cause[] = [];
  if (!isDeepStrictEqual(comparable(object), comparable(old))) faults.push(invalid("spec", object.spec, words));
  const label = object.metadata.labels?.[configurationLabel];
  if (label !== old.metadata.labels?.[configurationLabel]) {
    faults.push(invalid(index("metadata.labels", configurationLabel), label, words));
  }
  const generation = object.metadata.annotations?.[configurationGenerationAnnotation];
  if (generation !== old.metadata.annotations?.[configurationGenerationAnnotation]) {
    faults.push(invalid(index("metadata.annotations", configurationGenerationAnnotation), generation, words));
  }
  return faults;
}
