/** What Role, ClusterRole and their bindings have in common (rbac.authorization.k8s.io/v1). */
import type { Static } from "typebox";
import { choice, list, object, optional, text } from "./meta/fields.ts";

export const rbacGroup = "rbac.authorization.k8s.io";

const names = (description: string, minItems = 0) =>
  list(description, 256, text("A name; * is every one.", 253), minItems === 0 ? {} : { minItems });

const rule = object("Verbs on resources.", {
  verbs: names("The verbs: get, list, watch, create, update, patch, delete, deletecollection; * is every one."),
  apiGroups: optional(names("The groups of the resources; an empty string is the core group.")),
  resources: optional(names("The resources in plural, such as routes or routes/status.")),
  resourceNames: optional(names("The objects' names. Default: every one.")),
  nonResourceURLs: optional(names("Paths that are no resources; only in a ClusterRole.")),
});
export type PolicyRule = Static<typeof rule>;

/** `rules` of a Role and a ClusterRole. */
export const rulesSchema = list("What it allows; a request is allowed when one rule allows it.", 512, rule);

const subject = object("Whom it is given to.", {
  kind: choice("User, Group or ServiceAccount.", ["User", "Group", "ServiceAccount"]),
  name: text("The name.", 1024),
  apiGroup: optional(text("rbac.authorization.k8s.io for users and groups, empty for service accounts.", 253)),
  namespace: optional(text("The service account's namespace.", 63)),
});
export type Subject = Static<typeof subject>;

/** `subjects` of a binding. */
export const subjectsSchema = list("Whom the role is given to.", 1024, subject);

/** `roleRef` of a binding. */
export const roleRefSchema = object("The role that is given. It never changes: delete the binding and make another.", {
  apiGroup: text("rbac.authorization.k8s.io.", 253),
  kind: choice("Role or ClusterRole.", ["Role", "ClusterRole"]),
  name: text("The role's name.", 253),
});
export type RoleRef = Static<typeof roleRefSchema>;
