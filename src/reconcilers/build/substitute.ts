/** The steps of a template with `${NAME}` replaced. Pure. */
import { imageParameter } from "../../api/build-spec.ts";
import type { Step } from "../../api/build-step.ts";
import type { BuildTemplate } from "../../api/build-template.ts";
import type { Build } from "../../api/build.ts";
import { buildImageAnnotation } from "../../api/labels.ts";

/** The values of a template's parameters. */
export interface Values {
  readonly values: ReadonlyMap<string, string>;
  /** Parameters that have neither an argument nor a default. */
  readonly unsatisfied: readonly string[];
  /** Arguments that the template has no parameter for. */
  readonly unused: readonly string[];
}

/** What each parameter is: the Build's argument, for `_IMAGE` else the name that its image gets, else the default. */
export function valuesOf(build: Build, template: BuildTemplate): Values {
  const parameters = template.spec.parameters ?? [];
  const given = new Map((build.spec.template?.arguments ?? []).map(({ name, value = "" }) => [name, value]));
  const promise = build.metadata.annotations?.[buildImageAnnotation];
  const values = new Map<string, string>();
  for (const { name, default: fallback } of parameters) {
    const value = given.get(name) ?? (name === imageParameter ? promise : undefined) ?? fallback;
    if (value !== undefined) values.set(name, value);
  }
  const known = new Set(parameters.map(({ name }) => name));
  return {
    values,
    unsatisfied: parameters.map(({ name }) => name).filter((name) => !values.has(name)),
    unused: [...given.keys()].filter((name) => !known.has(name) && name !== imageParameter),
  };
}

/** Replaces each `${NAME}` that has a value, once: what comes in by it isn't looked at again. Others stay as they are. */
export function substitute(text: string, values: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\$\{([A-Za-z_][A-Za-z0-9_-]*)\}/g, (whole, name: string) => values.get(name) ?? whole);
}

/** The step with values for placeholders in its name, image, command, args, workingDir, values of env, and mounts. */
export function substituteStep(step: Step, values: ReadonlyMap<string, string>): Step {
  const replaced = (text: string) => substitute(text, values);
  const result: Step = { ...step, image: replaced(step.image) };
  if (step.name !== undefined) result.name = replaced(step.name);
  if (step.command !== undefined) result.command = step.command.map(replaced);
  if (step.args !== undefined) result.args = step.args.map(replaced);
  if (step.workingDir !== undefined) result.workingDir = replaced(step.workingDir);
  if (step.env !== undefined) {
    result.env = step.env.map((one) => (one.value === undefined ? one : { ...one, value: replaced(one.value) }));
  }
  if (step.volumeMounts !== undefined) {
    result.volumeMounts = step.volumeMounts.map((mount) => ({
      ...mount,
      name: replaced(mount.name),
      mountPath: replaced(mount.mountPath),
      ...(mount.subPath === undefined ? {} : { subPath: replaced(mount.subPath) }),
    }));
  }
  return result;
}
