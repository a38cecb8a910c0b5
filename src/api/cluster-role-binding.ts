/** ClusterRoleBinding (rbac.authorization.k8s.io/v1): Gives a ClusterRole to users, groups and service accounts everywhere. */
import type { Static } from "typebox";
import { object, optional, structural } from "./meta/fields.ts";
import { guarded } from "./meta/guard.ts";
import type { Kind } from "./meta/kind.ts";
import type { KubeObject } from "./meta/types.ts";
import { bindingColumns, completeBinding, validateBinding, rbacGroup, roleRefSchema, subjectsSchema } from "./rbac.ts";

const schema = object("Gives a ClusterRole to users, groups and service accounts everywhere.", {
  roleRef: roleRefSchema,
  subjects: optional(subjectsSchema),
});
export type ClusterRoleBinding = KubeObject & Static<typeof schema>;

export const ClusterRoleBinding: Kind<ClusterRoleBinding> = {
  group: rbacGroup,
  version: "v1",
  kind: "ClusterRoleBinding",
  listKind: "ClusterRoleBindingList",
  plural: "clusterrolebindings",
  singular: "clusterrolebinding",
  shortNames: [],
  categories: [],
  namespaced: false,
  schema: structural(schema),
  hasStatus: false,
  names: { form: "path", max: 253 },
  columns: bindingColumns,
  complete: completeBinding,
  validate: guarded<ClusterRoleBinding>(structural(schema), (object, { old }) =>
    validateBinding(object, old, ["ClusterRole"]),
  ),
};
