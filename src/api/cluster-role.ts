/** ClusterRole (rbac.authorization.k8s.io/v1): What someone may do in every namespace, or in those where a RoleBinding gives it. */
import type { Static } from "typebox";
import { ageColumn } from "./columns.ts";
import { object, optional, refused, structural } from "./meta/fields.ts";
import { guarded } from "./meta/guard.ts";
import type { Kind } from "./meta/kind.ts";
import type { KubeObject } from "./meta/types.ts";
import { validateRules, rbacGroup, rulesSchema } from "./rbac.ts";

const schema = object("What someone may do in every namespace, or in those where a RoleBinding gives it.", {
  rules: optional(rulesSchema),
  aggregationRule: refused("not supported yet"),
});
export type ClusterRole = KubeObject & Static<typeof schema>;

export const ClusterRole: Kind<ClusterRole> = {
  group: rbacGroup,
  version: "v1",
  kind: "ClusterRole",
  listKind: "ClusterRoleList",
  plural: "clusterroles",
  singular: "clusterrole",
  shortNames: [],
  categories: [],
  namespaced: false,
  schema: structural(schema),
  hasStatus: false,
  names: { form: "path", max: 253 },
  columns: [ageColumn],
  validate: guarded<ClusterRole>(structural(schema), ({ rules }) => validateRules(rules ?? [], false)),
};
