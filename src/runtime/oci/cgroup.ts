/** Control groups of this machine, version 1 (one tree per controller) and 2 (one tree): where an instance's are, what they say, how they end. */
import { writeFileSync } from "node:fs";
import { readFile, readdir, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isMissing, makeDirectory, names } from "./files.ts";

const mountPoint = "/sys/fs/cgroup";

export interface Cgroups {
  version: 1 | 2;
  /** Whether swap can be limited. */
  swapLimit: boolean;
  /** The group's directory for a controller; version 2 has one for all. */
  path(controller: string, group: string): string;
  /** Directories of the group in every tree. */
  all(group: string): string[];
}

/** Finds how control groups are mounted here, from the text of /proc/self/mountinfo. */
export async function findCgroups(mountinfo: string): Promise<Cgroups> {
  const trees = new Map<string, string>();
  let unified = false;
  for (const line of mountinfo.split("\n")) {
    const [before = "", after = ""] = line.split(" - ", 2);
    const target = before.split(" ")[4] ?? "";
    const [type = "", , options = ""] = after.split(" ");
    if (type === "cgroup2" && target === mountPoint) unified = true;
    if (type === "cgroup2" && target.startsWith(`${mountPoint}/`)) trees.set("unified", target);
    if (type === "cgroup" && target.startsWith(`${mountPoint}/`)) {
      for (const name of options.split(",")) {
        if (name !== "rw" && name !== "ro" && name !== "xattr") trees.set(name, target);
      }
    }
  }
  if (unified) {
    return {
      version: 2,
      swapLimit: true,
      path: (_, group) => join(mountPoint, group),
      all: (group) => [join(mountPoint, group)],
    };
  }
  const memory = trees.get("memory");
  if (memory === undefined) {
    throw new Error(`Cannot limit instances: no memory control group is mounted below ${mountPoint}`);
  }
  const has = await names(memory);
  return {
    version: 1,
    swapLimit: has.includes("memory.memsw.limit_in_bytes"),
    path: (controller, group) => join(trees.get(controller) ?? join(mountPoint, controller), group),
    all: (group) => [...new Set(trees.values())].map((tree) => join(tree, group)),
  };
}

/** How many processes of the group the kernel killed for want of memory; 0 where the group is gone. */
export async function oomKills(cgroups: Cgroups, group: string): Promise<number> {
  const file = cgroups.version === 2 ? "memory.events" : "memory.oom_control";
  const text = await readFile(join(cgroups.path("memory", group), file), "utf8").catch(() => "");
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
}

/** Memory that the group uses; 0 where it is gone. */
export async function groupMemory(cgroups: Cgroups, group: string): Promise<number> {
  const file = cgroups.version === 2 ? "memory.current" : "memory.usage_in_bytes";
  return Number(await readFile(join(cgroups.path("memory", group), file), "utf8").catch(() => 0));
}

const freezeTries = 200;

/**
 * Stops all processes of the group where they stand.
 * @throws Error where the kernel doesn't: they go on then
 */
export async function freezeGroup(cgroups: Cgroups, group: string): Promise<void> {
  const path = cgroups.path("freezer", group);
  for (let tries = 0; tries < freezeTries; tries++) {
    // Version 1 may only have begun: to write again makes it look again (kernel's freezer-subsystem.rst).
    if (cgroups.version === 2) await writeFile(join(path, "cgroup.freeze"), "1");
    else await writeFile(join(path, "freezer.state"), "FROZEN");
    if (await isFrozen(cgroups, path)) return;
    await sleep(5);
  }
  thawGroup(cgroups, group);
  throw new Error(`Cannot freeze control group "${group}": the kernel didn't within ${freezeTries * 5} ms`);
}

async function isFrozen(cgroups: Cgroups, path: string): Promise<boolean> {
  if (cgroups.version === 2) return /^frozen 1$/m.test(await readFile(join(path, "cgroup.events"), "utf8"));
  return (await readFile(join(path, "freezer.state"), "utf8")).trim() === "FROZEN";
}

/**
 * Lets a frozen group's processes go on: before that, version 1 holds back every signal. Nothing happens where it isn't frozen, or is gone. At
 * once and not in a thread: the kernel does it in microseconds, and a request may wait for it.
 */
export function thawGroup(cgroups: Cgroups, group: string): void {
  const path = cgroups.path("freezer", group);
  const [file, text] = cgroups.version === 2 ? ["cgroup.freeze", "0"] : ["freezer.state", "THAWED"];
  try {
    writeFileSync(join(path, file), text);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** Pids in the group, its subgroups included. */
async function groupPids(cgroups: Cgroups, group: string): Promise<number[]> {
  const top = cgroups.path("pids", group);
  const found: number[] = [];
  for (const path of [top, ...(await subgroups(top))]) {
    const text = await readFile(join(path, "cgroup.procs"), "utf8").catch(() => "");
    found.push(...text.split("\n").filter(Boolean).map(Number));
  }
  return found;
}

/**
 * Kills everything in the group and removes it. Nothing happens where it is gone.
 * @throws Error where processes are still there after two seconds, which only the kernel can explain
 */
export async function endGroup(cgroups: Cgroups, group: string): Promise<void> {
  thawGroup(cgroups, group);
  for (let tries = 0; ; tries++) {
    const pids = await groupPids(cgroups, group);
    for (const pid of pids) {
      if (pid > 1) signal(pid, "SIGKILL");
    }
    let left = 0;
    for (const path of cgroups.all(group)) {
      for (const inner of [...(await subgroups(path)).reverse(), path]) {
        await rmdir(inner).catch((error: unknown) => {
          if (!isMissing(error)) left++;
        });
      }
    }
    if (left === 0) return;
    if (tries >= 200)
      throw new Error(`Cannot remove control group "${group}": ${pids.length} processes are left in it`);
    await sleep(10);
  }
}

/** Groups below a directory, outermost first. */
async function subgroups(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  const found: string[] = [];
  for (const entry of entries.filter((one) => one.isDirectory())) {
    const inner = join(path, entry.name);
    found.push(inner, ...(await subgroups(inner)));
  }
  return found;
}

/** Names of the groups directly below. */
export async function groupNames(cgroups: Cgroups, group: string): Promise<string[]> {
  const found = new Set<string>();
  for (const path of cgroups.all(group)) {
    const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) if (entry.isDirectory()) found.add(entry.name);
  }
  return [...found];
}

/** Makes the group that holds all instances of a data directory, with a limit for them together. */
export async function makeParent(cgroups: Cgroups, group: string, memoryBytes: number): Promise<void> {
  const path = cgroups.path("memory", group);
  if (cgroups.version === 2) {
    await writeFile(join(mountPoint, "cgroup.subtree_control"), "+cpu +cpuset +memory +pids +io").catch(() => {});
  }
  await makeDirectory(path, 0o755).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  });
  await writeFile(join(path, cgroups.version === 2 ? "memory.max" : "memory.limit_in_bytes"), String(memoryBytes));
}

/** Whether a process is in the group: tells our instance from another process that got its pid. */
export async function isInGroup(pid: number, group: string): Promise<boolean> {
  const text = await readFile(`/proc/${pid}/cgroup`, "utf8").catch(() => "");
  return text.split("\n").some((line) => {
    const path = line.split(":").slice(2).join(":");
    return path === group || path.startsWith(`${group}/`);
  });
}

/** Sends a signal; nothing happens where the process is gone. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
