/** Kubernetes' own kinds, as far as the platform and its installation need them. */
import { ClusterRoleBinding } from "../../../../src/api/cluster-role-binding.ts";
import { ClusterRole } from "../../../../src/api/cluster-role.ts";
import { ConfigMap } from "../../../../src/api/config-map.ts";
import { Event } from "../../../../src/api/event.ts";
import { invalid } from "../../../../src/api/meta/faults.ts";
import type { Kind } from "../../../../src/api/meta/kind.ts";
import { Namespace } from "../../../../src/api/namespace.ts";
import { RoleBinding } from "../../../../src/api/role-binding.ts";
import { Role } from "../../../../src/api/role.ts";
import { Secret } from "../../../../src/api/secret.ts";
import { ServiceAccount } from "../../../../src/api/service-account.ts";
import { CustomResourceDefinition } from "../definition-kind.ts";
import { define } from "./define.ts";
import { conditionsStatus, open } from "./schema.ts";
import { EndpointSlice, Service } from "./services.ts";
import { Deployment, Pod, ReplicaSet } from "./workloads.ts";

export const Node = define({
  kind: "Node",
  plural: "nodes",
  shortNames: ["no"],
  namespaced: false,
  fields: { spec: open(), status: conditionsStatus },
});

const Lease = define({
  group: "coordination.k8s.io",
  kind: "Lease",
  plural: "leases",
  hasStatus: false,
  fields: { spec: open() },
  validate: (object) => {
    const { leaseDurationSeconds: seconds } = object["spec"] as { leaseDurationSeconds?: number };
    return seconds === undefined || seconds > 0
      ? []
      : [invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0")];
  },
});

export const ResourceQuota = define({
  kind: "ResourceQuota",
  plural: "resourcequotas",
  shortNames: ["quota"],
  fields: { spec: open({ hard: open() }), status: open() },
});

export const PodDisruptionBudget = define({
  group: "policy",
  kind: "PodDisruptionBudget",
  plural: "poddisruptionbudgets",
  shortNames: ["pdb"],
  counted: true,
  fields: { spec: open(), status: conditionsStatus },
});

const NetworkPolicy = define({
  group: "networking.k8s.io",
  kind: "NetworkPolicy",
  plural: "networkpolicies",
  shortNames: ["netpol"],
  counted: true,
  hasStatus: false,
  fields: { spec: open() },
});

export const builtInKinds: readonly Kind[] = [
  ConfigMap,
  Event,
  Namespace,
  Node,
  Pod,
  ResourceQuota,
  Secret,
  Service,
  ServiceAccount,
  Deployment,
  ReplicaSet,
  EndpointSlice,
  Lease,
  NetworkPolicy,
  PodDisruptionBudget,
  ClusterRole,
  ClusterRoleBinding,
  Role,
  RoleBinding,
  CustomResourceDefinition,
];
