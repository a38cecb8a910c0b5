/**
 * The `build` of a Configuration, as `deploy` writes it. Pure.
 */
import { entryPointParameter, imageParameter, sharedTemplates } from "../../api/build-names.ts";
import type { Configuration } from "../objects.ts";
import type { SourceMemory } from "../memory.ts";
import type { PreparedSource } from "./prepare.ts";

export type InlineBuild = NonNullable<Configuration["spec"]["build"]>;

export interface BuildParts {
  /** The Configuration's build until now: what can't be said on the command line stays (account, volumes, timeout). */
  before?: InlineBuild | undefined;
  /** How it is to be built, as it was said. */
  how: SourceMemory;
  prepared: Pick<PreparedSource, "spec" | "detection">;
  /** The name that the image gets. */
  image: string;
}

/** A template that is named is looked for in the service's own namespace first; one that was detected is the platform's. */
export function makeBuild({ before, how, prepared, image }: BuildParts): InlineBuild {
  const { steps: _, template: __, ...kept } = before ?? {};
  const { detection } = prepared;
  const entryPoint = typeof how.function === "string" ? how.function : detection?.entryPoint;
  const values = new Map([[imageParameter, image]]);
  if (entryPoint !== undefined) values.set(entryPointParameter, entryPoint);
  for (const [name, value] of Object.entries(how.buildArgs ?? {})) values.set(name, value);
  return {
    ...kept,
    source: prepared.spec,
    template: {
      ...named(how.template ?? detection?.template ?? "", how.template === undefined),
      arguments: [...values].map(([name, value]) => ({ name, value })),
    },
  };
}

/** `NAMESPACE/NAME` says both. */
function named(template: string, detected: boolean): { name: string; namespace?: string } {
  if (detected) return { name: template, namespace: sharedTemplates };
  const [name = "", namespace] = template.split("/").toReversed();
  return namespace === undefined ? { name } : { name, namespace };
}
