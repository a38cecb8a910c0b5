/** Defaults and faults of a Build beyond its schema. */
import { isDeepStrictEqual } from "node:util";
import { buildSpecSchema } from "./build-spec.ts";
import { completeBuildSpec, validateBuildSpec } from "./build-spec.validation.ts";
import type { Build } from "./build.ts";
import { imageWords, parseImage } from "./image.ts";
import { buildImageAnnotation } from "./labels.ts";
import type { Cause } from "./meta/errors.ts";
import { checked, index, invalid } from "./meta/faults.ts";
import { structural } from "./meta/fields.ts";
import type { AdmissionContext } from "./meta/kind.ts";
import { applyDefaults, isObject, prune } from "./meta/schema.ts";

/** Fills in defaults; the object's form is not known yet. */
export function completeBuild(object: object): void {
  if (isObject(object)) completeBuildSpec(object["spec"]);
}

/** Faults beyond the schema: on creation those of its spec, on update any change but that it is cancelled. */
export function validateBuild(object: Build, { old }: AdmissionContext<Build>): Cause[] {
  const image = checked(
    (value) => (parseImage(value) === undefined || value.includes("@") ? [`${imageWords}, without a digest`] : []),
    object.metadata.annotations?.[buildImageAnnotation],
    index("metadata.annotations", buildImageAnnotation),
  );
  if (old === undefined) return [...validateBuildSpec(object.spec, "spec", object.metadata.namespace ?? ""), ...image];
  return [...immutableFaults(object, old), ...image];
}

/** The spec in today's terms: fields and defaults that came or went with a version of the schema are no change. */
function comparable(build: Build): unknown {
  const { status: _, ...spec } = build.spec;
  const schema = structural(buildSpecSchema);
  return applyDefaults(schema, prune(schema, spec));
}

function immutableFaults(object: Build, old: Build): Cause[] {
  const faults: Cause[] = [];
  if (!isDeepStrictEqual(comparable(object), comparable(old))) {
    faults.push(
      invalid("spec", object.spec, "is immutable but for status: create another Build, or change the Configuration"),
    );
  }
  if (old.spec.status !== undefined && object.spec.status !== old.spec.status) {
    faults.push(invalid("spec.status", object.spec.status, "a cancelled Build stays so: create another"));
  }
  return faults;
}
