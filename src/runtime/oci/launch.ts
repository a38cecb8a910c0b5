/**
 * From a spec to a running process: image, network, root, files, bundle, container. What doesn't depend on each other goes side by side.
 * Everything made here lies in the instance's directory, its network namespace and its control group, so that a crash at any point
 * leaves nothing that `cleanRun` and `destroy` don't find.
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { formatBytes } from "../../lib/bytes.ts";
import { ImageError } from "../images.ts";
import type { InstanceSpec } from "../workloads.ts";
import { makeBundle } from "./bundle.ts";
import { endGroup } from "./cgroup.ts";
import type { DriverContext } from "./context.ts";
import { readText } from "./files.ts";
import { removeLog } from "./logs.ts";
import type { Attachment, ImageRoot } from "./parts.ts";
import { containerId, type InstancePaths, instancePaths, type InstanceRecord, saveRecord } from "./record.ts";
import { makeRoot, removeTree, unmountBelow, withLayers } from "./rootfs.ts";
import { readInside, resolveUser, type ResolvedUser } from "./users.ts";
import { makeEtc, makeVolumes } from "./volumes.ts";

/** A run of an instance: its container, first process, monitor and address. */
export interface Run {
  cid: string;
  pid: number;
  monitor: number;
  address: string;
}

/** More was asked for than this machine has. */
export class ResourcesError extends Error {
  override readonly name = "ResourcesError";
}

/** The image, pulled where it isn't there. @throws ImageError */
export async function needImage(
  ctx: DriverContext,
  spec: InstanceSpec,
  progress?: (bytes: number) => void,
): Promise<ImageRoot> {
  const present = await ctx.images.root(spec.image);
  if (present !== undefined) return present;
  await ctx.images.pull(spec.image, spec.pullSecrets, progress);
  const pulled = await ctx.images.root(spec.image);
  if (pulled === undefined) throw new ImageError("it is not in this machine's image storage after it was pulled");
  return pulled;
}

/** @throws ResourcesError */
export function checkResources(ctx: DriverContext, { cpuMilli = 0, memoryBytes = 0 }: InstanceSpec["resources"]): void {
  const { limits } = ctx;
  if (memoryBytes > limits.memoryBytes) {
    throw new ResourcesError(
      `Asked for ${formatBytes(memoryBytes)} of memory, instances have ${formatBytes(limits.memoryBytes)} on this machine`,
    );
  }
  if (cpuMilli > limits.cpuMilli) {
    throw new ResourcesError(`Asked for ${cpuMilli}m of cpu, this machine has ${limits.cpuMilli}m`);
  }
}

export function instanceGroup(ctx: DriverContext, id: string): string {
  return `${ctx.parentGroup}/${id}`;
}

/** Records the next run, before anything is made for it. */
export async function beginRun(ctx: DriverContext, record: InstanceRecord): Promise<void> {
  record.attempt++;
  delete record.nextStartAt;
  delete record.startedAt;
  delete record.readyAt;
  const paths = instancePaths(ctx.places, record.id);
  await mkdir(paths.bundle, { recursive: true, mode: 0o700 });
  await saveRecord(ctx.places, record);
}

