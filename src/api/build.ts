/**
 * Build: makes an image from source, once. The Configuration controller makes one for each generation with `spec.build`; users may make
 * their own.
 *
 * Whoever creates it writes `spec`, which never changes but for `status: BuildCancelled`. The Build controller writes `status`, with the
 * condition of `build.conditions.ts`.
 */
import type { Static } from "typebox";
import { buildSpecSchema } from "./build-spec.ts";
import { completeBuild, validateBuild } from "./build.validation.ts";
import { ageColumn, conditionOf } from "./columns.ts";
import { containerState } from "./container-state.ts";
import { conditionsSchema } from "./meta/condition-schema.ts";
import { integer, list, object, optional, structural, text, time } from "./meta/fields.ts";
import { guarded } from "./meta/guard.ts";
import type { Kind } from "./meta/kind.ts";
import type { KubeObject } from "./meta/types.ts";
import { imageSourceSchema } from "./revision-spec.ts";

const stepState = object("How a step is.", {
  name: text("The step; the first is `source` where there is one.", 63),
  imageID: optional(text("The exact image, once known.", 1024)),
  state: optional(containerState("Its state.")),
});

const statusSchema = object("How the build is.", {
  conditions: optional(conditionsSchema),
  startTime: optional(time("When its turn came.")),
  completionTime: optional(time("When it ended.")),
  stepStates: optional(list("The steps in their order.", 65, stepState)),
  stepsCompleted: optional(list("The names of the steps that ended well.", 65, text("A step.", 63))),
  imageDigest: optional(text("The image that it made: name@sha256:….", 1024)),
  buildLogsLink: optional(text("Where its steps' output can be read.", 2048)),
  source: optional(imageSourceSchema),
  observedGeneration: optional(integer("The generation that this status is about.", 0, Number.MAX_SAFE_INTEGER)),
});
export type BuildStatus = Static<typeof statusSchema>;

const schema = object("Makes an image from source, once.", { spec: buildSpecSchema, status: optional(statusSchema) });
export type Build = KubeObject & Static<typeof schema>;

export const Build: Kind<Build> = {
  group: "build.dev",
  version: "v1alpha1",
  kind: "Build",
  listKind: "BuildList",
  plural: "builds",
  singular: "build",
  shortNames: [],
  categories: ["all", "elafros"],
  namespaced: true,
  schema: structural(schema),
  hasStatus: true,
  // A name is also the value of a label, on the Pod that shows it.
  names: { form: "dns1123subdomain", max: 63 },
  columns: [
    {
      name: "Succeeded",
      type: "string",
      description: "The status of condition Succeeded.",
      priority: 0,
      jsonPath: ".status.conditions[?(@.type=='Succeeded')].status",
      value: (object) => conditionOf(object, "Succeeded")?.status,
    },
    {
      name: "Reason",
      type: "string",
      description: "The reason of condition Succeeded.",
      priority: 0,
      jsonPath: ".status.conditions[?(@.type=='Succeeded')].reason",
      value: (object) => conditionOf(object, "Succeeded")?.reason,
    },
    {
      name: "Started",
      type: "date",
      description: "How long ago its turn came.",
      priority: 0,
      jsonPath: ".status.startTime",
      value: (object) => object.status?.startTime,
    },
    {
      name: "Completed",
      type: "date",
      description: "How long ago it ended.",
      priority: 0,
      jsonPath: ".status.completionTime",
      value: (object) => object.status?.completionTime,
    },
    ageColumn,
    {
      name: "Template",
      type: "string",
      description: "The BuildTemplate.",
      priority: 1,
      jsonPath: ".spec.template.name",
      value: (object) => object.spec.template?.name,
    },
    {
      name: "Image",
      type: "string",
      description: "The image that it made.",
      priority: 1,
      jsonPath: ".status.imageDigest",
      value: (object) => object.status?.imageDigest,
    },
  ],
  complete: completeBuild,
  validate: guarded(structural(schema), validateBuild),
};
