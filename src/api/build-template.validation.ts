/** Defaults and faults of a BuildTemplate beyond its schema. What arguments replace is judged when it is built. */
import { parameterName } from "./build-spec.validation.ts";
import { completeSteps, validateSteps, withoutPlaceholders } from "./build-step.validation.ts";
import type { BuildTemplate } from "./build-template.ts";
import type { Cause } from "./meta/errors.ts";
import { at, checked, index } from "./meta/faults.ts";
import { isObject } from "./meta/schema.ts";
import { completeVolumes, validateVolumes } from "./volume.validation.ts";

/** Writes quantities that are numbers as text. The object's form is not known yet. */
export function completeBuildTemplate(object: object): void {
  const spec: unknown = isObject(object) ? object["spec"] : undefined;
  if (!isObject(spec)) return;
  completeSteps(spec["steps"]);
  completeVolumes(spec["volumes"]);
}

/** Faults beyond the schema. */
export function validateBuildTemplate({ spec }: BuildTemplate): Cause[] {
  const { parameters = [], steps, volumes = [] } = spec;
  return [
    ...parameters.flatMap(({ name }, position) =>
      checked(parameterName, name, at(index("spec.parameters", position), "name")),
    ),
    ...validateSteps(withoutPlaceholders(steps), volumes, "spec.steps"),
    ...validateVolumes(volumes, "spec.volumes"),
  ];
}
