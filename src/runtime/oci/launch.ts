/** An instance's runs: what one needs before it starts, its start, and what is left to remove. */
import { mkdir } from "node:fs/promises";
import { formatBytes } from "../../lib/bytes.ts";
import { ImageError } from "../images.ts";
import type { InstanceSpec, RegistryAuth } from "../workloads.ts";
import { oomScores } from "./bundle.ts";
import { cleanContainer, createContainer, endContainer, type HeldContainer } from "./container.ts";
import type { DriverContext } from "./context.ts";
import { removeLog } from "./logs.ts";
import type { ImageRoot } from "./parts.ts";
import { instancePaths, type InstanceRecord, saveRecord } from "./record.ts";
import { removeTree } from "./rootfs.ts";

/** More was asked for than this machine has. */
export class ResourcesError extends Error {
  override readonly name = "ResourcesError";
}

/** An exact image, pulled where it isn't there. @throws ImageError */
export async function needImage(
  ctx: DriverContext,
  { image, pullSecrets }: { image: string; pullSecrets: readonly RegistryAuth[] },
  progress?: (bytes: number) => void,
): Promise<ImageRoot> {
  const present = await ctx.images.root(image);
  if (present !== undefined) return present;
  await ctx.images.pull(image, pullSecrets, progress);
  const pulled = await ctx.images.root(image);
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

/** Records the next run, before anything is made for it. */
export async function beginRun(ctx: DriverContext, record: InstanceRecord): Promise<void> {
  record.attempt++;
  delete record.nextStartAt;
  delete record.madeAt;
  delete record.startedAt;
  delete record.readyAt;
  const paths = instancePaths(ctx.places, record.id);
  await mkdir(paths.bundle, { recursive: true, mode: 0o700 });
  await saveRecord(ctx.places, record);
}

/** Makes all that a run needs, up to its start. */
export async function launch(ctx: DriverContext, record: InstanceRecord, image: ImageRoot): Promise<HeldContainer> {
  const { id, attempt, spec } = record;
  record.imageId = image.id;
  record.stopSignal = image.config.stopSignal;
  return createContainer(ctx, {
    id,
    attempt,
    spec,
    image,
    paths: instancePaths(ctx.places, id),
    terminationMessagePath: spec.terminationMessagePath,
    pids: ctx.limits.pids,
    oomScore: oomScores.instance,
  });
}

/** Ends whatever is left of the present run and takes its root apart. Volumes, network and logs stay for the next. */
export async function cleanRun(ctx: DriverContext, record: InstanceRecord): Promise<void> {
  const paths = instancePaths(ctx.places, record.id);
  await cleanContainer(ctx, { id: record.id, attempt: record.attempt, paths });
  await removeLog(paths.log(record.attempt - 1)); // the present run's log becomes the previous one
}

/** Removes everything of an instance: processes, mounts, network, files. `attempt` names its last container, where known. */
export async function destroy(ctx: DriverContext, id: string, attempt: number | undefined): Promise<void> {
  const paths = instancePaths(ctx.places, id);
  await endContainer(ctx, { id, attempt, paths });
  await removeTree(ctx.launcher, paths.disk);
  await removeTree(ctx.launcher, paths.base);
}
