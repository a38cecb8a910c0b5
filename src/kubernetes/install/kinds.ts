/** Kubernetes' own kinds that an installation is made of, for the client. */
import { foreignKind } from "../../api/meta/foreign-kind.ts";
import type { Kind } from "../../api/meta/kind.ts";
import type { KubeObject } from "../../api/meta/types.ts";
import type { Manifest } from "../manifests/names.ts";

const rbac = "rbac.authorization.k8s.io";
const rows: readonly [group: string, kind: string, plural: string, namespaced?: boolean][] = [
  ["apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions", false],
  ["", "Namespace", "namespaces", false],
  ["", "ServiceAccount", "serviceaccounts"],
  ["", "Service", "services"],
  ["", "ConfigMap", "configmaps"],
  ["", "Secret", "secrets"],
  [rbac, "ClusterRole", "clusterroles", false],
  [rbac, "ClusterRoleBinding", "clusterrolebindings", false],
  [rbac, "Role", "roles"],
  [rbac, "RoleBinding", "rolebindings"],
  ["networking.k8s.io", "NetworkPolicy", "networkpolicies"],
  ["apps", "Deployment", "deployments"],
  ["policy", "PodDisruptionBudget", "poddisruptionbudgets"],
];
const kinds = new Map<string, Kind>(
  rows.map(([group, kind, plural, namespaced = true]) => [
    kind,
    foreignKind({ group, version: "v1", kind, plural, namespaced }),
  ]),
);

/** The kind of something that is applied. */
export function kindOf({ kind }: Pick<Manifest, "kind">): Kind {
  const found = kinds.get(kind);
  if (found === undefined) throw new Error(`An installation has no ${kind}`);
  return found;
}

/** An object as the API server has it, with the parts that are looked at here. */
export interface Stored extends KubeObject {
  spec?: { replicas?: number };
  status?: {
    observedGeneration?: number;
    replicas?: number;
    updatedReplicas?: number;
    availableReplicas?: number;
    conditions?: { type: string; status: string; reason?: string; message?: string }[];
  };
}

/** `Deployment elafros-system/elafros-gateway`, as messages name an object. */
export function nameOfObject({ kind, metadata }: Pick<Manifest, "kind" | "metadata">): string {
  return `${kind} ${metadata.namespace === undefined ? "" : `${metadata.namespace}/`}${metadata.name}`;
}
