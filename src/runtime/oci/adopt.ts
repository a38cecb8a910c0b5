/**
 * What a new control finds on this machine: instances that run are taken over, those that ended start again, what was half made or belongs to another
 * boot is removed, and so is everything that no record knows.
 */
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { endGroup, groupNames, isInGroup } from "./cgroup.ts";
import type { DriverContext } from "./context.ts";
import { isMonitor } from "./exits.ts";
import { names, readText } from "./files.ts";
import { cleanRun, destroy, instanceGroup, type Run } from "./launch.ts";
import { containerId, instancePaths, type InstanceRecord, readRecord, recordsDir } from "./record.ts";

/** An instance that goes on. Without a run it ended, or waits for its next start. */
export interface Adopted {
  record: InstanceRecord;
  run?: Run;
}

/** Finds what goes on and removes the rest. */
export async function adoptInstances(ctx: DriverContext): Promise<Adopted[]> {
  const attached = await ctx.network.attached();
  const adopted: Adopted[] = [];
  const found = new Set([...(await names(recordsDir(ctx.places))), ...(await names(ctx.places.disk))]);
  for (const id of found) {
    const record = await readRecord(ctx.places, id);
    const keep = record === undefined ? undefined : await adopt(ctx, record, attached.get(id)?.address);
    if (keep !== undefined) adopted.push(keep);
    else {
      ctx.log.info({ instance: id }, "Removing what is left of an instance");
      await destroy(ctx, id, record?.attempt);
    }
  }
  const known = new Set(adopted.map((one) => one.record.id));
  const containers = new Set(adopted.map((one) => containerId(one.record)));
  for (const id of attached.keys()) if (!known.has(id)) await ctx.network.release(id);
  for (const cid of await names(ctx.runtime.state)) if (!containers.has(cid)) await ctx.runtime.remove(cid);
  for (const id of await groupNames(ctx.cgroups, ctx.parentGroup)) {
    if (!known.has(id)) await endGroup(ctx.cgroups, instanceGroup(ctx, id));
  }
  for (const cid of await names(ctx.runtime.exits)) {
    if (!containers.has(cid)) await rm(join(ctx.runtime.exits, cid), { force: true });
  }
  return adopted;
}

async function adopt(
  ctx: DriverContext,
  record: InstanceRecord,
  address: string | undefined,
): Promise<Adopted | undefined> {
  if (record.bootId !== ctx.bootId || address === undefined) return undefined;
  if (record.nextStartAt !== undefined) {
    if (record.stopping) return undefined;
    // The last control may have been killed before it had taken the ended run apart.
    await cleanRun(ctx, record);
    return { record };
  }
  const paths = instancePaths(ctx.places, record.id);
  const cid = containerId(record);
  const pid = Number((await readText(paths.pid)) ?? 0);
  const monitor = Number((await readText(paths.monitorPid)) ?? 0);
  if (pid === 0 || monitor === 0 || (await ctx.runtime.isHeld(cid))) return undefined;
  const runs = (await isInGroup(pid, instanceGroup(ctx, record.id))) || (await isMonitor(monitor, cid));
  // Looked for last: the monitor writes the exit code before it ends. Without one it went together with its instance.
  if (!runs && (await ctx.exits.read(cid)) === undefined) return undefined;
  record.startedAt ??= Math.round((await stat(paths.pid)).mtimeMs);
  return { record, run: { cid, pid, monitor, address } };
}
