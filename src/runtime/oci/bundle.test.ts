import { expect, test } from "vitest";
import { instanceSpec, plainSecurity } from "../../../test/support/instance-spec.ts";
import type { InstanceSpec } from "../workloads.ts";
import { type BundleInput, commandOf, type MachineFacts, makeBundle } from "./bundle.ts";

const machine: MachineFacts = {
  arch: "x64",
  kernel: "6.1.0",
  seccomp: { defaultAction: "SCMP_ACT_ERRNO", syscalls: [{ names: ["read"], action: "SCMP_ACT_ALLOW" }] },
  cgroupVersion: 1,
  swapLimit: true,
  cgroupNamespace: true,
  openFiles: 20_000,
};

function input(spec: Partial<InstanceSpec> = {}, more: Partial<BundleInput> = {}): BundleInput {
  return {
    spec: instanceSpec({ env: [], ...spec }),
    image: {
      config: {
        env: ["PATH=/app", "A=1", "BARE"],
        entrypoint: ["/entry"],
        cmd: ["arg"],
        user: "",
        workingDir: "work",
        stopSignal: "",
        volumes: [],
      },
    },
    user: { uid: 5, gid: 6, additionalGids: [7], home: "/home/x" },
    hostname: "h",
    programs32Bit: true,
    root: "/root-of-it",
    netns: "/run/netns/n",
    cgroup: "/elafros-1/i",
    rootMounts: [],
    mounts: [],
    pids: 9,
    oomScore: 500,
    machine,
    ...more,
  };
}

test("makeBundle() gives a process its user, command, environment and confinement", () => {
  const { process, root, hostname } = makeBundle(input({ env: [{ name: "A", value: "2=3" }] }));
  expect(process).toMatchObject({
    user: { uid: 5, gid: 6, additionalGids: [7] },
    args: ["/entry", "arg"],
    env: ["PATH=/app", "HOME=/home/x", "HOSTNAME=h", "A=2=3", "BARE="],
    cwd: "/work",
    noNewPrivileges: true,
    rlimits: [
      { type: "RLIMIT_NOFILE", hard: 20_000, soft: 20_000 },
      { type: "RLIMIT_CORE", hard: 0, soft: 0 },
    ],
  });
  expect(root).toEqual({ path: "/root-of-it", readonly: false });
  expect(hostname).toBe("h");
});

test("makeBundle() puts an instance into namespaces of its own", () => {
  const { linux } = makeBundle(input());
  expect(linux.namespaces.map((space) => space.type)).toEqual(["pid", "ipc", "uts", "mount", "network", "cgroup"]);
  expect(linux.namespaces).toContainEqual({ type: "network", path: "/run/netns/n" });
  expect(linux.maskedPaths).toContain("/proc/kcore");
  expect(linux.readonlyPaths).toContain("/proc/sys");
  expect(linux.readonlyPaths).toContain("/sys/fs/cgroup");
  expect(linux.seccomp?.defaultAction).toBe("SCMP_ACT_ERRNO");
});

test("makeBundle() without control group namespaces shows no control groups", () => {
  const bundle = makeBundle(input({}, { machine: { ...machine, cgroupNamespace: false } }));
  expect(bundle.linux.namespaces.map((space) => space.type)).not.toContain("cgroup");
  expect(bundle.mounts.map((mount) => mount.destination)).not.toContain("/sys/fs/cgroup");
});

test("makeBundle() leaves the filter out only where the spec says so", () => {
  expect(makeBundle(input({ security: { ...plainSecurity, seccomp: "Unconfined" } })).linux).not.toHaveProperty(
    "seccomp",
  );
});

test.each([
  { cpuMilli: 250, want: { shares: 256, quota: 25_000, period: 100_000 } },
  { cpuMilli: 1, want: { shares: 2, quota: 1_000, period: 100_000 } },
  { cpuMilli: 4_000, want: { shares: 4_096, quota: 400_000, period: 100_000 } },
])("makeBundle() limits cpu to $cpuMilli m", ({ cpuMilli, want }) => {
  expect(makeBundle(input({ resources: { cpuMilli } })).linux.resources.cpu).toEqual(want);
});

test("makeBundle() limits memory, with swap where that can be limited, and pids always", () => {
  const memory = (swapLimit: boolean) =>
    makeBundle(input({ resources: { memoryBytes: 100 } }, { machine: { ...machine, swapLimit } })).linux.resources;
  expect(memory(true)).toMatchObject({ memory: { limit: 100, swap: 100 }, pids: { limit: 9 } });
  expect(memory(false).memory).toEqual({ limit: 100 });
  expect(makeBundle(input()).linux.resources).not.toHaveProperty("memory");
});

test.each([
  { name: "the image's", spec: {}, want: ["/entry", "arg"] },
  { name: "args over cmd", spec: { args: ["x"] }, want: ["/entry", "x"] },
  { name: "command alone", spec: { command: ["/c"] }, want: ["/c"] },
  { name: "command and args", spec: { command: ["/c"], args: ["x"] }, want: ["/c", "x"] },
  { name: "empty lists as none", spec: { command: [], args: [] }, want: ["/entry", "arg"] },
])("commandOf() takes $name", ({ spec, want }) => {
  expect(commandOf(spec, { entrypoint: ["/entry"], cmd: ["arg"] })).toEqual(want);
});

test("commandOf() refuses to run nothing", () => {
  expect(() => commandOf({}, { entrypoint: [], cmd: [] })).toThrow("has a command");
});
