/**
 * Who may do what. The controllers have what they need and not more; gateways have no right at all in the API. For users there are
 * roles that Kubernetes' own `admin`, `edit` and `view` take up by their labels: whoever has one of those in a namespace has Elafros' kinds there.
 */
import { sharedTemplates, uploadsConfig } from "../../api/build-names.ts";
import { type InstallOptions, type Manifest, doorService, labelsOf, leaderLease, nameOf, partOf } from "./names.ts";

interface PolicyRule {
  apiGroups: string[];
  resources: string[];
  resourceNames?: string[];
  verbs: string[];
}

const rbac = "rbac.authorization.k8s.io";
const apiVersion = `${rbac}/v1`;
const read = ["get", "list", "watch"];
const change = ["create", "update", "patch", "delete"];

function rule(group: string, resources: readonly string[], verbs: readonly string[]): PolicyRule {
  return { apiGroups: [group], resources: [...resources], verbs: [...verbs] };
}

/** What the controllers do everywhere. */
const controllerRules: readonly PolicyRule[] = [
  rule("elafros.dev", ["configurations", "revisions", "routes"], read),
  // Configurations that `elafros run` made end with it; Revisions are made, and kept while a Route names them.
  rule("elafros.dev", ["configurations"], ["update", "patch", "delete"]),
  rule("elafros.dev", ["revisions"], change),
  rule("elafros.dev", ["configurations/status", "revisions/status", "routes/status"], ["update", "patch"]),
  rule("build.dev", ["builds", "buildtemplates"], read),
  rule("build.dev", ["builds"], change),
  rule("build.dev", ["builds/status"], ["update", "patch"]),
  // Clusters may demand this right of who sets an owner that blocks its deletion.
  rule("elafros.dev", ["configurations/finalizers", "revisions/finalizers"], ["update"]),
  rule("build.dev", ["builds/finalizers"], ["update"]),
  // Changes of what Revisions refer to make them try again; certificates and credentials of registries are read.
  rule("", ["namespaces", "configmaps", "secrets", "serviceaccounts"], read),
  // What instances are given by value stands in Secrets that the controllers make.
  rule("", ["secrets"], change),
  rule("", ["events"], [...read, "create", "patch"]),
  // Instances and builds.
  rule("apps", ["deployments"], [...read, ...change]),
  rule("apps", ["replicasets"], read),
  rule("", ["services"], [...read, ...change]),
  rule("", ["pods"], [...read, "create", "patch", "delete"]),
  rule("", ["pods/log"], ["get"]),
  rule("discovery.k8s.io", ["endpointslices"], read),
  // Who a gateway is that connects.
  rule("authentication.k8s.io", ["tokenreviews"], ["create"]),
];

/** What the controllers do in their own namespace: lead, and keep what the installation remembers. */
const ownRules: readonly PolicyRule[] = [
  rule("coordination.k8s.io", ["leases"], ["create"]),
  { ...rule("coordination.k8s.io", ["leases"], ["get", "update", "patch"]), resourceNames: [leaderLease] },
  rule("", ["configmaps"], change),
];

/** What the controllers do in the namespace of the shared templates: bring the platform's own. */
const templateRules: readonly PolicyRule[] = [
  rule("build.dev", ["buildtemplates"], change),
  rule("", ["configmaps"], change),
];

const kinds = [
  rule(
    "elafros.dev",
    ["configurations", "configurations/status", "revisions", "revisions/status", "routes", "routes/status"],
    read,
  ),
  rule("build.dev", ["builds", "builds/status", "buildtemplates"], read),
];
const write = [...change, "deletecollection"];
const editing = [
  ...kinds,
  rule("elafros.dev", ["configurations", "routes"], write),
  // Nobody but the controllers creates a Revision.
  rule(
    "elafros.dev",
    ["revisions"],
    write.filter((verb) => verb !== "create"),
  ),
  rule("build.dev", ["builds", "buildtemplates"], write),
];

function clusterRole(name: string, rules: readonly PolicyRule[], labels: Record<string, string> = {}): Manifest {
  return { apiVersion, kind: "ClusterRole", metadata: { name, labels: { ...partOf, ...labels } }, rules };
}

/** The roles for users. What `view` takes up is in `edit` and `admin` too. */
export function userRoles(): Manifest[] {
  const into = (role: string) => ({ [`${rbac}/aggregate-to-${role}`]: "true" });
  return [
    clusterRole("elafros-view", kinds, into("view")),
    clusterRole("elafros-edit", editing, into("edit")),
    clusterRole("elafros-admin", editing, into("admin")),
  ];
}

function binding(role: Manifest, subject: object): Manifest {
  const { name, namespace, labels } = role.metadata;
  return {
    apiVersion,
    kind: `${role.kind}Binding`,
    metadata: { name, ...(namespace === undefined ? {} : { namespace }), ...(labels === undefined ? {} : { labels }) },
    roleRef: { apiGroup: rbac, kind: role.kind, name },
    subjects: [subject],
  };
}

function role(name: string, namespace: string, rules: readonly PolicyRule[]): Manifest {
  return { apiVersion, kind: "Role", metadata: { name, namespace, labels: partOf }, rules };
}

/** Everybody may knock at the controllers' door through the API server, and see where it is; what is let in is for it to say. */
function uploads(namespace: string): Manifest[] {
  const door = { ...rule("", ["services/proxy"], ["get", "update"]), resourceNames: [doorService] };
  const place = { ...rule("", ["configmaps"], ["get"]), resourceNames: [uploadsConfig] };
  return [role("elafros-uploads", namespace, [door]), role("elafros-uploads", sharedTemplates, [place])];
}

/** ServiceAccounts, and the roles of the installation's own parts with their bindings. */
export function access({ namespace, buildRegistry }: InstallOptions): Manifest[] {
  const controller = nameOf("controller");
  const account = { kind: "ServiceAccount", name: controller, namespace };
  const everyone = { apiGroup: rbac, kind: "Group", name: "system:authenticated" };
  const roles: [Manifest, object][] = [
    [clusterRole(controller, controllerRules), account],
    [role(controller, namespace, ownRules), account],
    [role(controller, sharedTemplates, templateRules), account],
    [role("elafros-templates", sharedTemplates, [rule("build.dev", ["buildtemplates"], read)]), everyone],
  ];
  if (buildRegistry !== undefined) roles.push(...uploads(namespace).map((of): [Manifest, object] => [of, everyone]));
  return [
    ...(["controller", "gateway"] as const).map((part) => ({
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name: nameOf(part), namespace, labels: labelsOf(part) },
      // The controllers' Pods ask for a token themselves; gateways have none for the API.
      automountServiceAccountToken: false,
    })),
    ...roles.flatMap(([of, subject]) => [of, binding(of, subject)]),
  ];
}
