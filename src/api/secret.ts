/** Secret (core/v1): values that only those who may read Secrets see. */
import type { Static } from "typebox";
import { ageColumn } from "./columns.ts";
import { flag, object, optional, stringMap, text, structural } from "./meta/fields.ts";
import type { Kind } from "./meta/kind.ts";
import type { KubeObject } from "./meta/types.ts";

/** The most that all values of a Secret or ConfigMap hold together, in bytes. */
export const maxDataBytes = 1024 * 1024;

const schema = object("Values that only those who may read Secrets see.", {
  type: optional(
    text("What the Secret is for; decides which keys it must have. Default: Opaque.", 253, { default: "Opaque" }),
  ),
  data: optional(stringMap("The values, each in base64.", 4096, 1_400_000)),
  stringData: optional(stringMap("Values as plain text; written into data, never read back.", 4096, 1_048_576)),
  immutable: optional(flag("Whether data can never change again.")),
});
export type Secret = KubeObject & Static<typeof schema>;

export const Secret: Kind<Secret> = {
  group: "",
  version: "v1",
  kind: "Secret",
  listKind: "SecretList",
  plural: "secrets",
  singular: "secret",
  shortNames: [],
  categories: [],
  namespaced: true,
  schema: structural(schema),
  hasStatus: false,
  names: { form: "dns1123subdomain", max: 253 },
  columns: [
    {
      name: "Type",
      type: "string",
      description: "What the Secret is for.",
      priority: 0,
      jsonPath: ".type",
      value: (object) => object.type,
    },
    {
      name: "Data",
      type: "integer",
      description: "How many values it has.",
      priority: 0,
      value: (object) => Object.keys(object.data ?? {}).length,
    },
    ageColumn,
  ],
};
