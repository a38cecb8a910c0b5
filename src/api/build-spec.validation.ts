/** Defaults and faults of a build's spec beyond its schema. Most faults have reasons of their own, which the specification's §5 names. */
import {
  type BuildSpec,
  type InlineBuild,
  type TemplateReference,
  sharedTemplates,
  templateName,
} from "./build-spec.ts";
import { validateSource } from "./build-source.validation.ts";
import { completeSteps, validateSteps } from "./build-step.validation.ts";
import { durationWords, parseDuration } from "./meta/duration.ts";
import type { Cause } from "./meta/errors.ts";
import { at, cause, checked, forbidden, index, invalid, required } from "./meta/faults.ts";
import { type Check, dns1123Subdomain } from "./meta/names.ts";
import { isObject } from "./meta/schema.ts";
import { defaultServiceAccount } from "./revision-spec.ts";
import { completeVolumes, validateVolumes } from "./volume.validation.ts";

/** The longest that a build may take: a day. */
const maxTimeoutMs = 24 * 3_600_000;

/** Fills in what the schema's defaults can't say. The spec's form is not known yet. */
export function completeBuildSpec(spec: unknown): void {
  if (!isObject(spec)) return;
  if (spec["serviceAccountName"] === "") spec["serviceAccountName"] = defaultServiceAccount;
  completeVolumes(spec["volumes"]);
  completeSteps(spec["steps"]);
  const source = spec["source"];
  if (!isObject(source)) return;
  const { gcs, custom } = source;
  completeSteps([custom]);
  if (isObject(gcs) && typeof gcs["type"] === "string") gcs["type"] = gcs["type"].toLowerCase();
}

/** Faults beyond the schema of the build at `path`, of an object in `namespace`. */
export function validateBuildSpec(spec: BuildSpec | InlineBuild, path: string, namespace: string): Cause[] {
  const { source, template, steps = [], volumes = [], timeout } = spec;
  return [
    ...(source === undefined ? [] : validateSource(source, volumes, at(path, "source"))),
    ...howFaults(spec, path),
    ...(template === undefined ? [] : templateFaults(template, at(path, "template"), namespace)),
    ...validateSteps(steps, volumes, at(path, "steps")),
    ...validateVolumes(volumes, at(path, "volumes")),
    ...checked(dns1123Subdomain, spec.serviceAccountName, at(path, "serviceAccountName")),
    ...timeoutFaults(timeout, at(path, "timeout")),
  ];
}

/** Exactly one of steps and template. */
function howFaults({ template, steps = [] }: BuildSpec | InlineBuild, path: string): Cause[] {
  if (template !== undefined && steps.length > 0) {
    return [cause("TemplateAndSteps", at(path, "steps"), "A build has steps or a template, not both: leave one out")];
  }
  if (template === undefined && steps.length === 0) {
    return [required(at(path, "template"), "a build needs a template, or steps of its own")];
  }
  return [];
}

function templateFaults(template: TemplateReference, path: string, namespace: string): Cause[] {
  const faults: Cause[] = [];
  const { name = "", namespace: from = "" } = template;
  if (name === "") {
    const words = "A template is named by its name: `elafros templates list` shows which there are";
    faults.push(cause("MissingTemplateName", at(path, "name"), words));
  } else {
    for (const words of dns1123Subdomain(templateName(name))) faults.push(invalid(at(path, "name"), name, words));
  }
  if (from !== "" && from !== namespace && from !== sharedTemplates) {
    const words = `templates are taken from the build's own namespace and from ${sharedTemplates}: "${from.slice(0, 63)}" is another`;
    faults.push(forbidden(at(path, "namespace"), words));
  }
  for (const [position, argument] of (template.arguments ?? []).entries()) {
    const place = index(at(path, "arguments"), position);
    faults.push(...checked(parameterName, argument.name, at(place, "name")));
    if (argument.value?.includes("\0") === true) {
      faults.push(invalid(at(place, "value"), argument.value, "must not contain a NUL character"));
    }
  }
  return faults;
}

/** The name of a template's parameter. */
export const parameterName: Check = (value) =>
  /^[A-Za-z_][A-Za-z0-9_-]*$/.test(value)
    ? []
    : ["must consist of letters, digits, '_' and '-', and start with a letter or '_', such as _IMAGE"];

function timeoutFaults(timeout: string | undefined, field: string): Cause[] {
  if (timeout === undefined) return [];
  const ms = parseDuration(timeout);
  if (ms === undefined) return [invalid(field, timeout, durationWords)];
  return ms > 0 && ms <= maxTimeoutMs ? [] : [invalid(field, timeout, "must be more than 0s and at most 24h")];
}
