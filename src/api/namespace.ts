/** Namespace (core/v1): what names are unique in, and what is deleted together. */
import type { Static } from "typebox";
import { ageColumn } from "./columns.ts";
import { conditionsSchema } from "./meta/condition-schema.ts";
import { choice, list, object, optional, text, structural } from "./meta/fields.ts";
import type { Kind } from "./meta/kind.ts";
import type { KubeObject } from "./meta/types.ts";

const schema = object("A space of names; deleting it deletes everything in it.", {
  spec: optional(
    object("How it is deleted.", {
      finalizers: optional(list("What must happen before it goes.", 16, text("A name.", 316))),
    }),
  ),
  status: optional(
    object("Where it is in its life.", {
      phase: optional(choice("Active, or Terminating while its objects are deleted.", ["Active", "Terminating"])),
      conditions: optional(conditionsSchema),
    }),
  ),
});
export type Namespace = KubeObject & Static<typeof schema>;

export const Namespace: Kind<Namespace> = {
  group: "",
  version: "v1",
  kind: "Namespace",
  listKind: "NamespaceList",
  plural: "namespaces",
  singular: "namespace",
  shortNames: ["ns"],
  categories: [],
  namespaced: false,
  schema: structural(schema),
  hasStatus: true,
  names: { form: "dns1123label", max: 63 },
  columns: [
    {
      name: "Status",
      type: "string",
      description: "Active or Terminating.",
      priority: 0,
      jsonPath: ".status.phase",
      value: (object) => object.status?.phase,
    },
    ageColumn,
  ],
};
