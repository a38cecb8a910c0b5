/** core/v1 Pod: what cluster mode reads of one. */
import { foreignKind } from "../../api/meta/foreign-kind.ts";
import type { KubeObject } from "../../api/meta/types.ts";

export interface Terminated {
  exitCode: number;
  reason?: string;
  message?: string;
  startedAt?: string | null;
  finishedAt?: string | null;
}

export interface ContainerState {
  waiting?: { reason?: string; message?: string };
  running?: { startedAt?: string };
  terminated?: Terminated;
}

export interface ContainerStatus {
  name: string;
  state?: ContainerState;
  lastState?: ContainerState;
  ready: boolean;
  started?: boolean;
  restartCount: number;
  image: string;
  imageID?: string;
}

interface PodCondition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
}

interface PodContainer {
  name: string;
  image?: string;
  command?: string[];
  resources?: { limits?: Record<string, string> };
}

export interface Pod extends KubeObject {
  spec?: {
    nodeName?: string;
    activeDeadlineSeconds?: number;
    initContainers?: PodContainer[];
    containers: (PodContainer & { ports?: { containerPort: number; name?: string }[] })[];
  };
  status?: {
    phase?: string;
    reason?: string;
    message?: string;
    podIP?: string;
    startTime?: string;
    conditions?: PodCondition[];
    initContainerStatuses?: ContainerStatus[];
    containerStatuses?: ContainerStatus[];
  };
}

export const Pod = foreignKind<Pod>({ group: "", version: "v1", kind: "Pod", plural: "pods" });
