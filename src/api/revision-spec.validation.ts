/** Defaults and faults of what a Configuration's template and a Revision have in common. */
import { defaultPullPolicy } from "./image.ts";
import { completeResources, validateContainer } from "./container.validation.ts";
import type { Cause } from "./meta/errors.ts";
import { at, checked, index, invalid } from "./meta/faults.ts";
import { dns1123Subdomain } from "./meta/names.ts";
import { isObject } from "./meta/schema.ts";
import { type RevisionSpec, defaultServiceAccount } from "./revision-spec.ts";
import { completeVolumes, validateVolumes } from "./volume.validation.ts";

/**
 * Fills in what the schema's defaults can't say: `imagePullPolicy`, the service account where its name is empty, and quantities that were written as numbers. `spec` is
 * whatever the client sent: nothing about its form is known yet.
 */
export function completeRevisionSpec(spec: unknown): void {
  if (!isObject(spec)) return;
  // Empty means the default, as in core/v1.
  if (spec["serviceAccountName"] === "") spec["serviceAccountName"] = defaultServiceAccount;
  completeVolumes(spec["volumes"]);
  const { container } = spec;
  if (!isObject(container)) return;
  const { image, resources } = container;
  if (typeof image === "string" && (container["imagePullPolicy"] ?? null) === null) {
    container["imagePullPolicy"] = defaultPullPolicy(image);
  }
  completeResources(resources);
}

/** Faults beyond the schema of the spec at `path`. */
export function validateRevisionSpec(spec: RevisionSpec, path: string): Cause[] {
  const volumes = spec.volumes ?? [];
  const faults = validateContainer(spec.container, volumes, at(path, "container"));
  const { concurrencyModel, containerConcurrency = 0 } = spec;
  if (concurrencyModel === "SingleThreaded" && containerConcurrency > 1) {
    const words = "must be 0 or 1 with concurrencyModel SingleThreaded: leave it out, or use MultiThreaded";
    faults.push(invalid(at(path, "containerConcurrency"), containerConcurrency, words));
  }
  faults.push(...checked(dns1123Subdomain, spec.serviceAccountName, at(path, "serviceAccountName")));
  faults.push(...checked(dns1123Subdomain, spec.buildName, at(path, "buildName")));
  for (const [position, secret] of (spec.imagePullSecrets ?? []).entries()) {
    faults.push(...checked(dns1123Subdomain, secret.name, at(index(at(path, "imagePullSecrets"), position), "name")));
  }
  return [...faults, ...validateVolumes(volumes, at(path, "volumes"))];
}
