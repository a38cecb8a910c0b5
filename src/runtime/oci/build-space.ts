/** The disk of builds: what they leave free, and what is kept between them only as long as there is room. */
import { randomUUID } from "node:crypto";
import { renameSync } from "node:fs";
import { mkdir, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { formatBytes } from "../../lib/bytes.ts";
import type { BuildContext } from "./build-context.ts";
import { BuildFailed } from "./build-end.ts";
import { cachesDir, temporaryDir } from "./build-record.ts";
import { removeLarge } from "./build-remove.ts";
import { names } from "./files.ts";

/** What builds leave of a file system's files, where it has so many and no more: the twentieth part, but no more than this. */
const reserveFiles = 20_000;

/** Caches of builds that are under way, asked again before each removal: meanwhile others begin. */
type CachesInUse = () => ReadonlySet<string>;

/** Why no build may go on; undefined where there is room. Before it says so it removes caches, those first that were used longest ago. */
export async function shortOfSpace(ctx: BuildContext, cachesInUse: CachesInUse): Promise<BuildFailed | undefined> {
  const { disk } = ctx.places;
  const { reserveBytes } = ctx.limits;
  if ((await shortage(disk, reserveBytes)) === undefined) return undefined;
  for (const { path } of await caches(ctx)) {
    if (!(await removeCache(ctx, path, cachesInUse))) continue;
    ctx.driver.log.warn({ cache: path }, "The disk is nearly full: a cache of builds was removed");
    if ((await shortage(disk, reserveBytes)) === undefined) return undefined;
  }
  const short = await shortage(disk, reserveBytes);
  if (short === undefined) return undefined;
  return new BuildFailed(
    "BuildStepFailed",
    `Build was stopped: "${disk}" has only ${short.left} left, and builds leave ${short.reserve} free; free some on its file system`,
  );
}

/** Removes caches that no build has used for long. */
export async function removeOldCaches(ctx: BuildContext, cachesInUse: CachesInUse): Promise<void> {
  const old = ctx.driver.clock.now() - ctx.limits.cacheMs;
  for (const { path, usedAt } of await caches(ctx)) {
    if (usedAt < old) await removeCache(ctx, path, cachesInUse);
  }
}

/** Removes a cache unless a build has it. It is moved away first, at once: a build that begins meanwhile gets an empty one and not half of this. */
async function removeCache(ctx: BuildContext, path: string, cachesInUse: CachesInUse): Promise<boolean> {
  if (cachesInUse().has(path)) return false;
  const away = join(temporaryDir(ctx.places), randomUUID());
  renameSync(path, away);
  await removeLarge(ctx.driver.launcher, away);
  return true;
}

interface Shortage {
  left: string;
  reserve: string;
}

/** What a file system has too little of: bytes, or files. */
async function shortage(path: string, reserveBytes: number): Promise<Shortage | undefined> {
  const { bavail, bsize, files, ffree } = await statfs(path);
  const bytes = bavail * bsize;
  if (bytes < reserveBytes) return { left: formatBytes(bytes), reserve: formatBytes(reserveBytes) };
  const reserve = Math.min(reserveFiles, Math.floor(files / 20)); // none where files are not counted
  return ffree < reserve ? { left: `${ffree} files`, reserve: `${reserve}` } : undefined;
}

/** All caches, the longest unused first. */
async function caches(ctx: BuildContext): Promise<{ path: string; usedAt: number }[]> {
  const dir = cachesDir(ctx.places);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const found: { path: string; usedAt: number }[] = [];
  for (const name of await names(dir)) {
    const path = join(dir, name);
    found.push({ path, usedAt: (await stat(path)).mtimeMs });
  }
  return found.sort((a, b) => a.usedAt - b.usedAt);
}
