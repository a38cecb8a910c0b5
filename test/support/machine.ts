/**
 * A machine within this one, for tests of what the platform does to its machine: namespaces of its own for network, mounts and processes, with
 * an empty /run and /tmp. What is left behind can be seen exactly, whatever else runs here; and it can lose its power: then its
 * processes, mounts and network namespaces are all gone at once, as in a reboot. Disks and control groups are this machine's.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { platformPaths } from "../../src/platform/config.ts";
import { networkNames } from "../../src/runtime/oci/network-names.ts";
import { type CommandResult, elafros, eventually, run } from "./platform.ts";

export interface Machine {
  /** Runs a program on it to its end; never throws for an exit status. */
  run(program: string, args?: readonly string[], env?: NodeJS.ProcessEnv): Promise<CommandResult>;
  /** Runs `elafros ARGS` on it. */
  elafros(...args: string[]): Promise<CommandResult>;
  /** Starts a program on it that goes on until it is killed, at the latest with the machine. */
  start(program: string, args: readonly string[]): ChildProcess;
  /** Everything on it that a platform on one of the data directories may have changed, sorted, by sort. */
  state(...dataDirs: string[]): Promise<Record<string, string[]>>;
  /** Ends everything on it at this moment. */
  crash(): Promise<void>;
}

/**
 * Its first process: takes away the mounts of others, which may vanish at any time, makes its own /run, /tmp and /sys (which shows the network
 * of whoever mounted it), then collects orphans.
 */
const init = `
for mount in $(awk '$5 ~ "^/(run|tmp|var|root|mnt)/" { print $5 }' /proc/self/mountinfo | sort -r); do umount -l "$mount" 2>/dev/null; done
mount -t tmpfs tmpfs /run && mount -t tmpfs -o mode=1777 tmpfs /tmp && ip link set lo up || exit 1
mkdir /tmp/cgroup && mount --rbind /sys/fs/cgroup /tmp/cgroup && umount -l /sys && mount -t sysfs sysfs /sys || exit 1
mount --move /tmp/cgroup /sys/fs/cgroup && rmdir /tmp/cgroup || exit 1
echo ready
while :; do sleep 3600 & wait $!; done`;

/** Settings that say what happens, or that the kernel draws on first use. */
const volatileSettings =
  /^(net\.netfilter\.nf_conntrack_(count|buckets|max)|net\.nf_conntrack_max|vm\.stat_refresh|net\.ipv4\.tcp_fastopen_key)\b/;

/** Starts one. What runs on it runs in `directory`, a directory of a disk. */
export async function startMachine(directory: string): Promise<Machine> {
  const holder = spawn(
    "unshare",
    // prettier-ignore
    ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private", "sh", "-c", init],
    { stdio: ["ignore", "pipe", "ignore"] },
  );
  await Promise.race([
    once(holder.stdout, "data"),
    once(holder, "exit").then(() => Promise.reject(new Error("The machine did not start"))),
  ]);
  const holderPid = holder.pid ?? 0;
  const first = (await readFile(`/proc/${holderPid}/task/${holderPid}/children`, "utf8")).trim();
  const enter = ["--target", first, "--net", "--mount", "--pid", "--", "env", "-C", directory, "--"];

  const machine: Machine = {
    run: (program, args = [], env = process.env) => run("nsenter", [...enter, program, ...args], { env }),
    elafros: (...args) => machine.run(elafros, args),
    start: (program, args) => spawn("nsenter", [...enter, program, ...args], { stdio: ["ignore", "pipe", "inherit"] }),
    state: async (...dataDirs) => {
      const lines = async (program: string, ...args: string[]) => {
        const { code, stdout, stderr } = await machine.run(program, args);
        if (code !== 0) throw new Error(`${program} ${args.join(" ")}: ${stderr}`);
        return stdout.split("\n").filter((line) => line !== "");
      };
      const marks = dataDirs.flatMap((dir) => [dir, networkNames(dir).hash, controlGroup(dir)]);
      const ours = (line: string) => marks.some((mark) => line.includes(mark));
      const found: Record<string, string[]> = {
        processes: (await lines("ps", "-eo", "args=")).filter(
          (line) => !/^(ps -eo|sh -c|sleep 3600)/.test(line.trim()),
        ),
        mounts: (await lines("cat", "/proc/1/mountinfo")).map((line) =>
          line
            .split(" ")
            .slice(3)
            .join(" ")
            .replace(/ shared:\d+/, ""),
        ),
        networkNamespaces: await lines("ip", "netns", "list"),
        links: (await lines("ip", "-o", "link")).map((line) => line.split(": ")[1] ?? ""),
        addresses: (await lines("ip", "-o", "address")).map((line) => line.split(" ").slice(1, 7).join(" ")),
        routes: await lines("ip", "route", "show", "table", "all"),
        rules: await lines("ip", "rule"),
        firewall: await lines("nft", "-s", "list", "ruleset"),
        settings: (await lines("sysctl", "-a", "--pattern", "^(net|vm)\\.")).filter(
          (line) => !volatileSettings.test(line),
        ),
        temporaryFiles: await lines("find", "/run", "/tmp"),
        // Shared with everything else on this disk: what carries the installation's name.
        controlGroups: (await lines("find", "/sys/fs/cgroup", "-maxdepth", "3", "-type", "d")).filter(ours),
        files: (await lines("find", "/etc", "/var", "/root", "-maxdepth", "4")).filter(ours),
      };
      return Object.fromEntries(Object.entries(found).map(([sort, list]) => [sort, list.sort()]));
    },
    crash: async () => {
      if (holder.exitCode !== null || holder.signalCode !== null) return;
      const ended = once(holder, "exit");
      process.kill(Number(first), "SIGKILL");
      await ended;
      await eventually("the machine is off", async () =>
        readFile(`/proc/${first}/stat`).then(
          () => false,
          () => true,
        ),
      );
    },
  };
  return machine;
}

/** The name of an installation's control group. */
function controlGroup(dataDir: string): string {
  const { instances } = platformPaths(dataDir);
  return `elafros-${createHash("sha256").update(instances).digest("hex").slice(0, 10)}`;
}

/** Removes the control groups that a machine left when it crashed for good: unlike after a reboot they are still there. */
export async function removeControlGroups(...dataDirs: string[]): Promise<void> {
  for (const dir of dataDirs) {
    const group = `/sys/fs/cgroup/*${controlGroup(dir)}*`;
    await run("find", ["/sys/fs/cgroup", "-depth", "-type", "d", "-path", group, "-delete"]);
  }
}

/** What is there now and wasn't, and what was and isn't: `+ links: ela0c3e672c`. */
export function differences(before: Record<string, string[]>, now: Record<string, string[]>): string[] {
  return Object.keys(now).flatMap((sort) => {
    const [old = [], young = []] = [before[sort], now[sort]];
    return [
      ...young.filter((line) => !old.includes(line)).map((line) => `+ ${sort}: ${line}`),
      ...old.filter((line) => !young.includes(line)).map((line) => `- ${sort}: ${line}`),
    ];
  });
}
