/**
 * The containers-storage of one installation: its own graph root, with the machine's store below it as a read-only one, so that
 * images which are on the machine already, and those that `podman build` made, run without a registry.
 */
import { access, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../../lib/files.ts";
import { runTool } from "./storage-run.ts";

/** Where one installation's images are. */
export interface StoragePaths {
  /** Everything that stays: configuration, graph root, downloads. */
  images: string;
  /** What needn't outlive a reboot: locks and runtime state of the tools. */
  runRoot: string;
}

export type StorageDriver = "overlay" | "vfs";

const machineConfigs = ["/etc/containers/storage.conf", "/usr/share/containers/storage.conf"];
const machineGraph = "/var/lib/containers/storage";

/** The machine's own stores: its graph root and what is configured below that, found as its tools find it (containers-storage.conf(5)). */
async function machineStores(): Promise<string[]> {
  const named = process.env["CONTAINERS_STORAGE_CONF"];
  for (const file of named === undefined || named === "" ? machineConfigs : [named]) {
    const text = await readFile(file, "utf8").catch(() => undefined);
    if (text !== undefined) return storesIn(text);
  }
  return [machineGraph];
}

/** Reads `graphroot` and `additionalimagestores` of a storage.conf. */
export function storesIn(storageConf: string): string[] {
  const lines = storageConf.replace(/^\s*#.*$/gmu, "");
  const graph = /^\s*graphroot\s*=\s*["']([^"']+)["']/mu.exec(lines)?.[1] ?? machineGraph;
  const list = /^\s*additionalimagestores\s*=\s*\[([^\]]*)\]/mu.exec(lines)?.[1] ?? "";
  return [graph, ...[...list.matchAll(/["']([^"']+)["']/gu)].map((match) => match[1] ?? "")];
}

/** The text of a storage.conf. */
export function storageConf(
  store: { graphRoot: string; runRoot: string },
  driver: StorageDriver,
  readOnly: readonly string[] = [],
): string {
  const quoted = (text: string) => JSON.stringify(text); // a TOML basic string has JSON's escapes
  return [
    "# Written by elafros: changes are lost.",
    "[storage]",
    `driver = ${quoted(driver)}`,
    `graphroot = ${quoted(store.graphRoot)}`,
    `runroot = ${quoted(store.runRoot)}`,
    "[storage.options]",
    `additionalimagestores = [${readOnly.map(quoted).join(", ")}]`,
    // Without it the tools bind-mount the store onto itself and leave that behind.
    ...(driver === "overlay" ? ["[storage.options.overlay]", 'skip_mount_home = "true"'] : []),
    "",
  ].join("\n");
}

/** Directories where a driver's image lists are, first of them ours: `store/overlay-images` says that `store` holds images of driver overlay. */
export async function storesOf(paths: StoragePaths, driver: StorageDriver): Promise<string[]> {
  const own = ownStore(paths);
  const found = [own];
  for (const store of await machineStores()) {
    if (store !== own && (await exists(join(store, `${driver}-images`)))) found.push(store);
  }
  return found;
}

/** Our own graph root. */
export function ownStore(paths: StoragePaths): string {
  return join(paths.images, "store");
}

/**
 * The driver that a store has already, else overlay where the file system can hold upper layers, else vfs: each layer is then a whole
 * copy, and images take several times the space.
 */
export async function chooseDriver(paths: StoragePaths): Promise<StorageDriver> {
  for (const driver of ["overlay", "vfs"] as const) {
    if (await exists(join(ownStore(paths), `${driver}-images`))) return driver;
  }
  await mkdir(paths.images, { recursive: true, mode: 0o700 });
  const trial = await mkdtemp(join(paths.images, "overlay-"));
  try {
    for (const name of ["l", "u", "w", "m"]) await mkdir(join(trial, name));
    // Relative, for the path may hold what mount options take for their own.
    const args = ["-t", "overlay", "overlay", "-o", "lowerdir=l,upperdir=u,workdir=w", "m"];
    const mounted = await runTool("mount", args, { cwd: trial });
    if (mounted.code !== 0) return "vfs";
    await runTool("umount", ["m"], { cwd: trial });
    return "overlay";
  } finally {
    await rm(trial, { recursive: true, force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/**
 * Writes the configuration, where it differs from what is there, and gives the environment that makes the tools use it. The
 * machine's stores are looked for each time: one may have appeared since.
 */
export async function prepareStorage(paths: StoragePaths, driver: StorageDriver): Promise<Record<string, string>> {
  const temporary = join(paths.images, "tmp");
  await mkdir(temporary, { recursive: true, mode: 0o700 });
  await mkdir(paths.runRoot, { recursive: true, mode: 0o700 });
  const [, ...readOnly] = await storesOf(paths, driver);
  const file = join(paths.images, "storage.conf");
  const text = storageConf({ graphRoot: ownStore(paths), runRoot: paths.runRoot }, driver, readOnly);
  if ((await readFile(file, "utf8").catch(() => undefined)) !== text) await writeFileAtomic(file, text);
  return { CONTAINERS_STORAGE_CONF: file };
}
