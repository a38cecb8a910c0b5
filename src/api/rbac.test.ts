import { describe, expect, test } from "vitest";
import { admit, faultTexts } from "../../test/support/faults.ts";
import { ClusterRoleBinding } from "./cluster-role-binding.ts";
import { ClusterRole } from "./cluster-role.ts";
import { RoleBinding } from "./role-binding.ts";
import { Role } from "./role.ts";

const group = "rbac.authorization.k8s.io";
const object = (kind: string, fields: object): unknown => ({
  apiVersion: `${group}/v1`,
  kind,
  metadata: kind.startsWith("Cluster") ? { name: "system:x" } : { name: "system:x", namespace: "default" },
  ...fields,
});
const rule = { verbs: ["get"], apiGroups: [""], resources: ["pods"] };

describe("Role and ClusterRole", () => {
  test("accept rules, names with colons, and no rules at all", () => {
    expect(faultTexts(Role, object("Role", { rules: [rule] }))).toEqual([]);
    expect(faultTexts(Role, object("Role", {}))).toEqual([]);
    expect(
      faultTexts(ClusterRole, object("ClusterRole", { rules: [{ verbs: ["get"], nonResourceURLs: ["/livez"] }] })),
    ).toEqual([]);
  });

  test("refuse rules that say nothing, or two things at once", () => {
    expect(
      faultTexts(Role, object("Role", { rules: [{ verbs: [] }, { verbs: ["get"], nonResourceURLs: ["/x"] }, {}] })),
    ).toEqual([
      "rules[2].verbs: Required value",
      "rules[0].verbs: Required value: verbs must contain at least one value",
      "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
      "rules[0].resources: Required value: resource rules must supply at least one resource",
      'rules[1].nonResourceURLs: Invalid value: "array": namespaced rules cannot apply to non-resource URLs',
      "rules[2].verbs: Required value: verbs must contain at least one value",
      "rules[2].apiGroups: Required value: resource rules must supply at least one api group",
      "rules[2].resources: Required value: resource rules must supply at least one resource",
    ]);
    expect(faultTexts(ClusterRole, object("ClusterRole", { rules: [{ ...rule, nonResourceURLs: ["/x"] }] }))).toEqual([
      'rules[0].nonResourceURLs: Invalid value: "array": rules cannot apply to both regular resources and non-resource URLs',
    ]);
  });

  test("refuse names that are no part of a path, and aggregation, for now", () => {
    const named = { ...(object("ClusterRole", { aggregationRule: {} }) as object), metadata: { name: "a/b" } };
    expect(faultTexts(ClusterRole, named)).toEqual([
      "metadata.name: Invalid value: \"a/b\": may not contain '/'",
      "aggregationRule: Forbidden: not supported yet",
    ]);
  });
});

describe("RoleBinding and ClusterRoleBinding", () => {
  const subjects = [
    { kind: "User", name: "alice" },
    { kind: "Group", name: "system:authenticated", apiGroup: "" },
    { kind: "ServiceAccount", name: "default", namespace: "default" },
  ];

  test("get the API groups that they leave out", () => {
    const { object: bound, faults } = admit(
      RoleBinding,
      object("RoleBinding", { roleRef: { kind: "ClusterRole", name: "view" }, subjects }),
    );
    expect(faults).toEqual([]);
    expect(bound.roleRef.apiGroup).toBe(group);
    expect(bound.subjects?.map(({ apiGroup }) => apiGroup)).toEqual([group, group, undefined]);
  });

  test("show whom they give what", () => {
    const { object: bound } = admit(
      RoleBinding,
      object("RoleBinding", { roleRef: { kind: "ClusterRole", name: "view" }, subjects }),
    );
    const cells = Object.fromEntries(RoleBinding.columns.map((column) => [column.name, column.value(bound)]));
    expect(cells).toMatchObject({
      Role: "ClusterRole/view",
      Users: "alice",
      Groups: "system:authenticated",
      ServiceAccounts: "default/default",
    });
  });

  test.each<[string, object, string[]]>([
    [
      "a role of another group or kind",
      { roleRef: { apiGroup: "apps", kind: "Deployment", name: "x" } },
      [
        'roleRef.kind: Unsupported value: "Deployment": supported values: "Role", "ClusterRole"',
        `roleRef.apiGroup: Unsupported value: "apps": supported values: "${group}"`,
      ],
    ],
    ["no role", {}, ["roleRef: Required value"]],
    [
      "subjects that are nobody",
      {
        roleRef: { kind: "ClusterRole", name: "view" },
        subjects: [
          { kind: "ServiceAccount", name: "a" },
          { kind: "User", name: "", apiGroup: "x" },
        ],
      },
      [
        'subjects[1].name: Invalid value: "": subjects[1].name in body should be at least 1 chars long',
        "subjects[0].namespace: Required value",
        `subjects[1].apiGroup: Unsupported value: "x": supported values: "${group}"`,
      ],
    ],
  ])("refuse %s", (_, fields, expected) => {
    expect(faultTexts(RoleBinding, object("RoleBinding", fields))).toEqual(expected);
  });

  test("give only ClusterRoles everywhere, and keep their role", () => {
    const binding = (roleRef: object) => object("ClusterRoleBinding", { roleRef });
    expect(faultTexts(ClusterRoleBinding, binding({ kind: "Role", name: "x" }))).toEqual([
      'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
    ]);
    const { object: old } = admit(ClusterRoleBinding, binding({ kind: "ClusterRole", name: "view" }));
    expect(faultTexts(ClusterRoleBinding, { ...old, subjects }, old)).toEqual([]);
    expect(faultTexts(ClusterRoleBinding, { ...old, roleRef: { kind: "ClusterRole", name: "admin" } }, old)).toEqual([
      'roleRef: Invalid value: "object": cannot change roleRef',
    ]);
  });
});
