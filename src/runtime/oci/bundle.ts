/**
 * The OCI bundle of an instance: everything that confines it is decided here, from plain values. OCI runtime-spec 1.0 `config.json`.
 */
import type { InstanceSpec } from "../workloads.ts";
import { capabilitiesOf } from "./capabilities.ts";
import type { ImageRoot } from "./parts.ts";
import { makeSeccomp, type SeccompSource } from "./seccomp.ts";
import type { ResolvedUser } from "./users.ts";

/** A mount of the bundle. `source` is a path of the host. */
export interface BundleMount {
  destination: string;
  type?: string;
  source: string;
  options: string[];
}

/** What this machine allows; found once at start. */
export interface MachineFacts {
  arch: string;
  kernel: string;
  seccomp: SeccompSource;
  cgroupVersion: 1 | 2;
  /** Whether swap can be limited (v1 needs it compiled in and on). */
  swapLimit: boolean;
  cgroupNamespace: boolean;
  /** Hard limit of open files of this process: more can't be given without CAP_SYS_RESOURCE. */
  openFiles: number;
}

/** What of a spec its bundle is made from. */
export type BundleSpec = Pick<InstanceSpec, "env" | "security" | "resources"> &
  Partial<Pick<InstanceSpec, "command" | "args" | "workingDir">>;

export interface BundleInput {
  spec: BundleSpec;
  image: Pick<ImageRoot, "config">;
  user: ResolvedUser;
  /** Its root may have programs of the 32-bit ABI. */
  programs32Bit: boolean;
  hostname: string;
  /** Path of the root, or of the directory on which the first mount puts it. */
  root: string;
  /** Path of the network namespace. */
  netns: string;
  /** Absolute below the cgroup mount, `/elafros-…/id`. */
  cgroup: string;
  /** Mounts of the root itself, before all others. */
  rootMounts: BundleMount[];
  /** Files and volumes, outermost first. */
  mounts: BundleMount[];
  pids: number;
  /** Who goes first when the machine runs out of memory: `oomScores`. */
  oomScore: number;
  machine: MachineFacts;
}

/** `process` of an OCI configuration; an exec probe uses it with its own `args`. */
export interface OciProcess {
  terminal: false;
  user: { uid: number; gid: number; additionalGids: number[] };
  args: string[];
  env: string[];
  cwd: string;
  capabilities: Record<"bounding" | "effective" | "permitted", string[]>;
  rlimits: { type: string; hard: number; soft: number }[];
  noNewPrivileges: true;
  oomScoreAdj: number;
}

const maskedPaths = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/sys/dev/block",
  "/sys/devices/virtual/powercap",
  "/sys/firmware",
  "/sys/fs/selinux",
];
const readonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/** When the machine runs out of memory builds go before instances, and instances before the platform itself. */
export const oomScores = { instance: 500, build: 800 } as const;
const cpuPeriod = 100_000;

/**
 * The bundle's `config.json`.
 * @throws TypeError where there is nothing to run, or more is asked for than an instance may have
 */
export function makeBundle(input: BundleInput) {
  const { spec, machine } = input;
  const process = makeProcess(input);
  return {
    ociVersion: "1.0.2",
    hostname: input.hostname,
    root: { path: input.root, readonly: spec.security.readOnlyRootFilesystem },
    process,
    mounts: [...input.rootMounts, ...systemMounts(machine), ...input.mounts],
    linux: {
      namespaces: [
        { type: "pid" },
        { type: "ipc" },
        { type: "uts" },
        { type: "mount" },
        { type: "network", path: input.netns },
        ...(machine.cgroupNamespace ? [{ type: "cgroup" }] : []),
      ],
      cgroupsPath: input.cgroup,
      resources: makeResources(input),
      // Its own network namespace: a user other than root may listen on low ports too.
      sysctl: { "net.ipv4.ip_unprivileged_port_start": "0" },
      rootfsPropagation: "private",
      maskedPaths,
      // Below version 1's hierarchies lies a tmpfs of no given size, which the runtime leaves writable.
      readonlyPaths: [
        ...readonlyPaths,
        ...(machine.cgroupNamespace && machine.cgroupVersion === 1 ? ["/sys/fs/cgroup"] : []),
      ],
      ...(spec.security.seccomp === "Unconfined"
        ? {}
        : {
            seccomp: makeSeccomp(machine.seccomp, {
              ...machine,
              capabilities: process.capabilities.bounding,
              programs32Bit: input.programs32Bit,
            }),
          }),
    },
  };
}

