/**
 * What a new control finds on this machine: instances that run are taken over, those that ended start again, what was half made or belongs to another
 * boot is removed, and so is everything that no record knows.
 */
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { endGroup, groupNames } from "./cgroup.ts";
import { containerGroup, findRun, type Run } from "./container.ts";
import type { DriverContext } from "./context.ts";
import { names } from "./files.ts";
import { cleanRun, destroy } from "./launch.ts";
import { containerId, instancePaths, type InstanceRecord, readRecord, recordsDir } from "./record.ts";

/** An instance that goes on. Without a run it ended, or waits for its next start. */
export interface Adopted {
  record: InstanceRecord;
  run?: Run;
}

/**
 * Finds what goes on and removes the rest.
 * @param others ids of the builds that go on, and their containers: their places on the network, control groups and exit codes stay
 */
export async function adoptInstances(
  ctx: DriverContext,
  others: { ids: ReadonlySet<string>; containers: ReadonlySet<string> },
): Promise<Adopted[]> {
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
  const known = new Set([...others.ids, ...adopted.map((one) => one.record.id)]);
  const containers = new Set([...others.containers, ...adopted.map((one) => containerId(one.record))]);
  for (const id of attached.keys()) if (!known.has(id)) await ctx.network.release(id);
  for (const cid of await names(ctx.runtime.state)) if (!containers.has(cid)) await ctx.runtime.remove(cid);
  for (const id of await groupNames(ctx.cgroups, ctx.parentGroup)) {
    if (!known.has(id)) await endGroup(ctx.cgroups, containerGroup(ctx, id));
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
  const run = await findRun(ctx, { id: record.id, attempt: record.attempt, paths });
  if (run === undefined) return undefined;
  record.startedAt ??= Math.round((await stat(paths.pid)).mtimeMs);
  return { record, run: { ...run, address } };
}
