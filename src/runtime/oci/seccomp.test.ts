import { expect, test } from "vitest";
import { makeSeccomp, readSeccomp, type SeccompSource } from "./seccomp.ts";

const machine = { arch: "x64", kernel: "6.1.0-13-amd64", programs32Bit: true };
const source: SeccompSource = {
  defaultAction: "SCMP_ACT_ERRNO",
  defaultErrnoRet: 38,
  archMap: [{ architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86", "SCMP_ARCH_X32"] }],
  syscalls: [
    { names: ["read"], action: "SCMP_ACT_ALLOW", args: [] },
    { names: ["mount"], action: "SCMP_ACT_ALLOW", includes: { caps: ["CAP_SYS_ADMIN"] } },
    { names: ["mount"], action: "SCMP_ACT_ERRNO", errnoRet: 1, excludes: { caps: ["CAP_SYS_ADMIN"] } },
    { names: ["arm_fadvise64_64"], action: "SCMP_ACT_ALLOW", includes: { arches: ["arm", "arm64"] } },
    { names: ["modify_ldt"], action: "SCMP_ACT_ALLOW", includes: { arches: ["amd64"] } },
    { names: ["ptrace"], action: "SCMP_ACT_ALLOW", includes: { minKernel: "4.8" } },
    { names: ["newcall"], action: "SCMP_ACT_ALLOW", includes: { minKernel: "6.2" } },
  ],
};

test("makeSeccomp() decides each condition on capabilities, architecture and kernel", () => {
  const profile = makeSeccomp(source, { ...machine, capabilities: ["CAP_CHOWN"] });
  expect(profile.architectures).toEqual(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]);
  expect(profile.defaultErrnoRet).toBe(38);
  expect(profile.syscalls).toEqual([
    { names: ["read"], action: "SCMP_ACT_ALLOW" },
    { names: ["mount"], action: "SCMP_ACT_ERRNO", errnoRet: 1 },
    { names: ["modify_ldt"], action: "SCMP_ACT_ALLOW" },
    { names: ["ptrace"], action: "SCMP_ACT_ALLOW" },
  ]);
});

test("makeSeccomp() has no 32-bit calls where there are no such programs", () => {
  const profile = makeSeccomp(source, { ...machine, capabilities: [], programs32Bit: false });
  expect(profile.architectures).toEqual(["SCMP_ARCH_X86_64"]);
});

test("makeSeccomp() refuses an architecture that it doesn't know", () => {
  expect(() => makeSeccomp(source, { ...machine, arch: "mips", capabilities: [] })).toThrow("mips");
});

test("makeSeccomp() of the distribution's profile allows no mount, module or keyring call to a default instance", async () => {
  const profile = makeSeccomp(await readSeccomp(), { ...machine, capabilities: ["CAP_CHOWN", "CAP_SYS_CHROOT"] });
  const allowed = new Set(
    profile.syscalls.filter((call) => call.action === "SCMP_ACT_ALLOW").flatMap((call) => call.names),
  );
  for (const name of ["init_module", "bpf", "kexec_load", "open_by_handle_at", "userfaultfd", "perf_event_open"]) {
    expect(allowed, name).not.toContain(name);
  }
  expect(allowed).toContain("execve");
});
