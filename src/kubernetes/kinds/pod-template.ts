/** The part of core/v1 PodTemplateSpec that instances are made of. */

interface HttpGet {
  path: string;
  port: number;
  host?: string;
  scheme?: "HTTP" | "HTTPS";
  httpHeaders?: { name: string; value: string }[];
}

export interface Probe {
  httpGet?: HttpGet;
  tcpSocket?: { port: number };
  exec?: { command: string[] };
  grpc?: { port: number; service: string };
  initialDelaySeconds: number;
  periodSeconds: number;
  timeoutSeconds: number;
  successThreshold: number;
  failureThreshold: number;
}

export interface SecurityContext {
  allowPrivilegeEscalation: boolean;
  capabilities: { drop: string[]; add?: string[] };
  readOnlyRootFilesystem?: boolean;
  runAsGroup?: number;
  runAsNonRoot?: boolean;
  runAsUser?: number;
  seccompProfile: { type: string };
}

export interface EnvVar {
  name: string;
  value?: string;
  valueFrom?: { secretKeyRef: { name: string; key: string } };
}

type ProjectedSource =
  | { secret: { name: string; items: { key: string; path: string; mode: number }[] } }
  | { serviceAccountToken: { audience: string; expirationSeconds: number; path: string } };

export interface Volume {
  name: string;
  emptyDir?: { medium?: string; sizeLimit?: string };
  secret?: {
    secretName: string;
    defaultMode: number;
    items?: { key: string; path: string }[];
    optional?: boolean;
  };
  projected?: { sources: ProjectedSource[] };
}

export interface VolumeMount {
  name: string;
  mountPath: string;
  readOnly?: boolean;
  subPath?: string;
}

interface Toleration {
  key?: string;
  operator?: string;
  value?: string;
  effect?: string;
  tolerationSeconds?: number;
}

interface Container {
  name: string;
  image: string;
  imagePullPolicy: "IfNotPresent";
  command?: string[];
  args?: string[];
  workingDir?: string;
  env?: EnvVar[];
  ports: { name: string; containerPort: number; protocol: "TCP" }[];
  resources?: { limits?: Record<string, string>; requests?: Record<string, string> };
  volumeMounts?: VolumeMount[];
  readinessProbe: Probe;
  livenessProbe?: Probe;
  startupProbe?: Probe;
  lifecycle?: { preStop: { httpGet: HttpGet } };
  securityContext: SecurityContext;
  terminationMessagePath: string;
  terminationMessagePolicy: string;
}

export interface PodTemplate {
  metadata: { labels: Record<string, string>; annotations?: Record<string, string> };
  spec: {
    containers: Container[];
    automountServiceAccountToken: boolean;
    enableServiceLinks: boolean;
    imagePullSecrets?: { name: string }[];
    nodeSelector?: Record<string, string>;
    serviceAccountName?: string;
    terminationGracePeriodSeconds: number;
    tolerations?: Toleration[];
    volumes?: Volume[];
  };
}
