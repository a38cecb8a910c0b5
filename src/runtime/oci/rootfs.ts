/**
 * An instance's root: an overlay of the image's layers, read-only and shared, with a directory of the instance's own on top. Where the data directory's
 * file system can't be an upper layer (overlay on overlay), a tmpfs of limited size is.
 */
import { chmod, mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
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
  const below = { recursive: true, mode: 0o700 };
  if (options.upper === "tmpfs") {
    await mkdir(paths.rw, below);
    await mountTmpfs(launcher, paths.rw, { sizeBytes: options.sizeBytes, mode: "0700" });
  }
  const upper = join(paths.rw, "u");
  await Promise.all([
    mkdir(upper, below).then(() => chmod(upper, 0o755)), // the root directory's own mode inside
    mkdir(join(paths.rw, "w"), below),
    mkdir(paths.root),
    mkdir(paths.layers).then(() =>
      Promise.all([
        symlink(paths.rw, join(paths.layers, "rw")),
        ...options.layers.map((layer, index) => symlink(layer, join(paths.layers, String(index)))),
      ]),
    ),
  ]);
  const lower = options.layers.map((_, index) => index).join(":");
  await must(
    launcher,
    ["mount", "-t", "overlay", "overlay", "-o", `lowerdir=${lower},upperdir=rw/u,workdir=rw/w`, "../root"],
    paths.layers,
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

/**
 * Mounts the driver's own tmpfs where it isn't mounted yet: it outlives control, and a reboot ends it. Where it can't be mounted the
 * directory itself serves, slower and on disk.
 */
export async function mountMemory(launcher: Launcher, path: string): Promise<{ inMemory: boolean }> {
  if (mountPoints(await readFile("/proc/self/mountinfo", "utf8")).includes(path)) return { inMemory: true };
  const options = "nosuid,nodev,noexec,mode=0700";
  const result = await launcher.run(["mount", "-t", "tmpfs", "elafros", "-o", options, path]);
  return { inMemory: result.code === 0 };
}
