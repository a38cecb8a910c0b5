/** ConfigMap (core/v1): settings that are no secrets. */
import type { Static } from "typebox";
import { ageColumn } from "./columns.ts";
import { immutableFaults, validateData } from "./data.ts";
import { flag, object, optional, stringMap, structural } from "./meta/fields.ts";
import { guarded } from "./meta/guard.ts";
import type { Kind } from "./meta/kind.ts";
import type { KubeObject } from "./meta/types.ts";

const schema = object("Settings that are no secrets.", {
  data: optional(stringMap("The values, as text.", 4096, 1_048_576)),
  binaryData: optional(stringMap("Values that are no text, each in base64.", 4096, 1_400_000)),
  immutable: optional(flag("Whether data and binaryData can never change again.")),
});
export type ConfigMap = KubeObject & Static<typeof schema>;

export const ConfigMap: Kind<ConfigMap> = {
  group: "",
  version: "v1",
  kind: "ConfigMap",
  listKind: "ConfigMapList",
  plural: "configmaps",
  singular: "configmap",
  shortNames: ["cm"],
  categories: [],
  namespaced: true,
  schema: structural(schema),
  hasStatus: false,
  names: { form: "dns1123subdomain", max: 253 },
  columns: [
    {
      name: "Data",
      type: "integer",
      description: "How many values it has.",
      priority: 0,
      value: (object) => Object.keys(object.data ?? {}).length + Object.keys(object.binaryData ?? {}).length,
    },
    ageColumn,
  ],
  validate: guarded<ConfigMap>(structural(schema), (object, { old }) => [
    ...validateData([
      { field: "data", values: object.data },
      { field: "binaryData", values: object.binaryData, plainField: "data" },
    ]),
    ...immutableFaults(object, old, ["data", "binaryData"]),
  ]),
};
