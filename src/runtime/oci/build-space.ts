/** The disk of builds: what they leave free, and what is kept between them only as long as there is room. */
import { mkdir, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { formatBytes } from "../../lib/bytes.ts";
import type { BuildContext } from "./build-context.ts";
import { BuildFailed } from "./build-end.ts";
import { cachesDir } from "./build-record.ts";
import { removeLarge } from "./build-remove.ts";
import { names } from "./files.ts";

/** Why no build may go on; undefined where there is room. Before it says so it removes caches, those first that were used longest ago. */
export async function shortOfSpace(
  ctx: BuildContext,
  cachesInUse: ReadonlySet<string>,
): Promise<BuildFailed | undefined> {
  const { disk } = ctx.places;
  const { reserveBytes } = ctx.limits;
  if ((await freeBytes(disk)) >= reserveBytes) return undefined;
  for (const { path } of await caches(ctx, cachesInUse)) {
    ctx.driver.log.warn({ cache: path }, "The disk is nearly full: removing a cache of builds");
    await removeLarge(ctx.driver.launcher, path);
    if ((await freeBytes(disk)) >= reserveBytes) return undefined;
  }
  const free = await freeBytes(disk);
  return new BuildFailed(
    "BuildStepFailed",
    `Build was stopped: "${disk}" has only ${formatBytes(free)} left, and builds leave ${formatBytes(reserveBytes)} free; free some on its file system`,
  );
}

/** Removes caches that no build has used for long. */
export async function removeOldCaches(ctx: BuildContext, cachesInUse: ReadonlySet<string>): Promise<void> {
  const old = ctx.driver.clock.now() - ctx.limits.cacheMs;
  for (const { path, usedAt } of await caches(ctx, cachesInUse)) {
    if (usedAt < old) await removeLarge(ctx.driver.launcher, path);
  }
}

async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

/** Caches that no running build has, the longest unused first. */
async function caches(ctx: BuildContext, inUse: ReadonlySet<string>): Promise<{ path: string; usedAt: number }[]> {
  const dir = cachesDir(ctx.places);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const found: { path: string; usedAt: number }[] = [];
  for (const name of await names(dir)) {
    const path = join(dir, name);
    if (!inUse.has(path)) found.push({ path, usedAt: (await stat(path)).mtimeMs });
  }
  return found.sort((a, b) => a.usedAt - b.usedAt);
}
