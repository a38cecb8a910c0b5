/** Role (rbac.authorization.k8s.io/v1): What someone may do in one namespace. */
import type { Static } from "typebox";
import { ageColumn } from "./columns.ts";
import { object, optional, structural } from "./meta/fields.ts";
import { guarded } from "./meta/guard.ts";
import type { Kind } from "./meta/kind.ts";
import type { KubeObject } from "./meta/types.ts";
import { validateRules, rbacGroup, rulesSchema } from "./rbac.ts";

const schema = object("What someone may do in one namespace.", {
  rules: optional(rulesSchema),
});
export type Role = KubeObject & Static<typeof schema>;

export const Role: Kind<Role> = {
  group: rbacGroup,
  version: "v1",
  kind: "Role",
  listKind: "RoleList",
  plural: "roles",
  singular: "role",
  shortNames: [],
  categories: [],
  namespaced: true,
  schema: structural(schema),
  hasStatus: false,
  names: { form: "path", max: 253 },
  columns: [ageColumn],
  validate: guarded<Role>(structural(schema), ({ rules }) => validateRules(rules ?? [], true)),
};
