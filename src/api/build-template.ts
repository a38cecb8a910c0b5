/**
 * BuildTemplate: how to make an image from source of some sort, as steps with parameters. Users write it, and the platform its own, in namespace
 * `build-templates`. Nobody writes a status: it has none.
 */
import type { Static } from "typebox";
import { buildVolumesSchema } from "./build-spec.ts";
import { stepSchema } from "./build-step.ts";
import { completeBuildTemplate, validateBuildTemplate } from "./build-template.validation.ts";
import { ageColumn } from "./columns.ts";
import { keyed, list, object, optional, refused, structural, text, unique } from "./meta/fields.ts";
import { guarded } from "./meta/guard.ts";
import type { Kind } from "./meta/kind.ts";
import type { KubeObject } from "./meta/types.ts";

const parameter = object("A value that builds give.", {
  name: text("Its name; ${NAME} in a step stands for its value.", 128, { minLength: 1 }),
  description: optional(text("What it is for.", 4096)),
  default: optional(text("Its value where a build gives none. Absent: a build must give one.", 65_536)),
});

const specSchema = object("Steps and their parameters.", {
  parameters: optional(
    unique("DuplicateParamName", keyed("What builds can say to it, as arguments.", 256, "name", parameter)),
  ),
  steps: list("The containers that make the image, one after the other.", 64, stepSchema, { minItems: 1 }),
  volumes: optional(buildVolumesSchema),
  generate: refused("not supported yet"),
});

const schema = object("How to make an image from source of some sort.", { spec: specSchema });
export type BuildTemplate = KubeObject & Static<typeof schema>;

export const BuildTemplate: Kind<BuildTemplate> = {
  group: "build.dev",
  version: "v1alpha1",
  kind: "BuildTemplate",
  listKind: "BuildTemplateList",
  plural: "buildtemplates",
  singular: "buildtemplate",
  shortNames: ["bt"],
  categories: ["elafros"],
  namespaced: true,
  schema: structural(schema),
  hasStatus: false,
  names: { form: "dns1123subdomain", max: 253 },
  columns: [
    {
      name: "Parameters",
      type: "string",
      description: "What builds can say to it.",
      priority: 0,
      value: (object) => (object.spec.parameters ?? []).map(({ name }) => name).join(","),
    },
    {
      name: "Steps",
      type: "integer",
      description: "How many steps it has.",
      priority: 1,
      value: (object) => object.spec.steps.length,
    },
    ageColumn,
  ],
  complete: completeBuildTemplate,
  validate: guarded(structural(schema), validateBuildTemplate),
};
