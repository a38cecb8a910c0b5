/** What the kubelet's stand-in reads of a Pod whose containers run for real, and where it runs them. */
import type { KubeObject } from "../../../../src/api/meta/types.ts";
import type { InstanceSpec, WorkloadKey, WorkloadsPort } from "../../../../src/runtime/workloads.ts";

interface KeyRef {
  name: string;
  key: string;
  optional?: boolean;
}

export interface HttpGet {
  path?: string;
  port: number | string;
  host?: string;
  scheme?: string;
  httpHeaders?: { name: string; value: string }[];
}

export interface PodProbe {
  httpGet?: HttpGet;
  tcpSocket?: { port: number | string };
  exec?: { command: string[] };
  grpc?: { port: number; service?: string };
  initialDelaySeconds?: number;
  periodSeconds: number;
  timeoutSeconds: number;
  successThreshold: number;
  failureThreshold: number;
}

export interface KeyItem {
  key: string;
  path: string;
  mode?: number;
}

export interface VolumeSource {
  secret?: { name?: string; secretName?: string; items?: KeyItem[]; optional?: boolean; defaultMode?: number };
  configMap?: { name: string; items?: KeyItem[]; optional?: boolean };
  serviceAccountToken?: { audience?: string; expirationSeconds?: number; path: string };
}

export interface PodVolume extends VolumeSource {
  name: string;
  emptyDir?: { medium?: string; sizeLimit?: string };
  projected?: { sources: VolumeSource[]; defaultMode?: number };
}

export interface RealContainer {
  name: string;
  image: string;
  imagePullPolicy: "Always" | "IfNotPresent" | "Never";
  command?: string[];
  args?: string[];
  workingDir?: string;
  env?: {
    name: string;
    value?: string;
    valueFrom?: { secretKeyRef?: KeyRef; configMapKeyRef?: KeyRef; fieldRef?: { fieldPath: string } };
  }[];
  ports?: { name?: string; containerPort: number }[];
  resources?: { limits?: Record<string, string> };
  volumeMounts?: { name: string; mountPath: string; readOnly?: boolean; subPath?: string }[];
  readinessProbe?: PodProbe;
  livenessProbe?: PodProbe;
  startupProbe?: PodProbe;
  lifecycle?: { preStop?: { httpGet?: HttpGet; exec?: { command: string[] } } };
  securityContext?: {
    capabilities?: { add?: string[]; drop?: string[] };
    readOnlyRootFilesystem?: boolean;
    runAsUser?: number;
    runAsGroup?: number;
    runAsNonRoot?: boolean;
    seccompProfile?: { type: string };
  };
  terminationMessagePath: string;
  terminationMessagePolicy: "File" | "FallbackToLogsOnError";
}

export interface RealPod extends KubeObject {
  spec: {
    nodeName?: string;
    restartPolicy?: "Always" | "OnFailure" | "Never";
    activeDeadlineSeconds?: number;
    serviceAccountName?: string;
    automountServiceAccountToken?: boolean;
    terminationGracePeriodSeconds?: number;
    imagePullSecrets?: { name: string }[];
    initContainers?: RealContainer[];
    containers: RealContainer[];
    volumes?: PodVolume[];
  };
}

/** Where instances run: the OCI driver, or processes of this checkout. One workload is one Pod, of one instance. */
export interface PodRuntime extends Pick<WorkloadsPort, "remove" | "get" | "subscribe" | "logs"> {
  /** Makes the instance of a Pod. @throws ImageError, UnresolvedError */
  start(key: WorkloadKey, pod: RealPod): Promise<void>;
  /** Runs a command of the Pod's in its place, to its end. */
  exec(key: WorkloadKey, command: readonly string[], signal: AbortSignal): Promise<void>;
  /** Kills the Pod's program, which is started again unless it is `lost`. */
  crash?(key: WorkloadKey, lost: boolean): Promise<void>;
  stop(): Promise<void>;
}

/** The parts of an InstanceSpec that a Pod's spec says by itself. */
export type SpecParts = Omit<InstanceSpec, "image" | "pullSecrets" | "mounts" | "env" | "command" | "args">;

/** What a Pod names isn't there; it is looked for again. */
export class UnresolvedError extends Error {
  override readonly name = "UnresolvedError";
}
