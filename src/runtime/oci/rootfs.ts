/**
 * An instance's root: an overlay of the image's layers, read-only and shared, with a directory of the instance's own on top. Where the data directory's
 * file system can't be an upper layer (overlay on overlay), a tmpfs of limited size is.
 */
import { mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { makeDirectory } from "./files.ts";
import type { Launcher } from "./launcher.ts";
import type { InstancePaths } from "./record.ts";

/** Where upper layers are kept. */
export type UpperKind = "disk" | "tmpfs";

interface OverlayOptions {
  layers: readonly string[];
  upper: UpperKind;
  /** For a tmpfs. */
  sizeBytes: number;
}

/**
 * Mounts the root. Layers get short names, by symbolic links in the instance's directory: mount options must fit a page, and paths may
 * hold what the option syntax takes for its own.
 */
export async function mountRoot(launcher: Launcher, paths: InstancePaths, options: OverlayOptions): Promise<void> {
  await Promise.all([mkdir(paths.root), mkdir(paths.rw), mkdir(paths.layers)]);
  if (options.upper === "tmpfs") await mountTmpfs(launcher, paths.rw, { sizeBytes: options.sizeBytes, mode: "0700" });
  await Promise.all([
    makeDirectory(join(paths.rw, "u"), 0o755), // the root directory's own mode inside
    mkdir(join(paths.rw, "w")),
    ...options.layers.map((layer, index) => symlink(layer, join(paths.layers, String(index)))),
  ]);
  const lower = options.layers.map((_, index) => `l/${index}`).join(":");
  await must(
    launcher,
    ["mount", "-t", "overlay", "overlay", "-o", `lowerdir=${lower},upperdir=rw/u,workdir=rw/w`, "root"],
    paths.base,
  );
}

export async function mountTmpfs(
  launcher: Launcher,
  path: string,
  options: { sizeBytes: number | undefined; mode: string },
): Promise<void> {
  const size = options.sizeBytes === undefined ? "" : `,size=${options.sizeBytes}`;
  await must(launcher, ["mount", "-t", "tmpfs", "tmpfs", "-o", `nosuid,nodev,mode=${options.mode}${size}`, path], "/");
}

/** Mount points at or below a directory, the last mounted first. */
export async function mountsBelow(directory: string): Promise<string[]> {
  return mountPoints(await readFile("/proc/self/mountinfo", "utf8"))
    .filter((point) => point === directory || point.startsWith(`${directory}/`))
    .reverse();
}

/** Mount points of a /proc/PID/mountinfo text, in its order; octal escapes undone (proc(5)). */
export function mountPoints(mountinfo: string): string[] {
  return mountinfo
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((point) => point !== "")
    .map((point) => point.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8))));
}

/**
 * Unmounts everything at or below a directory, then removes it. Never removes what is still mounted: that would empty a volume.
 * @throws Error where something can't be unmounted
 */
export async function removeTree(launcher: Launcher, directory: string): Promise<void> {
  await unmountBelow(launcher, directory);
  await rm(directory, { recursive: true, force: true, maxRetries: 2 });
}

/** Unmounts everything at or below a directory. Lazily where it is in use: the last user's end frees it. */
export async function unmountBelow(launcher: Launcher, directory: string): Promise<void> {
  for (const point of await mountsBelow(directory)) {
    const result = await launcher.run(["umount", "--no-canonicalize", point]);
    if (result.code !== 0) await launcher.run(["umount", "--no-canonicalize", "--lazy", point]);
  }
  const [left] = await mountsBelow(directory);
  if (left !== undefined)
    throw new Error(`Cannot remove "${directory}": "${left}" is still mounted; try: umount "${left}"`);
}

/** Tries on an empty overlay whether the directory's file system can hold upper layers. */
export async function findUpperKind(launcher: Launcher, dir: string): Promise<UpperKind> {
  const trial = await mkdtemp(join(dir, ".overlay-"));
  try {
    for (const name of ["a", "u", "w", "m"]) await mkdir(join(trial, name));
    const args = ["mount", "-t", "overlay", "overlay", "-o", "lowerdir=a,upperdir=u,workdir=w", "m"];
    return (await launcher.run(args, { cwd: trial })).code === 0 ? "disk" : "tmpfs";
  } finally {
    await removeTree(launcher, trial);
  }
}

async function must(launcher: Launcher, args: string[], cwd: string): Promise<void> {
  const result = await launcher.run(args, { cwd });
  if (result.code !== 0) throw new Error(`Cannot mount: ${result.output || `exit code ${result.code}`}`);
}
