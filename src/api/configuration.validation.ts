/** Defaults and faults of a Configuration beyond its schema. */
import type { Configuration } from "./configuration.ts";
import { platformPrefix, templateAnnotations, templateLabels } from "./labels.ts";
import type { Cause } from "./meta/errors.ts";
import { at, forbidden, index } from "./meta/faults.ts";
import { validateAnnotations, validateLabels } from "./meta/metadata.ts";
import { isObject } from "./meta/schema.ts";
import { completeRevisionSpec, validateAutoscaling, validateRevisionSpec } from "./revision-spec.validation.ts";

/** Fills in defaults; the object's form is not known yet. */
export function completeConfiguration(object: object): void {
  const spec: unknown = isObject(object) ? object["spec"] : undefined;
  const template = isObject(spec) ? spec["revisionTemplate"] : undefined;
  if (isObject(template)) completeRevisionSpec(template["spec"]);
}

/** Faults beyond the schema. */
export function validateConfiguration(object: Configuration): Cause[] {
  const path = "spec.revisionTemplate";
  const { metadata = {}, spec } = object.spec.revisionTemplate;
  const { labels = {}, annotations = {} } = metadata;
  return [
    ...validateAutoscaling(object.metadata.annotations ?? {}, "metadata.annotations"),
    ...validateLabels(labels, at(path, "metadata.labels")),
    ...ownedFaults(Object.keys(labels), templateLabels, at(path, "metadata.labels")),
    ...validateAnnotations(annotations, at(path, "metadata.annotations")),
    ...validateAutoscaling(annotations, at(path, "metadata.annotations")),
    ...ownedFaults(Object.keys(annotations), templateAnnotations, at(path, "metadata.annotations")),
    ...validateRevisionSpec(spec, at(path, "spec")),
  ];
}

/** Names that belong to the platform: it writes them on Revisions itself. */
function ownedFaults(keys: readonly string[], allowed: readonly string[], path: string): Cause[] {
  return keys
    .filter((key) => key.startsWith(platformPrefix) && !allowed.includes(key))
    .map((key) =>
      forbidden(
        index(path, key),
        `the platform sets names under ${platformPrefix}; yours to set: ${allowed.join(", ")}`,
      ),
    );
}
