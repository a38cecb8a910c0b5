import { describe, expect, it } from "vitest";

import { uncovered } from "./rbac-cover.ts";
import { checkEscalation } from "./rbac-escalation.ts";
import {
  type Attributes,
  type BindingObject,
  decide,
  forbidden,
  pathAttributes,
  type PolicyRule,
  type RbacView,
  type RoleObject,
  ruleAllows,
} from "./rbac.ts";

const user = { username: "alice", groups: ["dev", "system:authenticated"] };
const bot = { username: "system:serviceaccount:default:bot", groups: ["system:serviceaccounts"] };

function question(over: Partial<Attributes> = {}): Attributes {
  return { user, verb: "get", group: "", resource: "pods", subresource: "", namespace: "default", name: "", ...over };
}

function view(roles: Record<string, PolicyRule[]>, bindings: [string, BindingObject][]): RbacView {
  return {
    role: (namespace, name) => {
      const rules = roles[`${namespace}/${name}`];
      return rules === undefined
        ? undefined
        : ({ apiVersion: "", kind: "", metadata: { name }, rules } satisfies RoleObject);
    },
    bindings: (namespace) => bindings.filter(([place]) => place === namespace).map(([, binding]) => binding),
  };
}

function binding(namespace: string, role: string, subjects: BindingObject["subjects"]): [string, BindingObject] {
  const [kind = "", name = ""] = role.split("/");
  const metadata = namespace === "" ? { name } : { name, namespace };
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind, name };
  return [
    namespace,
    {
      apiVersion: "",
      kind: namespace === "" ? "ClusterRoleBinding" : "RoleBinding",
      metadata,
      roleRef,
      subjects: subjects ?? [],
    },
  ];
}

const readPods: PolicyRule[] = [{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }];

describe("ruleAllows()", () => {
  const rows: [string, Partial<PolicyRule>, Partial<Attributes>, boolean][] = [
    ["the same", {}, {}, true],
    ["another verb", {}, { verb: "list" }, false],
    ["every verb", { verbs: ["*"] }, { verb: "list" }, true],
    ["another group", {}, { group: "elafros.dev" }, false],
    ["every group", { apiGroups: ["*"] }, { group: "elafros.dev" }, true],
    ["a subresource of an allowed resource", {}, { subresource: "log" }, false],
    ["the subresource", { resources: ["pods/log"] }, { subresource: "log" }, true],
    ["the subresource of every resource", { resources: ["*/log"] }, { subresource: "log" }, true],
    ["every resource, with its subresources", { resources: ["*"] }, { subresource: "log" }, true],
    ["the resource of an allowed subresource", { resources: ["pods/log"] }, {}, false],
    ["an allowed name", { resourceNames: ["a"] }, { name: "a" }, true],
    ["another name", { resourceNames: ["a"] }, { name: "b" }, false],
    ["no name where names are allowed", { resourceNames: ["a"] }, {}, false],
    ["no names given is every name", { resourceNames: [] }, { name: "b" }, true],
  ];
  it.each(rows)("%s", (_, rule, attributes, allowed) => {
    expect(ruleAllows({ apiGroups: [""], resources: ["pods"], verbs: ["get"], ...rule }, question(attributes))).toBe(
      allowed,
    );
  });

  it("reads paths, a final star included", () => {
    const rule = { verbs: ["get"], nonResourceURLs: ["/apis/*", "/version"] };
    expect(ruleAllows(rule, pathAttributes(user, "get", "/apis/x/y"))).toBe(true);
    expect(ruleAllows(rule, pathAttributes(user, "get", "/version"))).toBe(true);
    expect(ruleAllows(rule, pathAttributes(user, "get", "/versions"))).toBe(false);
    expect(ruleAllows(rule, pathAttributes(user, "post", "/version"))).toBe(false);
    expect(ruleAllows(rule, question())).toBe(false);
    expect(
      ruleAllows({ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }, pathAttributes(user, "get", "/metrics")),
    ).toBe(false);
  });
});

describe("decide()", () => {
  it("allows system:masters everything", () => {
    const admin = { username: "root", groups: ["system:masters"] };
    expect(decide(view({}, []), question({ user: admin, verb: "delete" }))).toEqual({ allowed: true });
  });

  it("finds users, groups and accounts in bindings, and says which binding allowed", () => {
    const roles = { "default/reader": readPods, "/view": readPods };
    const byUser = view(roles, [binding("default", "Role/reader", [{ kind: "User", name: "alice" }])]);
    expect(decide(byUser, question()).reason).toBe(
      'RBAC: allowed by RoleBinding "reader/default" of Role "reader" to User "alice"',
    );
    expect(decide(byUser, question({ namespace: "other" }))).toEqual({ allowed: false });
    const byGroup = view(roles, [binding("", "ClusterRole/view", [{ kind: "Group", name: "dev" }])]);
    expect(decide(byGroup, question({ namespace: "other" })).allowed).toBe(true);
    expect(decide(byGroup, question({ namespace: "" })).allowed).toBe(true);
    const byAccount = view(roles, [
      binding("default", "Role/reader", [{ kind: "ServiceAccount", name: "bot", namespace: "default" }]),
    ]);
    expect(decide(byAccount, question({ user: bot })).reason).toBe(
      'RBAC: allowed by RoleBinding "reader/default" of Role "reader" to ServiceAccount "bot/default"',
    );
    expect(decide(byAccount, question())).toEqual({ allowed: false });
  });

  it("gives a ClusterRole bound in a namespace there only", () => {
    const bound = view({ "/view": readPods }, [
      binding("default", "ClusterRole/view", [{ kind: "User", name: "alice" }]),
    ]);
    expect(decide(bound, question()).allowed).toBe(true);
    expect(decide(bound, question({ namespace: "other" })).allowed).toBe(false);
    expect(decide(bound, question({ namespace: "" })).allowed).toBe(false);
  });

  it("gives nothing for a role that isn't there, or a Role bound everywhere", () => {
    const subjects = [{ kind: "User", name: "alice" }];
    expect(decide(view({}, [binding("default", "Role/reader", subjects)]), question()).allowed).toBe(false);
    expect(decide(view({ "/reader": readPods }, [binding("", "Role/reader", subjects)]), question()).allowed).toBe(
      false,
    );
  });
});

