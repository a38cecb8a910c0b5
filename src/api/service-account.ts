/** ServiceAccount (core/v1): who a service is, for the API and for registries. */
import type { Static } from "typebox";
import { ageColumn } from "./columns.ts";
import type { Cause } from "./meta/errors.ts";
import { at, checked, forbidden, index } from "./meta/faults.ts";
import { flag, keyed, object, optional, text, structural } from "./meta/fields.ts";
import { guarded } from "./meta/guard.ts";
import type { Kind } from "./meta/kind.ts";
import { dns1123Subdomain } from "./meta/names.ts";
import type { KubeObject } from "./meta/types.ts";

const schema = object("Who a service is, for the API and for registries.", {
  secrets: optional(
    keyed(
      "Secrets that belong to it.",
      64,
      "name",
      object("A Secret.", {
        name: text("Its name, in the same namespace.", 253, { minLength: 1 }),
        namespace: optional(text("Always this namespace.", 63)),
        kind: optional(text("Always Secret.", 63)),
        apiVersion: optional(text("Always v1.", 63)),
        uid: optional(text("Its uid.", 128)),
        resourceVersion: optional(text("Unused.", 128)),
        fieldPath: optional(text("Unused.", 1024)),
      }),
    ),
  ),
  imagePullSecrets: optional(
    keyed(
      "Secrets with registry credentials for every Revision that runs as it.",
      64,
      "name",
      object("A Secret.", {
        name: text("Its name, in the same namespace.", 253, { minLength: 1 }),
      }),
    ),
  ),
  automountServiceAccountToken: optional(flag("Only false: instances never get a token.")),
});
export type ServiceAccount = KubeObject & Static<typeof schema>;

function namesFaults(secrets: readonly { name: string }[] | undefined, path: string): Cause[] {
  return (secrets ?? []).flatMap((secret, position) =>
    checked(dns1123Subdomain, secret.name, at(index(path, position), "name")),
  );
}

export const ServiceAccount: Kind<ServiceAccount> = {
  group: "",
  version: "v1",
  kind: "ServiceAccount",
  listKind: "ServiceAccountList",
  plural: "serviceaccounts",
  singular: "serviceaccount",
  shortNames: ["sa"],
  categories: [],
  namespaced: true,
  schema: structural(schema),
  hasStatus: false,
  names: { form: "dns1123subdomain", max: 253 },
  columns: [
    {
      name: "Secrets",
      type: "integer",
      description: "How many Secrets belong to it.",
      priority: 0,
      value: (object) => object.secrets?.length ?? 0,
    },
    ageColumn,
  ],
  validate: guarded<ServiceAccount>(structural(schema), (object) => [
    ...namesFaults(object.secrets, "secrets"),
    ...namesFaults(object.imagePullSecrets, "imagePullSecrets"),
    ...(object.automountServiceAccountToken === true
      ? [forbidden("automountServiceAccountToken", "instances never get a token: leave it out")]
      : []),
  ]),
};
