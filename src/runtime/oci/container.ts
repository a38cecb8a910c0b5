/**
 * From plain values to a running process: network, root, files, bundle, container. What doesn't depend on each other goes side by side. Everything made
 * here lies in the container's directories, its network namespace and its control group, so that a crash at any point leaves nothing that `cleanContainer` and
 * `endContainer` don't find.
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { InstanceSpec } from "../workloads.ts";
import { type BundleMount, type BundleSpec, makeBundle } from "./bundle.ts";
import { endGroup, isInGroup, thawGroup } from "./cgroup.ts";
import type { DriverContext } from "./context.ts";
import { isMonitor } from "./exits.ts";
import { readText } from "./files.ts";
import type { Attachment, ImageRoot } from "./parts.ts";
import { containerId, type ContainerPaths } from "./record.ts";
import { makeRoot, removeTree, unmountBelow, withLayers } from "./rootfs.ts";
import { loadersOf32Bit } from "./seccomp.ts";
import { readInside, resolveUser, type ResolvedUser } from "./users.ts";
import { makeEtc, makeVolumes } from "./volumes.ts";

/** A container that runs: its first process, monitor and address. */
export interface Run {
  cid: string;
  pid: number;
  monitor: number;
  address: string;
}

/** What is run: an instance's next run, or a build's step. */
export interface ContainerPlan {
  /** Names its place on the network, its control group and its host; with `attempt` the OCI container. */
  id: string;
  attempt: number;
  paths: ContainerPaths;
  spec: BundleSpec & Pick<InstanceSpec, "mounts">;
  image: ImageRoot;
  /** Further mounts, before those of the spec; what must be there for them is the caller's. */
  mounts?: BundleMount[];
  terminationMessagePath: string;
  pids: number;
  oomScore: number;
  /** Whether it may run programs of the 32-bit ABI: by default where its image has some. */
  programs32Bit?: boolean;
  /** Called with its user before anything runs. */
  prepare?(user: ResolvedUser): Promise<void>;
}

/** What an image's root says of the processes in it. */
export interface Look {
  user: ResolvedUser;
  /** Its program, or others, are of the 32-bit ABI. */
  programs32Bit: boolean;
}

/** How a program of the 32-bit ABI begins (elf(5)). */
const elf32 = "\u007fELF\u0001";

/** The control group of an instance or a build. */
export function containerGroup(ctx: Pick<DriverContext, "parentGroup">, id: string): string {
  return `${ctx.parentGroup}/${id}`;
}

/** A container that is made; its first process waits for its start. */
export interface HeldContainer {
  run: Run;
  /** Lets it go on to its own program. */
  start(): Promise<void>;
}

/** Makes all that a container needs and starts it; resolves with the running process. */
export async function runContainer(ctx: DriverContext, plan: ContainerPlan): Promise<Run> {
  const held = await createContainer(ctx, plan);
  await held.start();
  return held.run;
}

/** Makes all that a container needs, up to its first process. */
export async function createContainer(ctx: DriverContext, plan: ContainerPlan): Promise<HeldContainer> {
  const { id, paths, spec, image } = plan;
  const files = async (attachment: Attachment) => {
    const etc = await makeEtc(paths, {
      hostname: id,
      hosts: ctx.network.hosts(id, attachment.address),
      resolvConf: ctx.network.resolvConf(),
      terminationMessagePath: plan.terminationMessagePath,
    });
    return { attachment, etc };
  };
  const [network, rootMounts, look, volumes] = await together(
    ctx.network.attach(id).then(files),
    makeRoot(ctx.launcher, paths, {
      layers: image.layers,
      upper: ctx.upper,
      mounter: ctx.mounter,
      sizeBytes: Math.min(ctx.limits.tmpfsRootBytes, spec.resources.memoryBytes ?? Number.POSITIVE_INFINITY),
    }),
    lookInside(ctx, plan),
    makeVolumes(ctx.launcher, spec, paths),
    mkdir(paths.logs, { recursive: true, mode: 0o700 }),
  );
  await plan.prepare?.(look.user);
  const config = makeBundle({
    spec,
    image,
    user: look.user,
    programs32Bit: plan.programs32Bit ?? look.programs32Bit,
    hostname: id,
    root: paths.root,
    netns: network.attachment.netns,
    cgroup: containerGroup(ctx, id),
    rootMounts,
    mounts: [...network.etc, ...(plan.mounts ?? []), ...volumes],
    pids: plan.pids,
    oomScore: plan.oomScore,
    machine: ctx.machine,
  });
  await writeFile(paths.config, JSON.stringify(config), { mode: 0o600 });
  const cid = containerId(plan);
  const pid = await ctx.runtime.create(plan, paths);
  const alive = () => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  const monitor = Number((await readText(paths.monitorPid)) ?? 0);
  return {
    run: { cid, pid, monitor, address: network.attachment.address },
    start: () => ctx.runtime.start(cid, alive),
  };
}