/** Makes all that a run needs and starts it; resolves with the running process. */
export async function launch(ctx: DriverContext, record: InstanceRecord, image: ImageRoot): Promise<Run> {
  const paths = instancePaths(ctx.places, record.id);
  const { spec } = record;
  record.imageId = image.id;
  record.stopSignal = image.config.stopSignal;
  const files = async (attachment: Attachment) => {
    const etc = await makeEtc(paths, {
      hostname: record.id,
      hosts: ctx.network.hosts(record.id, attachment.address),
      resolvConf: ctx.network.resolvConf(),
      terminationMessagePath: spec.terminationMessagePath,
    });
    return { attachment, etc };
  };
  const [network, rootMounts, user, volumes] = await together(
    ctx.network.attach(record.id).then(files),
    makeRoot(ctx.launcher, paths, {
      layers: image.layers,
      upper: ctx.upper,
      mounter: ctx.mounter,
      sizeBytes: Math.min(ctx.limits.tmpfsRootBytes, spec.resources.memoryBytes ?? Number.POSITIVE_INFINITY),
    }),
    findUser(ctx, paths, { spec, image }),
    makeVolumes(ctx.launcher, spec, paths),
    mkdir(paths.logs, { recursive: true, mode: 0o700 }),
  );
  const config = makeBundle({
    spec,
    image,
    user,
    hostname: record.id,
    root: paths.root,
    netns: network.attachment.netns,
    cgroup: instanceGroup(ctx, record.id),
    rootMounts,
    mounts: [...network.etc, ...volumes],
    pids: ctx.limits.pids,
    machine: ctx.machine,
  });
  await writeFile(paths.config, JSON.stringify(config), { mode: 0o600 });
  const cid = containerId(record);
  const pid = await ctx.runtime.create(record, paths);
  const alive = () => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  const [monitor] = await Promise.all([readText(paths.monitorPid), ctx.runtime.start(cid, alive)]);
  return { cid, pid, monitor: Number(monitor ?? 0), address: network.attachment.address };
}

async function findUser(
  ctx: DriverContext,
  paths: InstancePaths,
  { spec, image }: { spec: InstanceSpec; image: ImageRoot },
): Promise<ResolvedUser> {
  const { runAsUser, runAsGroup, runAsNonRoot } = spec.security;
  const key = JSON.stringify([image.id, runAsUser, runAsGroup, runAsNonRoot]);
  const known = ctx.users.get(key);
  if (known !== undefined) return known;
  const read = (root: string) => Promise.all([readInside(root, "/etc/passwd"), readInside(root, "/etc/group")]);
  const [passwd, group] = await withLayers(ctx.launcher, { layers: image.layers, at: join(paths.base, "look") }, read);
  const user = resolveUser({ user: image.config.user, passwd, group }, spec.security);
  if (ctx.users.size > 1000) ctx.users.clear();
  ctx.users.set(key, user);
  return user;
}

/** Ends whatever is left of the present run and takes its root apart. Volumes, network and logs stay for the next. */
export async function cleanRun(ctx: DriverContext, record: InstanceRecord): Promise<void> {
  const paths = instancePaths(ctx.places, record.id);
  await ctx.runtime.remove(containerId(record));
  await endGroup(ctx.cgroups, instanceGroup(ctx, record.id));
  for (const part of [paths.root, paths.rw, paths.layers, paths.bundle]) await removeTree(ctx.launcher, part);
  await Promise.all([
    rm(paths.pid, { force: true }),
    rm(paths.monitorPid, { force: true }),
    removeLog(paths.log(record.attempt - 1)), // the present run's log becomes the previous one
  ]);
}

/** Removes everything of an instance: processes, mounts, network, files. `attempt` names its last container, where known. */
export async function destroy(ctx: DriverContext, id: string, attempt: number | undefined): Promise<void> {
  const paths = instancePaths(ctx.places, id);
  if (attempt !== undefined && attempt > 0) await ctx.runtime.remove(containerId({ id, attempt }));
  await endGroup(ctx.cgroups, instanceGroup(ctx, id));
  await unmountBelow(ctx.launcher, paths.base);
  await unmountBelow(ctx.launcher, paths.disk);
  await ctx.network.release(id);
  await removeTree(ctx.launcher, paths.disk);
  await removeTree(ctx.launcher, paths.base);
}

/** Waits for all, also when one fails: nothing may still be made when the caller cleans up. */
async function together<T extends readonly Promise<unknown>[]>(
  ...tasks: T
): Promise<{ -readonly [Index in keyof T]: Awaited<T[Index]> }> {
  await Promise.allSettled(tasks);
  return Promise.all(tasks);
}
