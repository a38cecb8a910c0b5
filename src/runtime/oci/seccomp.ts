/**
 * The system-call filter. The distribution's profile (package golang-github-containers-common) is in the containers project's own form, with
 * conditions on architecture and capabilities; the OCI runtime wants them decided.
 */
import { readJson } from "../../lib/files.ts";

interface Condition {
  arches?: string[] | null;
  caps?: string[] | null;
  minKernel?: string;
}

interface SourceCall {
  names?: string[] | null;
  name?: string;
  action: string;
  errnoRet?: number;
  args?: { index: number; value: number; valueTwo?: number; op: string }[] | null;
  includes?: Condition | null;
  excludes?: Condition | null;
}

/** A profile as containers-common ships it. */
export interface SeccompSource {
  defaultAction: string;
  defaultErrnoRet?: number;
  archMap?: { architecture: string; subArchitectures?: string[] | null }[] | null;
  syscalls: SourceCall[];
}

/** `linux.seccomp` of the OCI runtime specification. */
export interface SeccompProfile {
  defaultAction: string;
  defaultErrnoRet?: number;
  architectures: string[];
  syscalls: { names: string[]; action: string; errnoRet?: number; args?: object[] }[];
}

/** Go's names of architectures, as profiles use them, libseccomp's, and the loaders of their 32-bit programs, by Node's. */
const architectures: Record<string, { go: string; seccomp: string; loaders32: string[] }> = {
  x64: { go: "amd64", seccomp: "SCMP_ARCH_X86_64", loaders32: ["/lib/ld-linux.so.2", "/lib/ld-musl-i386.so.1"] },
  arm64: {
    go: "arm64",
    seccomp: "SCMP_ARCH_AARCH64",
    loaders32: ["/lib/ld-linux-armhf.so.3", "/lib/ld-linux.so.3", "/lib/ld-musl-armhf.so.1"],
  },
};

/**
 * Left out whatever the profile says: the filter would be made for each of its calls, a fifth of a start's time, and kernels of today are built
 * without it or have it off. A process that tries one all the same is ended.
 */
const unusedArchitecture = "SCMP_ARCH_X32";

/** Where the profile is found: the administrator's, then the distribution's. */
const seccompPaths = ["/etc/containers/seccomp.json", "/usr/share/containers/seccomp.json"];

/**
 * Reads the machine's profile. There is no built-in one to fall back to: an instance without a filter is not started silently.
 * @throws Error where there is none
 */
export async function readSeccomp(): Promise<SeccompSource> {
  for (const path of seccompPaths) {
    const source = await readJson(path);
    if (source !== undefined) return source as SeccompSource;
  }
  throw new Error(
    `Cannot confine instances: no seccomp profile at ${seccompPaths.join(" or ")}; install it with: apt-get install golang-github-containers-common`,
  );
}

/** Where an image that has 32-bit programs for this architecture has the loader that starts them. @param arch as `process.arch` */
export function loadersOf32Bit(arch: string): readonly string[] {
  return architectures[arch]?.loaders32 ?? [];
}

export interface SeccompUse {
  /** `CAP_…` */
  capabilities: readonly string[];
  /** As `process.arch`. */
  arch: string;
  /** As `os.release()`. */
  kernel: string;
  /** Without it, a process that makes a call of the 32-bit ABI is ended: a filter for it too takes as long again to make. */
  programs32Bit: boolean;
}

/** The filter for a process with these capabilities on this machine. */
export function makeSeccomp(
  source: SeccompSource,
  { capabilities, programs32Bit, ...machine }: SeccompUse,
): SeccompProfile {
  const arch = architectures[machine.arch];
  if (arch === undefined) throw new Error(`Cannot confine instances: architecture "${machine.arch}" is not supported`);
  const applies = (call: SourceCall): boolean => {
    const { includes, excludes } = call;
    if (excludes?.arches?.includes(arch.go)) return false;
    if (excludes?.caps?.some((cap) => capabilities.includes(cap))) return false;
    if (includes?.arches?.length && !includes.arches.includes(arch.go)) return false;
    if (includes?.caps?.some((cap) => !capabilities.includes(cap))) return false;
    return includes?.minKernel === undefined || !olderThan(machine.kernel, includes.minKernel);
  };
  const map = source.archMap?.find((entry) => entry.architecture === arch.seccomp);
  return {
    defaultAction: source.defaultAction,
    ...(source.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: source.defaultErrnoRet }),
    architectures: [
      arch.seccomp,
      ...(programs32Bit ? (map?.subArchitectures ?? []).filter((name) => name !== unusedArchitecture) : []),
    ],
    syscalls: source.syscalls.filter(applies).flatMap((call) => {
      const names = [...(call.names ?? []), ...(call.name === undefined ? [] : [call.name])];
      if (names.length === 0) return [];
      return [
        {
          names,
          action: call.action,
          ...(call.errnoRet === undefined ? {} : { errnoRet: call.errnoRet }),
          ...(call.args?.length ? { args: call.args } : {}),
        },
      ];
    }),
  };
}

function olderThan(kernel: string, wanted: string): boolean {
  const [major = 0, minor = 0] = kernel.split(/[.-]/).map(Number);
  const [wantMajor = 0, wantMinor = 0] = wanted.split(".").map(Number);
  return major < wantMajor || (major === wantMajor && minor < wantMinor);
}
