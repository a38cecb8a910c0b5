/** apps/v1 Deployment and ReplicaSet: what cluster mode reads and writes of them. */
import { foreignKind } from "../../api/meta/foreign-kind.ts";
import type { KubeObject } from "../../api/meta/types.ts";
import type { PodTemplate } from "./pod-template.ts";

interface ReplicasCondition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
}

export interface Deployment extends KubeObject {
  spec: {
    replicas: number;
    revisionHistoryLimit?: number;
    progressDeadlineSeconds?: number;
    strategy?: { type: "RollingUpdate"; rollingUpdate: { maxSurge: number | string; maxUnavailable: number | string } };
    selector: { matchLabels: Record<string, string> };
    template: PodTemplate;
  };
  status?: {
    observedGeneration?: number;
    replicas?: number;
    updatedReplicas?: number;
    readyReplicas?: number;
    conditions?: ReplicasCondition[];
  };
}

export const Deployment = foreignKind<Deployment>({
  group: "apps",
  version: "v1",
  kind: "Deployment",
  plural: "deployments",
});

export interface ReplicaSet extends KubeObject {
  spec?: { replicas?: number };
  status?: { replicas?: number; conditions?: ReplicasCondition[] };
}

export const ReplicaSet = foreignKind<ReplicaSet>({
  group: "apps",
  version: "v1",
  kind: "ReplicaSet",
  plural: "replicasets",
});
