/**
 * The builds port: "run these steps over this source; give the image's digest". Level-triggered and in plain values: embedded the steps are
 * containers of the OCI driver on this machine, in a cluster a Pod.
 */
import type { LogOptions, MountSpec, RegistryAuth, SecuritySpec } from "./workloads.ts";

/** Names a build: the Build's namespace and name. */
export interface BuildKey {
  namespace: string;
  name: string;
}

/**
 * The image of a step that runs the platform's own tools (git, buildah, skopeo, Node.js, `elafros-builder`): no registry has it. Embedded it is a root made of
 * this machine's programs, read-only; in a cluster it is Elafros' own image.
 */
export const toolsImage = "elafros.dev/tools";

/** One step: a container that runs to its end, in `/workspace` unless it says otherwise, with `HOME=/builder/home`. */
export interface StepSpec {
  name: string;
  /** As written: a tag is resolved when the step is about to start. Or `toolsImage`. */
  image: string;
  command?: string[];
  args?: string[];
  workingDir?: string;
  /** In order; later ones win. */
  env: { name: string; value: string }[];
  security: SecuritySpec;
  /** Limits, of which what is absent has the driver's default; and quantities that a cluster sets aside on the step's node. */
  resources: { cpuMilli?: number; memoryBytes?: number; requests?: Record<string, string> };
  /** Besides `/workspace`, `/builder`, which every step has. */
  mounts: MountSpec[];
}

/** Where the files of `/workspace` come from. At most one of a git repository's commit, branch, tag and ref is given; none means its HEAD. */
export type BuildSource =
  | { type: "git"; url: string; commit?: string; branch?: string; tag?: string; ref?: string }
  /** `location`: `https://…` (`#sha256=HEX` pins it), `gs://…`, `s3://…`, or `upload:sha256:HEX`. */
  | { type: "archive" | "manifest"; location: string }
  | { type: "custom"; step: StepSpec };

/** Credentials for a git server. `url` is the prefix of the repositories' URLs, or for ssh the host; they are files of `HOME`, for every step. */
export type GitCredential =
  /** `ca`: certificates, PEM, of the authorities that alone vouch for the server; absent: the machine's. */
  | { type: "basic"; url: string; username: string; password: string; ca?: string }
  | { type: "ssh"; host: string; privateKey: string; knownHosts?: string };

/** Everything that a build is made from: no API objects, and no references left to resolve but images' tags. */
export interface BuildSpec {
  /** The Build's uid: another one under the same key is another build. */
  uid: string;
  source?: BuildSource;
  steps: StepSpec[];
  /**
   * The name that the image gets (`[host[:port]/]path[:tag]`). Where it has a registry host other than `localhost` the image is pushed there; else it stays in the
   * machine's storage, as `localhost/…`.
   */
  image?: string;
  /** References of base images that must be at hand, in `/builder/bases`, before the steps run. */
  baseImages: string[];
  /** For registries: pulling steps' images and base images, pushing the result; also in `HOME/.docker/config.json`. */
  registryAuths: RegistryAuth[];
  gitCredentials: GitCredential[];
  /** Names the directory that is kept between builds, as `/builder/cache`; builds of one name share it. Absent: empty, and gone afterwards. */
  cache?: string;
  timeoutMs: number;
  /** Shown on the Pod view. */
  labels: Record<string, string>;
}

/** A step's state; times in milliseconds since the epoch. The source is the step `source`. */
export interface StepState {
  name: string;
  /** The exact image, once known. */
  image?: string;
  phase: "waiting" | "running" | "ended";
  startedAt?: number;
  endedAt?: number;
  exitCode?: number;
  oomKilled?: boolean;
  /** Last line of output, or termination message, of one that failed. */
  message?: string;
}

/** Why a build failed: the words of the Build's condition. */
export interface BuildFailure {
  reason: "BuildStepFailed" | "SourceMissing" | "BuildTimeout" | "BuildCancelled" | "ImageMissing" | "PushFailed";
  message: string;
}

/** Where the source really came from: a commit, or a digest `sha256:…`. */
export interface SourceFound {
  repository?: string;
  archive?: string;
  manifest?: string;
  context: string;
}

export interface BuildState {
  key: BuildKey;
  uid: string;
  /** `suspended`: what ran of it is gone with the machine's or the platform's last run; it begins again once `start` declares it again. */
  phase: "suspended" | "queued" | "running" | "succeeded" | "failed";
  /** What it waits for, or does now besides steps: `Waiting for 2 builds before it`. */
  message?: string;
  createdAt: number;
  startedAt?: number;
  endedAt?: number;
  steps: StepState[];
  source?: SourceFound;
  failure?: BuildFailure;
  /** The exact image, `name@sha256:…`, of one that succeeded. */
  imageDigest?: string;
  labels: Record<string, string>;
}

export interface BuildsPort {
  /** Declares that a build runs. Idempotent by uid, also after it has ended; a new uid under the same key ends and forgets the old build first. */
  start(key: BuildKey, spec: BuildSpec): void;
  /** Ends it with `BuildCancelled`; nothing happens to one that has ended. */
  cancel(key: BuildKey): void;
  /** Ends it and forgets it, its logs included. Its image stays. */
  remove(key: BuildKey): void;
  get(key: BuildKey): BuildState | undefined;
  list(): BuildState[];
  /** Called after each change of a build's state, with its key. Returns the unsubscribing function. */
  subscribe(listener: (key: BuildKey) => void): () => void;
  /** Output lines of a step, each ending with a newline. Throws where there is no such build or step. A step that hasn't begun gives none, and with `follow` is waited for. */
  logs(key: BuildKey, step: string, options: LogOptions): AsyncIterable<string>;
}
