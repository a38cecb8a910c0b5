/** What the roles for users give, as the cluster's own authorization sees it. */
import { foreignKind } from "../../src/api/meta/foreign-kind.ts";
import type { KubeObject } from "../../src/api/meta/types.ts";
import type { ApplyingClient } from "../../src/client/client.ts";
import { kindOf } from "../../src/kubernetes/install/kinds.ts";

interface Review extends KubeObject {
  status?: { allowed?: boolean };
}
const reviews = foreignKind<Review>({
  group: "authorization.k8s.io",
  version: "v1",
  kind: "SubjectAccessReview",
  plural: "subjectaccessreviews",
  namespaced: false,
});

const rows: readonly [role: string, verb: string, resource: string, allowed: boolean][] = [
  ["view", "list", "elafros.dev/routes", true],
  ["view", "get", "build.dev/buildtemplates", true],
  ["view", "create", "elafros.dev/configurations", false],
  ["edit", "create", "elafros.dev/configurations", true],
  ["edit", "delete", "elafros.dev/revisions", true],
  ["edit", "create", "elafros.dev/revisions", false],
  ["edit", "update", "elafros.dev/routes/status", false],
  ["admin", "create", "build.dev/builds", true],
  ["admin", "create", "elafros.dev/revisions", false],
];

/** Binds users to Kubernetes' own roles in a namespace, and asks what they may do there. */
export async function judgeRights(client: ApplyingClient, namespace: string): Promise<string[]> {
  const group = "rbac.authorization.k8s.io";
  for (const role of ["view", "edit", "admin"]) {
    await client.create(kindOf({ kind: "RoleBinding" }), {
      apiVersion: `${group}/v1`,
      kind: "RoleBinding",
      metadata: { name: role, namespace },
      roleRef: { apiGroup: group, kind: "ClusterRole", name: role },
      subjects: [{ apiGroup: group, kind: "User", name: `elafros-check-${role}` }],
    } as KubeObject);
  }
  // Roles take up others by a controller, and authorization sees bindings through a cache: it is asked until all is as it should be.
  let faults: string[] = [];
  for (let attempt = 0; attempt < 60; attempt += 1) {
    faults = [];
    for (const row of rows) faults.push(...(await ask(client, namespace, row)));
    if (faults.length === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  return faults;
}

async function ask(client: ApplyingClient, namespace: string, row: (typeof rows)[number]): Promise<string[]> {
  const [role, verb, path, allowed] = row;
  const [group = "", resource = "", subresource = ""] = path.split("/");
  const review = await client.create(reviews, {
    apiVersion: "authorization.k8s.io/v1",
    kind: "SubjectAccessReview",
    metadata: { name: "" },
    spec: { user: `elafros-check-${role}`, resourceAttributes: { namespace, verb, group, resource, subresource } },
  } as Review);
  if (review.status?.allowed === allowed) return [];
  return [`${role} ${allowed ? "can't" : "can"} ${verb} ${path}`];
}
