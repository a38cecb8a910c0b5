/**
 * An instance's root: an overlay of the image's layers, read-only and shared, with a directory of the instance's own on top. Where the data directory's
 * file system can't be an upper layer (overlay on overlay), a tmpfs of limited size is.
 */
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { BundleMount } from "./bundle.ts";
import type { Launcher } from "./launcher.ts";
import type { OciRuntime } from "./oci-runtime.ts";
import type { ContainerPaths } from "./record.ts";

/** Where upper layers are kept. */
export type UpperKind = "disk" | "tmpfs";

/**
 * Who mounts the overlay: the OCI runtime, as the container's first mount, inside its own mount namespace, so that no process is needed for it and nothing
 * has to be unmounted; or the driver on the machine, where the runtime can't.
 */
export type RootMounter = "runtime" | "host";

interface OverlayOptions {
  layers: readonly string[];
  upper: UpperKind;
  mounter: RootMounter;
  /** For a tmpfs. */
  sizeBytes: number;
}

/**
 * Makes the root, and gives the mounts that the bundle needs for it. Layers get short names, by symbolic links: mount options must fit a page,
 * and paths may hold what the option syntax takes for its own. The runtime resolves them from the root's directory, in which it starts.
 */
export async function makeRoot(
  launcher: Launcher,
  paths: ContainerPaths,
  options: OverlayOptions,
): Promise<BundleMount[]> {
  const below = { recursive: true, mode: 0o700 };
  if (options.upper === "tmpfs") {
    await mkdir(paths.rw, below);
    await mountTmpfs(launcher, paths.rw, { sizeBytes: options.sizeBytes, mode: "0700" });
  }
  const upper = join(paths.rw, "u");
  const links = options.mounter === "runtime" ? paths.root : paths.layers;
  await Promise.all([
    mkdir(upper, below).then(() => chmod(upper, 0o755)), // the root directory's own mode inside
    mkdir(join(paths.rw, "w"), below),
    linkLayers(links, options.layers, paths.rw),
  ]);
  const parts = overlayOptions(options.layers);
  if (options.mounter === "runtime") {
    return [{ destination: "/", type: "overlay", source: "overlay", options: parts }];
  }
  await mkdir(paths.root);
  await must(launcher, ["mount", "-t", "overlay", "overlay", "-o", parts.join(","), paths.root], links);
  return [];
}

async function linkLayers(dir: string, layers: readonly string[], rw?: string): Promise<void> {
  await mkdir(dir, { mode: 0o700 });
  await Promise.all([
    ...(rw === undefined ? [] : [symlink(rw, join(dir, "rw"))]),
    ...layers.map((layer, index) => symlink(layer, join(dir, String(index)))),
  ]);
}

function overlayOptions(layers: readonly string[]): string[] {
  return [lowerOf(layers), "upperdir=rw/u", "workdir=rw/w"];
}

function lowerOf(layers: readonly string[]): string {
  return `lowerdir=${layers.map((_, index) => index).join(":")}`;
}

/** Lets `read` look at an image's layers as one tree, which is gone afterwards. `at` is a directory that isn't there yet. */
export async function withLayers<T>(
  launcher: Launcher,
  { layers, at }: { layers: readonly string[]; at: string },
  read: (root: string) => Promise<T>,
): Promise<T> {
  const [only, ...more] = layers;
  if (only !== undefined && more.length === 0) return read(only);
  const links = join(at, "l");
  const root = join(at, "m");
  await mkdir(root, { recursive: true, mode: 0o700 });
  try {
    await linkLayers(links, layers);
    await must(launcher, ["mount", "-t", "overlay", "overlay", "-o", `ro,${lowerOf(layers)}`, root], links);
    return await read(root);
  } finally {
    await removeTree(launcher, at);
  }
}

/** Tries whether the runtime can mount the root: it then finds everything but the program. */
export async function findRootMounter(runtime: OciRuntime, dir: string, cgroup: string): Promise<RootMounter> {
  const trial = await mkdtemp(join(dir, "trial-"));
  const root = join(trial, "root");
  try {
    const layers = [join(trial, "layer")];
    const rw = join(trial, "rw");
    for (const path of [...layers, rw, join(rw, "u"), join(rw, "w")]) await mkdir(path);
    await linkLayers(root, layers, rw);
    const process = { user: { uid: 0, gid: 0 }, args: ["/none"], cwd: "/", noNewPrivileges: true };
    const mount = { destination: "/", type: "overlay", source: "overlay", options: overlayOptions(layers) };
    const namespaces = [{ type: "mount" }, { type: "pid" }];
    const config = {
      ociVersion: "1.0.2",
      root: { path: root },
      process,
      mounts: [mount, { destination: "/proc", type: "proc", source: "proc" }],
      linux: { namespaces, cgroupsPath: cgroup },
    };
    await writeFile(join(trial, "config.json"), JSON.stringify(config));
    const { output } = await runtime.run(trial, basename(trial));
    return /\/none.*(no such file|not found)/i.test(output) ? "runtime" : "host";
  } finally {
    await rm(trial, { recursive: true });
  }
}

export async function mountTmpfs(
  launcher: Launcher,
  path: string,
  options: { sizeBytes: number | undefined; mode: string; files?: number },
): Promise<void> {
  const { sizeBytes, files } = options;
  const size = `${sizeBytes === undefined ? "" : `,size=${sizeBytes}`}${files === undefined ? "" : `,nr_inodes=${files}`}`;
  await must(launcher, ["mount", "-t", "tmpfs", "tmpfs", "-o", `nosuid,nodev,mode=${options.mode}${size}`, path], "/");
}

/** Mount points at or below a directory, the last mounted first. */
async function mountsBelow(directory: string): Promise<string[]> {
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
