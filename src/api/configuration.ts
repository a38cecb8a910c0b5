/**
 * Configuration: the template of a service's Revisions. Each change of its `spec` that the controller observes makes one Revision.
 *
 * Users write `spec`; the Configuration controller writes `status`, with the conditions of `configuration.conditions.ts`.
 */
import type { Static } from "typebox";
import { inlineBuildSchema } from "./build-spec.ts";
import { ageColumn, readyColumn, reasonColumn } from "./columns.ts";
import { completeConfiguration, validateConfiguration } from "./configuration.validation.ts";
import { conditionsSchema } from "./meta/condition-schema.ts";
import { dropped, integer, object, optional, refused, stringMap, text, structural } from "./meta/fields.ts";
import { guarded } from "./meta/guard.ts";
import type { Kind } from "./meta/kind.ts";
import type { KubeObject } from "./meta/types.ts";
import { revisionSpecSchema } from "./revision-spec.ts";

const templateSchema = object("What the next Revision is made from.", {
  metadata: optional(
    object("What is copied to the Revision's metadata.", {
      labels: optional(stringMap("Labels of the Revision.", 256, 63)),
      annotations: optional(stringMap("Annotations of the Revision.", 256, 262_144)),
      creationTimestamp: dropped("Sent by typed clients as null: never kept."),
      name: refused("the platform names Revisions: the Configuration's name and its generation"),
      generateName: refused("the platform names Revisions: the Configuration's name and its generation"),
    }),
  ),
  spec: revisionSpecSchema,
});
export type RevisionTemplate = Static<typeof templateSchema>;

const specSchema = object("The service's code and settings.", {
  revisionTemplate: templateSchema,
  build: optional(inlineBuildSchema),
});

const statusSchema = object("What the Configuration controller did.", {
  latestCreatedRevisionName: optional(text("The newest Revision; it may not be ready, or may have failed.", 63)),
  latestReadyRevisionName: optional(text("The newest Revision that became ready. Routes follow it.", 63)),
  conditions: optional(conditionsSchema),
  observedGeneration: optional(integer("The generation that this status is about.", 0, Number.MAX_SAFE_INTEGER)),
});
export type ConfigurationStatus = Static<typeof statusSchema>;

const schema = object("The template of a service's Revisions: each change makes one.", {
  spec: specSchema,
  status: optional(statusSchema),
});
export type Configuration = KubeObject & Static<typeof schema>;

export const Configuration: Kind<Configuration> = {
  group: "elafros.dev",
  version: "v1alpha1",
  kind: "Configuration",
  listKind: "ConfigurationList",
  plural: "configurations",
  singular: "configuration",
  shortNames: ["cfg"],
  categories: ["all", "elafros"],
  namespaced: true,
  schema: structural(schema),
  hasStatus: true,
  names: { form: "dns1035", max: 50 },
  columns: [
    {
      name: "LatestCreated",
      type: "string",
      description: "The newest Revision.",
      priority: 0,
      jsonPath: ".status.latestCreatedRevisionName",
      value: (object) => object.status?.latestCreatedRevisionName,
    },
    {
      name: "LatestReady",
      type: "string",
      description: "The newest Revision that became ready.",
      priority: 0,
      jsonPath: ".status.latestReadyRevisionName",
      value: (object) => object.status?.latestReadyRevisionName,
    },
    readyColumn,
    reasonColumn,
    ageColumn,
  ],
  complete: completeConfiguration,
  validate: guarded(structural(schema), validateConfiguration),
};
