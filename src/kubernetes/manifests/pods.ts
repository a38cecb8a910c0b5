/** What the Pods of an installation have in common: the Pod Security level `restricted`, and spread over nodes. */
import { type InstallOptions, type Manifest, type Part, labelsOf, nameOf, ports, selectorOf } from "./names.ts";

export interface PodVolume {
  volume: { name: string } & Record<string, unknown>;
  mountPath: string;
  readOnly?: boolean;
}

interface PodOptions {
  part: Part;
  args: readonly string[];
  env?: readonly object[];
  ports: readonly { name: string; containerPort: number }[];
  requests: { cpu: string; memory: string };
  /** The most memory; cpu has no limit, so that peaks are served with what the node has left. */
  memory: string;
  /** Token and other volumes, and where they are mounted. */
  volumes: readonly PodVolume[];
  /** A change of these replaces the Pods. */
  annotations?: Readonly<Record<string, string>>;
  lifecycle?: object;
  /** Seconds from the request to end until Pods are killed. */
  grace: number;
}

/** Zones and nodes that are out of balance are better than Pods that can't run. */
function spread(part: Part): object[] {
  return ["topology.kubernetes.io/zone", "kubernetes.io/hostname"].map((topologyKey) => ({
    topologyKey,
    maxSkew: 1,
    whenUnsatisfiable: "ScheduleAnyway",
    labelSelector: { matchLabels: selectorOf(part) },
    // Not with those that a rollout replaces: two new ones would share a node. Kubernetes 1.26 drops this.
    matchLabelKeys: ["pod-template-hash"],
  }));
}

function probe(path: string, more: object): object {
  return { httpGet: { path, port: "health" }, timeoutSeconds: 5, ...more };
}

/** The Deployment of a part: two Pods, replaced one by one with a new one ready first. */
export function deployment(options: InstallOptions, pod: PodOptions): Manifest {
  const { namespace, image } = options;
  const { part, grace, annotations = {} } = pod;
  const mounts = pod.volumes.map(({ volume, mountPath, readOnly = false }) => ({
    name: volume.name,
    mountPath,
    ...(readOnly ? { readOnly } : {}),
  }));
  const container = {
    name: part,
    image,
    imagePullPolicy: "IfNotPresent",
    args: pod.args,
    env: [
      ...["name", "namespace"].map((field) => ({
        name: `POD_${field.toUpperCase()}`,
        valueFrom: { fieldRef: { fieldPath: `metadata.${field}` } },
      })),
      { name: "POD_IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
    ],
    ports: [
      ...pod.ports,
      { name: "health", containerPort: ports.health },
      { name: "metrics", containerPort: ports.metrics },
    ],
    startupProbe: probe("/livez", { periodSeconds: 1, failureThreshold: 60 }),
    livenessProbe: probe("/livez", { periodSeconds: 10, failureThreshold: 6 }),
    readinessProbe: probe("/readyz", { periodSeconds: 2, failureThreshold: 2 }),
    ...(pod.lifecycle === undefined ? {} : { lifecycle: pod.lifecycle }),
    resources: { requests: pod.requests, limits: { memory: pod.memory } },
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ["ALL"] },
      readOnlyRootFilesystem: true,
    },
    terminationMessagePolicy: "FallbackToLogsOnError",
    volumeMounts: [{ name: "tmp", mountPath: "/tmp" }, ...mounts],
  };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: nameOf(part), namespace, labels: labelsOf(part) },
    spec: {
      replicas: 2,
      selector: { matchLabels: selectorOf(part) },
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      template: {
        metadata: { labels: labelsOf(part), ...(Object.keys(annotations).length === 0 ? {} : { annotations }) },
        spec: {
          serviceAccountName: nameOf(part),
          automountServiceAccountToken: part === "controller",
          enableServiceLinks: false,
          securityContext: {
            runAsNonRoot: true,
            runAsUser: 65_532,
            runAsGroup: 65_532,
            seccompProfile: { type: "RuntimeDefault" },
          },
          topologySpreadConstraints: spread(part),
          tolerations: ["not-ready", "unreachable"].map(leaveSoon),
          terminationGracePeriodSeconds: grace,
          containers: [container],
          volumes: [{ name: "tmp", emptyDir: { sizeLimit: "64Mi" } }, ...pod.volumes.map(({ volume }) => volume)],
        },
      },
    },
  };
}

/** Kubernetes waits five minutes by itself before it makes a lost node's Pods elsewhere: services are the users', these are what brings them back. */
function leaveSoon(taint: string): object {
  return { key: `node.kubernetes.io/${taint}`, operator: "Exists", effect: "NoExecute", tolerationSeconds: 30 };
}

/** Lets drains of nodes take the Pods of a part one at a time. */
export function disruptionBudget({ namespace }: InstallOptions, part: Part): Manifest {
  return {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: { name: nameOf(part), namespace, labels: labelsOf(part) },
    spec: { maxUnavailable: 1, selector: { matchLabels: selectorOf(part) } },
  };
}
