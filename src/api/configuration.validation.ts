/** Defaults and faults of a Configuration beyond its schema. */
import { refuseAutoscaling, validateAutoscaling } from "./autoscaling.ts";
import { imageParameter } from "./build-spec.ts";
import { completeBuildSpec, validateBuildSpec } from "./build-spec.validation.ts";
import type { Configuration } from "./configuration.ts";
import { platformPrefix, templateAnnotations, templateLabels } from "./labels.ts";
import type { Cause } from "./meta/errors.ts";
import { at, forbidden, index, invalid } from "./meta/faults.ts";
import { validateAnnotations, validateLabels } from "./meta/metadata.ts";
import { isObject } from "./meta/schema.ts";
import { completeRevisionSpec, validateRevisionSpec } from "./revision-spec.validation.ts";
import { refuseScheduling, validateScheduling } from "./scheduling.ts";

/** Fills in defaults; the object's form is not known yet. */
export function completeConfiguration(object: object): void {
  const spec: unknown = isObject(object) ? object["spec"] : undefined;
  if (!isObject(spec)) return;
  completeBuildSpec(spec["build"]);
  const template = spec["revisionTemplate"];
  if (isObject(template)) completeRevisionSpec(template["spec"]);
}

/** Faults beyond the schema. */
export function validateConfiguration(object: Configuration): Cause[] {
  const path = "spec.revisionTemplate";
  const { metadata = {}, spec } = object.spec.revisionTemplate;
  const { labels = {}, annotations = {} } = metadata;
  const { build } = object.spec;
  return [
    ...(build === undefined ? [] : validateBuildSpec(build, "spec.build", object.metadata.namespace ?? "")),
    ...promiseFaults(object),
    ...refuseAutoscaling(object.metadata.annotations ?? {}, "metadata.annotations"),
    ...refuseScheduling(object.metadata.annotations ?? {}, "metadata.annotations"),
    ...validateLabels(labels, at(path, "metadata.labels")),
    ...ownedFaults(Object.keys(labels), templateLabels, at(path, "metadata.labels")),
    ...validateAnnotations(annotations, at(path, "metadata.annotations")),
    ...validateAutoscaling(annotations, at(path, "metadata.annotations")),
    ...validateScheduling(annotations, at(path, "metadata.annotations")),
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

/** `container.image` is the promise of what a build makes: the same name, and no digest, which nobody knows yet. */
function promiseFaults({ spec: { build, revisionTemplate } }: Configuration): Cause[] {
  const { container, buildName = "" } = revisionTemplate.spec;
  if (build === undefined || buildName !== "") return [];
  const field = "spec.revisionTemplate.spec.container.image";
  const made = build.template?.arguments?.find(({ name }) => name === imageParameter)?.value ?? "";
  if (made !== "" && made !== container.image && container.image !== "") {
    const words = `must be what the build makes, "${made}" (spec.build.template.arguments[${imageParameter}]): change both, or leave out spec.build to run an image that is there`;
    return [invalid(field, container.image, words)];
  }
  if (!container.image.includes("@")) return [];
  return [
    invalid(
      field,
      container.image,
      "must have no digest where spec.build makes it: name a tag, or leave out spec.build",
    ),
  ];
}
