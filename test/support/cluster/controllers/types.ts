/** What the stand-ins read and write of Kubernetes' objects. */
import type { KubeObject } from "../../../../src/api/meta/types.ts";

export interface StateCondition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
  lastUpdateTime?: string;
}

export interface TemplateObject {
  metadata?: { labels?: Record<string, string>; annotations?: Record<string, string> };
  spec: object;
}

interface ScaledSpec {
  replicas: number;
  selector: { matchLabels?: Record<string, string> };
  template: TemplateObject;
}

export interface ReplicaSetObject extends KubeObject {
  spec: ScaledSpec;
  status?: {
    replicas: number;
    fullyLabeledReplicas?: number;
    readyReplicas?: number;
    availableReplicas?: number;
    observedGeneration?: number;
    conditions?: StateCondition[];
  };
}

export interface DeploymentObject extends KubeObject {
  spec: ScaledSpec & {
    paused?: boolean;
    progressDeadlineSeconds: number;
    strategy: { type: string; rollingUpdate?: { maxSurge: number | string; maxUnavailable: number | string } };
  };
  status?: {
    observedGeneration?: number;
    replicas?: number;
    updatedReplicas?: number;
    readyReplicas?: number;
    availableReplicas?: number;
    unavailableReplicas?: number;
    conditions?: StateCondition[];
  };
}

/** What a variable, or all of them, come from. */
interface ValueReference {
  name?: string;
  key?: string;
  optional?: boolean;
}

export interface PodObject extends KubeObject {
  spec: {
    nodeName?: string;
    nodeSelector?: Record<string, string>;
    terminationGracePeriodSeconds?: number;
    containers: {
      name: string;
      image: string;
      env?: { name: string; valueFrom?: { configMapKeyRef?: ValueReference; secretKeyRef?: ValueReference } }[];
      envFrom?: { configMapRef?: ValueReference; secretRef?: ValueReference }[];
      ports?: { name?: string; containerPort: number }[];
      resources?: { requests?: { cpu?: string } };
      readinessProbe?: { httpGet?: { path?: string; port: number } };
    }[];
  };
  status?: {
    phase?: string;
    podIP?: string;
    conditions?: StateCondition[];
    containerStatuses?: object[];
  };
}

export function isReady({ status }: PodObject): boolean {
  return status?.conditions?.some((one) => one.type === "Ready" && one.status === "True") === true;
}

/** Counts that are zero are left out, as Kubernetes does. */
export function counts(values: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== 0));
}
