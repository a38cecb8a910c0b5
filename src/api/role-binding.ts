/** RoleBinding (rbac.authorization.k8s.io/v1): Gives a role to users, groups and service accounts in one namespace. */
import type { Static } from "typebox";
import { object, optional, structural } from "./meta/fields.ts";
import { guarded } from "./meta/guard.ts";
import type { Kind } from "./meta/kind.ts";
import type { KubeObject } from "./meta/types.ts";
import { bindingColumns, completeBinding, validateBinding, rbacGroup, roleRefSchema, subjectsSchema } from "./rbac.ts";

const schema = object("Gives a role to users, groups and service accounts in one namespace.", {
  roleRef: roleRefSchema,
  subjects: optional(subjectsSchema),
});
export type RoleBinding = KubeObject & Static<typeof schema>;

export const RoleBinding: Kind<RoleBinding> = {
  group: rbacGroup,
  version: "v1",
  kind: "RoleBinding",
  listKind: "RoleBindingList",
  plural: "rolebindings",
  singular: "rolebinding",
  shortNames: [],
  categories: [],
  namespaced: true,
  schema: structural(schema),
  hasStatus: false,
  names: { form: "path", max: 253 },
  columns: bindingColumns,
  complete: completeBinding,
  validate: guarded<RoleBinding>(structural(schema), (object, { old }) =>
    validateBinding(object, old, ["Role", "ClusterRole"]),
  ),
};
