/**
 * Revision: an immutable record of what to run, made by the Configuration controller, one per generation it observes.
 *
 * The Configuration controller writes `spec`, labels and annotations; nobody changes `spec` afterwards. The Revision
 * controller writes `status`: the conditions of `revision.conditions.ts`, the digest that every instance runs, and how many run.
 */
import type { Static } from "typebox";
import { ageColumn, readyColumn, reasonColumn } from "./columns.ts";
import { configurationGenerationAnnotation, configurationLabel } from "./labels.ts";
import { conditionsSchema } from "./meta/condition-schema.ts";
import { integer, list, object, optional, structural, text, time } from "./meta/fields.ts";
import { guarded } from "./meta/guard.ts";
import type { Kind } from "./meta/kind.ts";
import type { KubeObject } from "./meta/types.ts";
import { imageSourceSchema, revisionSpecSchema } from "./revision-spec.ts";
import { completeRevision, validateRevision } from "./revision.validation.ts";

const scalingStep = object("A change of the number of instances.", {
  time: time("When."),
  from: integer("How many should run before.", 0, 1_000_000),
  to: integer("How many should run after.", 0, 1_000_000),
  message: text("Why, with the figures.", 1024),
});

const statusSchema = object("What the Revision controller found.", {
  conditions: optional(conditionsSchema),
  imageDigest: optional(
    text("What every instance runs: name@sha256:…. The tag is resolved once, before the first instance.", 1024),
  ),
  imageSource: optional(imageSourceSchema),
  actualReplicas: optional(integer("How many instances are ready.", 0, 1_000_000)),
  desiredReplicas: optional(integer("How many instances should run.", 0, 1_000_000)),
  scaling: optional(list("The last changes of the number of instances, the oldest first.", 10, scalingStep)),
  logUrl: optional(text("Where the instances' output can be read.", 2048)),
  observedGeneration: optional(integer("The generation that this status is about.", 0, Number.MAX_SAFE_INTEGER)),
});

const schema = object("An immutable record of what to run. Made by the Configuration controller only.", {
  spec: revisionSpecSchema,
  status: optional(statusSchema),
});

export type RevisionStatus = Static<typeof statusSchema>;
export type Revision = KubeObject & Static<typeof schema>;

export const Revision: Kind<Revision> = {
  group: "elafros.dev",
  version: "v1alpha1",
  kind: "Revision",
  listKind: "RevisionList",
  plural: "revisions",
  singular: "revision",
  shortNames: ["rev"],
  categories: ["all", "elafros"],
  namespaced: true,
  schema: structural(schema),
  hasStatus: true,
  names: { form: "dns1035", max: 63 },
  columns: [
    {
      name: "Config",
      type: "string",
      description: "The Configuration that made it.",
      priority: 0,
      jsonPath: ".metadata.labels.elafros\\.dev/configuration",
      value: (object) => object.metadata.labels?.[configurationLabel],
    },
    {
      name: "Generation",
      type: "string",
      description: "The generation of the Configuration.",
      priority: 0,
      jsonPath: ".metadata.annotations.elafros\\.dev/configurationGeneration",
      value: (object) => object.metadata.annotations?.[configurationGenerationAnnotation],
    },
    readyColumn,
    reasonColumn,
    {
      name: "Actual",
      type: "integer",
      description: "How many instances are ready.",
      priority: 1,
      jsonPath: ".status.actualReplicas",
      value: (object) => object.status?.actualReplicas,
    },
    {
      name: "Desired",
      type: "integer",
      description: "How many instances should run.",
      priority: 1,
      jsonPath: ".status.desiredReplicas",
      value: (object) => object.status?.desiredReplicas,
    },
    {
      name: "Image",
      type: "string",
      description: "The image.",
      priority: 1,
      jsonPath: ".spec.container.image",
      value: (object) => object.spec.container.image,
    },
    ageColumn,
  ],
  complete: completeRevision,
  validate: guarded(structural(schema), validateRevision),
};