describe("forbidden()", () => {
  it.each([
    [{}, 'pods is forbidden: User "alice" cannot get resource "pods" in API group "" in the namespace "default"'],
    [
      { namespace: "", name: "x" },
      'pods "x" is forbidden: User "alice" cannot get resource "pods" in API group "" at the cluster scope',
    ],
    [
      { group: "elafros.dev", resource: "routes", subresource: "status", name: "x" },
      'routes.elafros.dev "x" is forbidden: User "alice" cannot get resource "routes/status" in API group "elafros.dev" in the namespace "default"',
    ],
  ])("words %j as Kubernetes does", (attributes, message) => {
    expect(forbidden(question(attributes)).message).toBe(message);
  });
});

describe("uncovered()", () => {
  const rows: [string, PolicyRule[], PolicyRule[], number][] = [
    ["the same", readPods, readPods, 0],
    ["a wider verb", readPods, [{ apiGroups: [""], resources: ["pods"], verbs: ["get", "list"] }], 1],
    ["every resource", readPods, [{ apiGroups: [""], resources: ["*"], verbs: ["get"] }], 1],
    ["less than everything", [{ apiGroups: ["*"], resources: ["*"], verbs: ["*"] }], readPods, 0],
    ["one of all names", readPods, [{ apiGroups: [""], resources: ["pods"], verbs: ["get"], resourceNames: ["a"] }], 0],
    ["all names of one", [{ apiGroups: [""], resources: ["pods"], verbs: ["get"], resourceNames: ["a"] }], readPods, 1],
    [
      "a sum of rules",
      [...readPods, { apiGroups: [""], resources: ["pods"], verbs: ["list"] }],
      [{ apiGroups: [""], resources: ["pods"], verbs: ["get", "list"] }],
      0,
    ],
    [
      "a path below",
      [{ verbs: ["get"], nonResourceURLs: ["/apis/*"] }],
      [{ verbs: ["get"], nonResourceURLs: ["/apis/x"] }],
      0,
    ],
    ["every path", [{ verbs: ["get"], nonResourceURLs: ["/apis/*"] }], [{ verbs: ["get"], nonResourceURLs: ["*"] }], 1],
  ];
  it.each(rows)("%s", (_, owned, wanted, missing) => {
    expect(uncovered(owned, wanted)).toHaveLength(missing);
  });
});

describe("checkEscalation()", () => {
  const role = { apiVersion: "", kind: "Role", metadata: { name: "r", namespace: "default" }, rules: readPods };
  const alice = [{ kind: "User", name: "alice" }];

  it("lets the writer grant what it holds, nothing else", () => {
    const holds = view({ "default/own": readPods }, [binding("default", "Role/own", alice)]);
    expect(() => checkEscalation(holds, { user, resource: "roles", object: role })).not.toThrow();
    expect(() => checkEscalation(view({}, []), { user, resource: "roles", object: role })).toThrow(
      'user "alice" (groups=["dev" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["get"]}',
    );
  });

  it("lets whoever may escalate or bind", () => {
    const may = (verb: string, resource: string) =>
      view(
        {
          "/power": [{ apiGroups: ["rbac.authorization.k8s.io"], resources: [resource], verbs: [verb] }],
          "default/r": readPods,
        },
        [binding("", "ClusterRole/power", alice)],
      );
    expect(() => checkEscalation(may("escalate", "roles"), { user, resource: "roles", object: role })).not.toThrow();
    const [, bound] = binding("default", "Role/r", alice);
    expect(() =>
      checkEscalation(may("bind", "roles"), { user, resource: "rolebindings", object: bound }),
    ).not.toThrow();
    expect(() =>
      checkEscalation(may("bind", "clusterroles"), { user, resource: "rolebindings", object: bound }),
    ).toThrow("not currently held");
  });

  it("doesn't ask again about what stays as it was", () => {
    const relabelled = { ...role, metadata: { ...role.metadata, labels: { a: "b" } } };
    expect(() =>
      checkEscalation(view({}, []), { user, resource: "roles", object: relabelled, old: role }),
    ).not.toThrow();
  });
});
