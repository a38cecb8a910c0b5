/**
 * The roles that every installation has: `cluster-admin`, `admin`, `edit` and `view` as in Kubernetes, for Elafros' kinds, and
 * what every authenticated user may do. Made at the start where they are missing; rules that were taken out of them come back
 * unless the role is annotated `rbac.authorization.kubernetes.io/autoupdate: "false"`.
 */
import { sharedTemplates } from "../api/build-spec.ts";
import { isReason } from "../api/meta/errors.ts";
import type { Kind } from "../api/meta/kind.ts";
import type { ApiService, RequestContext } from "../api/meta/service.ts";
import type { KubeObject } from "../api/meta/types.ts";
import { authenticatedGroup } from "./authn.ts";
import { systemUser } from "./rbac-cache.ts";
import { uncovered } from "./rbac-cover.ts";
import { type BindingObject, mastersGroup, type PolicyRule, rbacGroup, type RoleObject } from "./rbac.ts";

const autoupdate = "rbac.authorization.kubernetes.io/autoupdate";
const bootstrapLabels = { "kubernetes.io/bootstrapping": "rbac-defaults" };

const read = ["get", "list", "watch"];
const write = ["create", "delete", "deletecollection", "patch", "update"];
const group = "elafros.dev";
const buildGroup = "build.dev";

const viewRules: PolicyRule[] = [
  {
    apiGroups: [""],
    resources: ["configmaps", "events", "namespaces", "pods", "pods/log", "pods/status", "serviceaccounts"],
    verbs: read,
  },
  {
    apiGroups: [group],
    resources: ["configurations", "configurations/status", "revisions", "revisions/status", "routes", "routes/status"],
    verbs: read,
  },
  { apiGroups: [buildGroup], resources: ["builds", "builds/status", "buildtemplates"], verbs: read },
];

const editRules: PolicyRule[] = [
  ...viewRules,
  { apiGroups: [""], resources: ["secrets"], verbs: read },
  { apiGroups: [""], resources: ["configmaps", "secrets", "serviceaccounts"], verbs: write },
  { apiGroups: [""], resources: ["events"], verbs: ["create", "patch", "update"] },
  { apiGroups: [""], resources: ["serviceaccounts"], verbs: ["impersonate"] },
  { apiGroups: [""], resources: ["serviceaccounts/token"], verbs: ["create"] },
  { apiGroups: [group], resources: ["configurations", "routes"], verbs: write },
  { apiGroups: [group], resources: ["revisions"], verbs: write.filter((verb) => verb !== "create") },
  { apiGroups: [buildGroup], resources: ["builds", "buildtemplates"], verbs: write },
  // Archives that are uploaded to be built.
  { apiGroups: [buildGroup], resources: ["sources"], verbs: ["get", "create"] },
];

const adminRules: PolicyRule[] = [
  ...editRules,
  { apiGroups: [rbacGroup], resources: ["roles", "rolebindings"], verbs: [...read, ...write] },
  { apiGroups: ["authorization.k8s.io"], resources: ["localsubjectaccessreviews"], verbs: ["create"] },
];

const publicPaths = ["/healthz", "/livez", "/readyz", "/version", "/version/"];
const discoveryPaths = ["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", ...publicPaths];

/** Name, rules, and the groups that have the role everywhere. */
const defaults: readonly { name: string; rules: PolicyRule[]; groups?: string[] }[] = [
  {
    name: "cluster-admin",
    rules: [
      { apiGroups: ["*"], resources: ["*"], verbs: ["*"] },
      { nonResourceURLs: ["*"], verbs: ["*"] },
    ],
    groups: [mastersGroup],
  },
  { name: "admin", rules: adminRules },
  { name: "edit", rules: editRules },
  { name: "view", rules: viewRules },
  {
    name: "system:discovery",
    rules: [{ nonResourceURLs: discoveryPaths, verbs: ["get"] }],
    groups: [authenticatedGroup],
  },
  {
    name: "system:monitoring",
    rules: [{ nonResourceURLs: ["/metrics"], verbs: ["get"] }],
    groups: ["system:monitoring"],
  },
  {
    name: "system:basic-user",
    rules: [
      {
        apiGroups: ["authorization.k8s.io"],
        resources: ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
        verbs: ["create"],
      },
      { apiGroups: ["authentication.k8s.io"], resources: ["selfsubjectreviews"], verbs: ["create"] },
    ],
    groups: [authenticatedGroup],
  },
];

/** Roles of a namespace, and the groups that have them there. */
const namespaced: readonly { namespace: string; name: string; rules: PolicyRule[]; groups: string[] }[] = [
  {
    namespace: sharedTemplates,
    name: "system:build-templates",
    rules: [{ apiGroups: [buildGroup], resources: ["buildtemplates"], verbs: read }],
    groups: [authenticatedGroup],
  },
];

/** Makes the default roles and bindings that are missing, and completes the ones that lack rules or subjects. The standing namespaces must be there. */
export async function ensureDefaultRoles(service: ApiService, kinds: readonly Kind[]): Promise<void> {
  const find = (name: string): Kind => {
    const kind = kinds.find((candidate) => candidate.group === rbacGroup && candidate.kind === name);
    if (kind === undefined) throw new Error(`Kind "${name}" is not served`);
    return kind;
  };
  const all = [...defaults.map((role) => ({ ...role, namespace: undefined })), ...namespaced];
  for (const { namespace, name, rules, groups } of all) {
    const apiVersion = `${rbacGroup}/v1`;
    const metadata = {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      labels: bootstrapLabels,
      annotations: { [autoupdate]: "true" },
    };
    const kind = namespace === undefined ? "ClusterRole" : "Role";
    await ensure<RoleObject>(service, find(kind), { apiVersion, kind, metadata, rules }, (stored) => {
      const missing = uncovered(stored.rules ?? [], rules);
      return missing.length === 0 ? undefined : { ...stored, rules: [...(stored.rules ?? []), ...missing] };
    });
    if (groups === undefined) continue;
    const subjects = groups.map((one) => ({ kind: "Group", apiGroup: rbacGroup, name: one }));
    const roleRef = { apiGroup: rbacGroup, kind, name };
    const binding = `${kind}Binding`;
    const wanted: BindingObject = { apiVersion, kind: binding, metadata, subjects, roleRef };
    await ensure<BindingObject>(service, find(binding), wanted, (stored) => {
      const missing = subjects.filter(
        (subject) => !(stored.subjects ?? []).some(({ kind: of, name: own }) => of === "Group" && own === subject.name),
      );
      return missing.length === 0 ? undefined : { ...stored, subjects: [...(stored.subjects ?? []), ...missing] };
    });
  }
}

/** Creates an object, or updates the stored one to what `complete` makes of it, if anything. */
async function ensure<T extends KubeObject>(
  service: ApiService,
  kind: Kind,
  wanted: T,
  complete: (stored: T) => T | undefined,
): Promise<void> {
  const context: RequestContext = { user: systemUser, warnings: [] };
  const { namespace, name } = wanted.metadata;
  const place = namespace === undefined ? { kind } : { kind, namespace };
  try {
    await service.create(context, place, wanted);
    return;
  } catch (error) {
    if (!isReason(error, "AlreadyExists")) throw error;
  }
  const target = { ...place, name };
  const stored = (await service.get(context, target)) as T;
  if (stored.metadata.annotations?.[autoupdate] === "false") return;
  const update = complete(stored);
  if (update !== undefined) await service.update(context, target, update);
}