export type OciConfig = ReturnType<typeof makeBundle>;

function makeProcess({ spec, image, user, hostname, oomScore, machine }: BundleInput): OciProcess {
  const capabilities = capabilitiesOf(spec.security);
  return {
    terminal: false,
    user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids },
    args: commandOf(spec, image.config),
    env: makeEnv([
      ["PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
      ["HOME", user.home],
      ["HOSTNAME", hostname],
      ...image.config.env.map((line): [string, string] => {
        const at = line.indexOf("=");
        return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1)];
      }),
      ...spec.env.map(({ name, value }): [string, string] => [name, value]),
    ]),
    cwd: absolute(spec.workingDir || image.config.workingDir || "/"),
    capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
    rlimits: [
      { type: "RLIMIT_NOFILE", hard: machine.openFiles, soft: machine.openFiles },
      { type: "RLIMIT_CORE", hard: 0, soft: 0 },
    ],
    noNewPrivileges: true,
    oomScoreAdj: oomScore,
  };
}

/** Kubernetes' rules: `command` replaces the entrypoint and drops the image's arguments, `args` replaces only those. */
export function commandOf(
  spec: Pick<InstanceSpec, "command" | "args">,
  config: Pick<ImageRoot["config"], "entrypoint" | "cmd">,
): string[] {
  const command = spec.command?.length ? spec.command : undefined;
  const args = spec.args?.length ? spec.args : undefined;
  const all = command ? [...command, ...(args ?? [])] : [...config.entrypoint, ...(args ?? config.cmd)];
  if (all.length === 0) throw new TypeError("Cannot start: neither the container nor its image has a command");
  return all;
}

function makeEnv(pairs: [string, string][]): string[] {
  return [...new Map(pairs)].map(([name, value]) => `${name}=${value}`);
}

function absolute(path: string): string {
  return path.startsWith("/") ? path : `/${path}`;
}

function systemMounts(machine: MachineFacts): BundleMount[] {
  const quiet = ["nosuid", "noexec", "nodev"];
  return [
    { destination: "/proc", type: "proc", source: "proc", options: quiet },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    { destination: "/sys", type: "sysfs", source: "sysfs", options: [...quiet, "ro"] },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: quiet },
    { destination: "/dev/shm", type: "tmpfs", source: "shm", options: [...quiet, "mode=1777", "size=65536k"] },
    // Without its own cgroup namespace the mount would show the whole machine's groups.
    ...(machine.cgroupNamespace
      ? [{ destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: [...quiet, "relatime", "ro"] }]
      : []),
  ];
}

function makeResources({ spec, pids, machine }: BundleInput) {
  const { cpuMilli, memoryBytes } = spec.resources;
  return {
    devices: [{ allow: false, access: "rwm" }],
    pids: { limit: pids },
    ...(memoryBytes === undefined
      ? {}
      : { memory: { limit: memoryBytes, ...(machine.swapLimit ? { swap: memoryBytes } : {}) } }),
    ...(cpuMilli === undefined
      ? {}
      : {
          cpu: {
            shares: Math.max(2, Math.round((cpuMilli * 1024) / 1000)),
            // The kernel takes no quota under 1 ms.
            quota: Math.max(1000, Math.round((cpuMilli * cpuPeriod) / 1000)),
            period: cpuPeriod,
          },
        }),
  };
}
