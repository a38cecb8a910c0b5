/**
 * The workloads port: "run this InstanceSpec, N instances; report instances, addresses, why not". Level-triggered and in
 * plain values: embedded it is the OCI driver on this machine, in a cluster Deployments and EndpointSlices.
 */

/** How an instance is asked whether it is well. Durations in milliseconds. */
export interface ProbeSpec {
  action:
    | {
        type: "http";
        path: string;
        port: number;
        scheme: "http" | "https";
        /** Asks by HTTP/2 without TLS. */
        http2?: boolean;
        host?: string;
        headers: { name: string; value: string }[];
      }
    | { type: "tcp"; port: number }
    | { type: "exec"; command: string[] }
    | { type: "grpc"; port: number; service: string };
  initialDelayMs: number;
  /** Between two tries, once one succeeded. Until then the driver tries every few milliseconds, and counts one failure a period. */
  periodMs: number;
  timeoutMs: number;
  successThreshold: number;
  failureThreshold: number;
}

/** One file of a volume. `data` is base64, `path` relative to the volume's root, `mode` the permission bits. */
export interface VolumeFile {
  path: string;
  data: string;
  mode: number;
}

/** What is mounted into an instance. */
export interface MountSpec {
  mountPath: string;
  readOnly: boolean;
  subPath?: string;
  /** Mounts of one volume name share one directory. */
  volume: string;
  source: { type: "files"; files: VolumeFile[] } | { type: "emptyDir"; medium: "" | "Memory"; sizeLimitBytes?: number };
}

export interface SecuritySpec {
  runAsUser?: number;
  runAsGroup?: number;
  runAsNonRoot: boolean;
  readOnlyRootFilesystem: boolean;
  addCapabilities: string[];
  dropCapabilities: string[];
  seccomp: "RuntimeDefault" | "Unconfined";
}

/** Everything that an instance is made from. The same spec always means the same instance: it holds no API objects and no references to resolve. */
export interface InstanceSpec {
  /** Exact image, `name@sha256:…`. */
  image: string;
  /** Credentials for pulling it again, should it be missing; not part of the instance's identity. */
  pullSecrets: RegistryAuth[];
  command?: string[];
  args?: string[];
  workingDir?: string;
  /** In order; later ones win. PORT and K_* are already in it. */
  env: { name: string; value: string }[];
  port: number;
  protocol: "http1" | "h2c";
  security: SecuritySpec;
  resources: { cpuMilli?: number; memoryBytes?: number };
  mounts: MountSpec[];
  readiness: ProbeSpec;
  liveness?: ProbeSpec;
  startup?: ProbeSpec;
  terminationGraceMs: number;
  terminationMessagePath: string;
  terminationMessagePolicy: "File" | "FallbackToLogsOnError";
  /** Shown on the Pod view and in logs. */
  labels: Record<string, string>;
}

/** A user and password for one registry (`host[:port]`), or for the images below one path there (`host[:port]/path`). */
export interface RegistryAuth {
  registry: string;
  username: string;
  password: string;
}

/** Names a workload: the Revision's namespace and name. */
export interface WorkloadKey {
  namespace: string;
  name: string;
}

/**
 * The life of an instance: `creating` (image, network, bundle), `starting` (process runs, not yet ready), `ready`,
 * `draining` (out of every route table, finishing its requests), `stopping` (signalled), `waiting` (it ended and starts again at
 * `nextStartAt`). Of a workload that is to have none, one may stand by: `prepared` (all is made, its program isn't started) or `frozen` (out of every
 * route table, its processes stand still and keep their memory). An instance that has ended for good is gone from the list.
 */
export type InstancePhase =
  | "creating"
  | "starting"
  | "ready"
  | "draining"
  | "stopping"
  | "waiting"
  | "prepared"
  | "frozen";

/** What stands by while a workload is to have no instance, so that the next one is there sooner. As far as the machine allows: it may be nothing. */
export type Standby = "none" | "prepared" | "frozen";

/** How a process ended. `at` in milliseconds since the epoch. */
export interface InstanceExit {
  /** Exit code, 128 + signal number where a signal ended it. */
  code: number;
  oomKilled: boolean;
  /** Termination message, else the last line of its output; may be empty. */
  message: string;
  at: number;
}

/** An image on its way from a registry to this machine. */
export interface ImagePull {
  image: string;
  /** When its first bytes came. */
  startedAt: number;
  /** Bytes of layers that have come so far. */
  bytes: number;
  /** When it was there. */
  endedAt?: number;
}

export interface InstanceState {
  /** Unique on this machine, for ever: a DNS label, made of the Revision's name and a random suffix. */
  id: string;
  phase: InstancePhase;
  /** The exact image and the labels of its spec. */
  image: string;
  labels: Record<string, string>;
  /** Where it answers; known from `starting` on. */
  address?: { host: string; port: number };
  createdAt: number;
  /** When all was made for its present run, but for the start of its program. */
  madeAt?: number;
  /** When what stood by was last wanted. */
  wokenAt?: number;
  startedAt?: number;
  readyAt?: number;
  restarts: number;
  lastExit?: InstanceExit;
  nextStartAt?: number;
  /** What the last failed probe said. */
  probeFailure?: string;
  /** Digest of the image's configuration, without `sha256:`. */
  imageId?: string;
  /** How its image came; absent where all its layers were here. */
  pull?: ImagePull;
  /** It is being drained to be frozen, and not to end. */
  stays?: true;
  /** Why another takes its place; absent where none does. */
  replaced?: string;
}

/** Why a workload has fewer ready instances than asked; the words are those of the Revision's conditions. */
export interface WorkloadProblem {
  reason:
    | "ContainerMissing"
    | "ExitCode"
    | "OOMKilled"
    | "ReadinessProbeFailed"
    | "LivenessProbeFailed"
    | "InsufficientResources"
    | "StartFailed";
  /** The exit code, for `ExitCode` and `OOMKilled`. */
  code?: number;
  message: string;
  at: number;
}

export interface WorkloadState {
  key: WorkloadKey;
  desired: number;
  instances: InstanceState[];
  /** The last start failure; cleared when an instance becomes ready. */
  problem?: WorkloadProblem;
}

export interface LogOptions {
  follow: boolean;
  /** Only the last so many lines. */
  tailLines?: number;
  /** Only lines since then, milliseconds since the epoch. */
  since?: number;
  timestamps: boolean;
  /** The output of the run before the last restart. */
  previous: boolean;
  signal: AbortSignal;
}

export interface WorkloadsPort {
  /**
   * Declares that `count` instances of `spec` run for `key`. Idempotent; returns once recorded, not once running. A changed spec
   * replaces instances; a smaller count drains and stops the youngest. `standby` counts where `count` is 0; none unless given.
   */
  scale(key: WorkloadKey, spec: InstanceSpec, count: number, standby?: Standby): void;
  /** Declares that none run, and forgets the workload once the last has gone. */
  remove(key: WorkloadKey): void;
  get(key: WorkloadKey): WorkloadState | undefined;
  list(): WorkloadState[];
  /** Called after each change of a workload's state, with its key. Returns the unsubscribing function. */
  subscribe(listener: (key: WorkloadKey) => void): () => void;
  /** Output lines of an instance, stdout and stderr together in order, each ending with a newline. Throws where there is no such instance. */
  logs(instanceId: string, options: LogOptions): AsyncIterable<string>;
}

/** What the driver asks before it signals an instance: resolves when no member gateway sends it anything any more and its requests have ended, or the drain's time is over. */
export type Drain = (key: WorkloadKey, instanceId: string) => Promise<void>;