/** What is read of an image's root, once for each way to run it. */
async function lookInside(ctx: DriverContext, { paths, spec, image }: ContainerPlan): Promise<Look> {
  const { runAsUser, runAsGroup, runAsNonRoot } = spec.security;
  const [program = ""] = [...(spec.command ?? image.config.entrypoint), ...(spec.args ?? image.config.cmd)];
  const key = JSON.stringify([image.id, runAsUser, runAsGroup, runAsNonRoot, program]);
  const known = ctx.looks.get(key);
  if (known !== undefined) return known;
  const look = { layers: image.layers, at: join(paths.base, "look") };
  const [passwd, group, first, ...loaders] = await withLayers(ctx.launcher, look, (root) => {
    const beginning = (path: string) => readInside(root, path, elf32.length);
    return Promise.all([
      readInside(root, "/etc/passwd"),
      readInside(root, "/etc/group"),
      beginning(program),
      ...loadersOf32Bit(ctx.machine.arch).map(beginning),
    ]);
  });
  const found: Look = {
    user: resolveUser({ user: image.config.user, passwd, group }, spec.security),
    programs32Bit: first.startsWith(elf32) || loaders.some((text) => text !== ""),
  };
  if (ctx.looks.size > 1000) ctx.looks.clear();
  ctx.looks.set(key, found);
  return found;
}

/** The run that an earlier control started: it goes on, or has ended and left its exit code. Undefined where it never began, or nothing is known of its end. */
export async function findRun(
  ctx: DriverContext,
  { id, attempt, paths }: Pick<ContainerPlan, "id" | "attempt" | "paths">,
): Promise<Omit<Run, "address"> | undefined> {
  const cid = containerId({ id, attempt });
  const pid = Number((await readText(paths.pid)) ?? 0);
  const monitor = Number((await readText(paths.monitorPid)) ?? 0);
  if (pid === 0 || monitor === 0 || (await ctx.runtime.isHeld(cid))) return undefined;
  const runs = (await isInGroup(pid, containerGroup(ctx, id))) || (await isMonitor(monitor, cid));
  // Looked for last: the monitor writes the exit code before it ends. Without one it went together with its container.
  if (!runs && (await ctx.exits.read(cid)) === undefined) return undefined;
  return { cid, pid, monitor };
}

/**
 * Ends whatever is left of a container and takes its root apart. Volumes, network and logs stay for the next.
 * @param remove removes what it has written
 */
export async function cleanContainer(
  ctx: DriverContext,
  { id, attempt, paths }: Pick<ContainerPlan, "id" | "attempt" | "paths">,
  remove = removeTree,
): Promise<void> {
  // On version 1 of control groups, what is frozen would ignore SIGKILL.
  thawGroup(ctx.cgroups, containerGroup(ctx, id));
  await ctx.runtime.remove(containerId({ id, attempt }));
  await endGroup(ctx.cgroups, containerGroup(ctx, id));
  await remove(ctx.launcher, paths.rw);
  for (const part of [paths.root, paths.layers, paths.bundle]) await removeTree(ctx.launcher, part);
  await Promise.all([rm(paths.pid, { force: true }), rm(paths.monitorPid, { force: true })]);
}

/** Ends everything that a container's directories, namespace and group hold, and unmounts it. The files stay. `attempt` names the last container, where known. */
export async function endContainer(
  ctx: DriverContext,
  { id, attempt, paths }: { id: string; attempt: number | undefined; paths: ContainerPaths },
): Promise<void> {
  thawGroup(ctx.cgroups, containerGroup(ctx, id));
  if (attempt !== undefined && attempt > 0) await ctx.runtime.remove(containerId({ id, attempt }));
  await endGroup(ctx.cgroups, containerGroup(ctx, id));
  await unmountBelow(ctx.launcher, paths.base);
  await unmountBelow(ctx.launcher, paths.disk);
  await ctx.network.release(id);
}

/** Waits for all, also when one fails: nothing may still be made when the caller cleans up. */
async function together<T extends readonly Promise<unknown>[]>(
  ...tasks: T
): Promise<{ -readonly [Index in keyof T]: Awaited<T[Index]> }> {
  await Promise.allSettled(tasks);
  return Promise.all(tasks);
}
