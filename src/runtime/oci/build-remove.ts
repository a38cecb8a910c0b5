/** Takes a build apart: nothing runs, nothing is mounted, and nothing lies about but its state and its logs, or not even those. */
import { rm } from "node:fs/promises";
import { basename, join } from "node:path";
import type { BuildContext } from "./build-context.ts";
import { buildPaths, type StoredBuild } from "./build-record.ts";
import { endContainer } from "./container.ts";
import { names } from "./files.ts";
import type { Launcher } from "./launcher.ts";
import { removeTree, unmountBelow } from "./rootfs.ts";

/** Removes all of an ended build but its state and logs. Its record in memory goes last: until then the next control does this again. */
export async function removeWork(ctx: BuildContext, { id, attempt }: { id: string; attempt?: number }): Promise<void> {
  const { driver } = ctx;
  const paths = buildPaths(ctx.places, id);
  await endContainer(driver, { id, attempt, paths });
  const kept = new Set([basename(paths.state), basename(paths.logs)]);
  for (const name of await names(paths.disk))
    if (!kept.has(name)) await removeLarge(driver.launcher, join(paths.disk, name));
  await removeTree(driver.launcher, paths.base);
}

/** Removes all of a build. */
export async function removeBuild(ctx: BuildContext, build: { id: string; attempt?: number }): Promise<void> {
  const paths = buildPaths(ctx.places, build.id);
  await rm(paths.state, { force: true }); // without it the next control removes the rest
  await removeWork(ctx, build);
  await removeLarge(ctx.driver.launcher, paths.disk);
}

/** Removes a directory that may hold very many files, by a process of its own and not by this one's threads. Never what is still mounted below it. */
export async function removeLarge(launcher: Launcher, path: string): Promise<void> {
  await unmountBelow(launcher, path);
  const result = await launcher.run(["rm", "-rf", "--one-file-system", "--", path]);
  if (result.code !== 0) throw new Error(`Cannot remove "${path}": ${result.output}`);
}

/** Puts a build's state back to its beginning. */
export function resetBuild(build: StoredBuild): void {
  build.steps = build.steps.map(({ name }) => ({ name, phase: "waiting" }));
  delete build.startedAt;
  delete build.source;
  delete build.failure;
}
