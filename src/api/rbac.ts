/** What Role, ClusterRole and their bindings have in common (rbac.authorization.k8s.io/v1). */
import { isDeepStrictEqual } from "node:util";
import type { Static } from "typebox";
import { ageColumn } from "./columns.ts";
import type { PrinterColumn } from "./meta/kind.ts";
import type { KubeObject } from "./meta/types.ts";
import type { Cause } from "./meta/errors.ts";
import { at, checked, index, invalid, notSupported, required } from "./meta/faults.ts";
import { choice, list, object, optional, text } from "./meta/fields.ts";
import { dns1123Label, dns1123Subdomain, pathSegment } from "./meta/names.ts";
import { isObject } from "./meta/schema.ts";

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
  name: text("The name.", 1024, { minLength: 1 }),
  apiGroup: optional(
    text("Its group: rbac.authorization.k8s.io for users and groups, empty for service accounts.", 253),
  ),
  namespace: optional(text("The service account's namespace.", 63)),
});
type Subject = Static<typeof subject>;

/** `subjects` of a binding. */
export const subjectsSchema = list("Whom the role is given to.", 1024, subject);

/** `roleRef` of a binding. */
export const roleRefSchema = object("The role that is given. It never changes: delete the binding and make another.", {
  apiGroup: optional(text("The role's group: rbac.authorization.k8s.io, which is also the default.", 253)),
  kind: choice("Role or ClusterRole.", ["Role", "ClusterRole"]),
  name: text("The role's name.", 253, { minLength: 1 }),
});
type RoleRef = Static<typeof roleRefSchema>;

/** Faults of the rules of a Role (`namespaced`) or ClusterRole. */
export function validateRules(rules: readonly PolicyRule[], namespaced: boolean): Cause[] {
  return rules.flatMap((rule, position) => ruleFaults(rule, namespaced, index("rules", position)));
}

function ruleFaults(rule: PolicyRule, namespaced: boolean, path: string): Cause[] {
  const { verbs, apiGroups = [], resources = [], nonResourceURLs = [], resourceNames = [] } = rule;
  const faults: Cause[] = [];
  if (verbs.length === 0) faults.push(required(at(path, "verbs"), "verbs must contain at least one value"));
  if (nonResourceURLs.length > 0) {
    const words = "rules cannot apply to both regular resources and non-resource URLs";
    const mixed = apiGroups.length + resources.length + resourceNames.length > 0;
    const field = at(path, "nonResourceURLs");
    if (namespaced) faults.push(invalid(field, nonResourceURLs, "namespaced rules cannot apply to non-resource URLs"));
    else if (mixed) faults.push(invalid(field, nonResourceURLs, words));
    return faults;
  }
  if (apiGroups.length === 0) {
    faults.push(required(at(path, "apiGroups"), "resource rules must supply at least one api group"));
  }
  if (resources.length === 0) {
    faults.push(required(at(path, "resources"), "resource rules must supply at least one resource"));
  }
  return faults;
}

/** Fills in the API groups of a binding's role and subjects. The object's form is not known yet. */
export function completeBinding(object: object): void {
  if (!isObject(object)) return;
  const { roleRef, subjects } = object;
  if (isObject(roleRef) && (roleRef["apiGroup"] ?? "") === "") roleRef["apiGroup"] = rbacGroup;
  for (const subject of Array.isArray(subjects) ? subjects : []) {
    if (isObject(subject) && subject["kind"] !== "ServiceAccount" && (subject["apiGroup"] ?? "") === "") {
      subject["apiGroup"] = rbacGroup;
    }
  }
}

interface Binding {
  roleRef: RoleRef;
  subjects?: Subject[];
}

/** Faults of a RoleBinding or ClusterRoleBinding, which may name roles of these kinds. */
export function validateBinding(
  { roleRef, subjects = [] }: Binding,
  old: Binding | undefined,
  kinds: readonly string[],
): Cause[] {
  const faults: Cause[] = [];
  if (roleRef.apiGroup !== undefined && roleRef.apiGroup !== rbacGroup) {
    faults.push(notSupported("roleRef.apiGroup", roleRef.apiGroup, [rbacGroup]));
  }
  if (["Role", "ClusterRole"].includes(roleRef.kind) && !kinds.includes(roleRef.kind)) {
    faults.push(notSupported("roleRef.kind", roleRef.kind, kinds));
  }
  faults.push(...checked(pathSegment, roleRef.name, "roleRef.name"));
  if (old !== undefined && !isDeepStrictEqual(roleRef, old.roleRef)) {
    faults.push(invalid("roleRef", roleRef, "cannot change roleRef"));
  }
  return [...faults, ...subjects.flatMap((subject, position) => subjectFaults(subject, index("subjects", position)))];
}

function subjectFaults({ kind, name, apiGroup = "", namespace = "" }: Subject, path: string): Cause[] {
  if (kind !== "ServiceAccount") {
    return apiGroup === rbacGroup ? [] : [notSupported(at(path, "apiGroup"), apiGroup, [rbacGroup])];
  }
  return [
    ...(apiGroup === "" ? [] : [notSupported(at(path, "apiGroup"), apiGroup, [""])]),
    ...checked(dns1123Subdomain, name, at(path, "name")),
    ...(namespace === "" ? [required(at(path, "namespace"))] : checked(dns1123Label, namespace, at(path, "namespace"))),
  ];
}

/** The columns of a binding. */
export const bindingColumns: readonly PrinterColumn<KubeObject & Binding>[] = [
  {
    name: "Role",
    type: "string",
    description: "The role that is given.",
    priority: 0,
    value: ({ roleRef }) => `${roleRef.kind}/${roleRef.name}`,
  },
  ageColumn,
  subjectColumn("Users", "User"),
  subjectColumn("Groups", "Group"),
  subjectColumn("ServiceAccounts", "ServiceAccount"),
];

function subjectColumn(name: string, kind: Subject["kind"]): PrinterColumn<KubeObject & Binding> {
  return {
    name,
    type: "string",
    description: `The ${name} that the role is given to.`,
    priority: 1,
    value: ({ subjects = [] }) =>
      subjects
        .filter((subject) => subject.kind === kind)
        .map((subject) => (kind === "ServiceAccount" ? `${subject.namespace ?? ""}/${subject.name}` : subject.name))
        .join(", "),
  };
}
