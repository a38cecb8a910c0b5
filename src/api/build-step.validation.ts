/** Faults of a build's steps beyond their schema. */
import { type Step, sourceStep, stepName } from "./build-step.ts";
import { completeResources, validateProcess } from "./container.validation.ts";
import type { Cause } from "./meta/errors.ts";
import { at, cause, checked, index, invalid } from "./meta/faults.ts";
import { dns1123Label } from "./meta/names.ts";
import { isObject } from "./meta/schema.ts";
import type { Volume } from "./volume.ts";

type Mount = NonNullable<Step["volumeMounts"]>[number];

/** Directories that the platform mounts into every step. */
const sharedDirectories: readonly string[] = ["/workspace", "/builder"];

/** Writes quantities that are numbers as text. The list's form is not known yet. */
export function completeSteps(steps: unknown): void {
  if (!Array.isArray(steps)) return;
  for (const step of steps) {
    if (isObject(step)) completeResources(step["resources"]);
  }
}

/** Faults of the steps at `path`, which mount from `volumes`. */
export function validateSteps(steps: readonly Step[], volumes: readonly Volume[], path: string): Cause[] {
  const taken = new Set<string>();
  return steps.flatMap((step, position) => {
    const place = index(path, position);
    const name = stepName(step, position);
    const faults = checked(dns1123Label, step.name, at(place, "name"));
    if (taken.has(name)) {
      faults.push(
        cause("DuplicateStepName", at(place, "name"), `Each step has a name of its own: "${name}" is there twice`),
      );
    }
    taken.add(name);
    if (name === sourceStep) {
      faults.push(invalid(at(place, "name"), name, "is the name of the step that fetches the source: choose another"));
    }
    return [...faults, ...validateStep(step, volumes, place)];
  });
}

/** Faults of the step at `path`, but for its name. */
export function validateStep(step: Step, volumes: readonly Volume[], path: string): Cause[] {
  return [...validateProcess(step, volumes, path), ...sharedFaults(step, at(path, "volumeMounts"))];
}

function sharedFaults(step: Step, path: string): Cause[] {
  return (step.volumeMounts ?? []).flatMap(({ mountPath }, position) => {
    const shared = sharedDirectories.find((root) => mountPath === root || mountPath.startsWith(`${root}/`));
    if (shared === undefined) return [];
    const words = `must not be in ${shared}, which every step has already`;
    return [invalid(at(index(path, position), "mountPath"), mountPath, words)];
  });
}

/**
 * The steps of a template without what arguments will replace, so that the rest can be checked: whether that makes a good step is known
 * only when it is built.
 */
export function withoutPlaceholders(steps: readonly Step[]): Step[] {
  return steps.map((step, position) => {
    const closed: Step = { ...step };
    if (isOpen(step.name)) closed.name = stepName({ image: "" }, position);
    if (isOpen(step.image)) closed.image = "image";
    if (isOpen(step.workingDir)) delete closed.workingDir;
    if (step.volumeMounts !== undefined) closed.volumeMounts = step.volumeMounts.map(closedMount);
    return closed;
  });
}

function closedMount(mount: Mount, position: number): Mount {
  const closed: Mount = { ...mount };
  if (isOpen(mount.mountPath)) closed.mountPath = `/open/${position}`;
  if (isOpen(mount.subPath)) delete closed.subPath;
  return closed;
}

function isOpen(text: string | undefined): boolean {
  return text?.includes("${") === true;
}
