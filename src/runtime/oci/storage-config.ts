/**
 * The containers-storage of one installation: its own graph root, with the machine's store below it as a read-only one, so that
 * images which are on the machine already, and those that `podman build` made, run without a registry.
 */
import { access, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../../lib/files.ts";

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

/** The machine's own stores: its graph root and what is configured below that (containers-storage.conf(5)). */
export async function machineStores(): Promise<string[]> {
  const named = process.env["ELAFROS_MACHINE_STORAGE_CONF"];
  for (const file of named === undefined ? machineConfigs : [named]) {
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
export function storageConf(paths: StoragePaths, driver: StorageDriver, readOnly: readonly string[]): string {
  const quoted = (text: string) => JSON.stringify(text); // a TOML basic string has JSON's escapes
  return [
    "# Written by elafros: changes are lost.",
    "[storage]",
    `driver = ${quoted(driver)}`,
    `graphroot = ${quoted(join(paths.images, "store"))}`,
    `runroot = ${quoted(paths.runRoot)}`,
    "[storage.options]",
    `additionalimagestores = [${readOnly.map(quoted).join(", ")}]`,
    // Without it the tools bind-mount the store onto itself and leave that behind.
    ...(driver === "overlay" ? ["[storage.options.overlay]", 'skip_mount_home = "true"'] : []),
    "",
  ].join("\n");
}

/**
 * Writes the configuration, where it differs from what is there, and gives the environment that makes the tools use it. The
 * machine's stores are looked for each time: one may have appeared since.
 */
export async function prepareStorage(paths: StoragePaths, driver: StorageDriver): Promise<Record<string, string>> {
  const temporary = join(paths.images, "tmp");
  await mkdir(temporary, { recursive: true, mode: 0o700 });
  await mkdir(paths.runRoot, { recursive: true, mode: 0o700 });
  const readOnly: string[] = [];
  for (const store of await machineStores()) {
    const there = await access(join(store, `${driver}-images`)).then(
      () => true,
      () => false,
    );
    if (there && store !== join(paths.images, "store")) readOnly.push(store);
  }
  const file = join(paths.images, "storage.conf");
  const text = storageConf(paths, driver, readOnly);
  if ((await readFile(file, "utf8").catch(() => undefined)) !== text) await writeFileAtomic(file, text);
  return { CONTAINERS_STORAGE_CONF: file };
}
