/** Volumes and the files that every instance gets, as directories of the host, and the bundle's mounts for them. */
import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { InstanceSpec } from "../workloads.ts";
import type { BundleMount } from "./bundle.ts";
import { insideParts, makeDirectory, names, safeBelow, writeTree } from "./files.ts";
import type { Launcher } from "./launcher.ts";
import type { ContainerPaths } from "./record.ts";
import { mountTmpfs } from "./rootfs.ts";

/**
 * Makes the spec's volumes, each once, and gives their mounts. Called before each run: an emptyDir keeps what it holds, and nothing runs
 * in it meanwhile, so that checks on it hold.
 * @throws Error where a path leaves its volume
 */
export async function makeVolumes(
  launcher: Launcher,
  spec: Pick<InstanceSpec, "mounts">,
  paths: ContainerPaths,
): Promise<BundleMount[]> {
  if (spec.mounts.length === 0) return [];
  await Promise.all([paths.volumes, paths.diskVolumes].map((path) => mkdir(path, { recursive: true, mode: 0o700 })));
  const made = new Set([...(await names(paths.volumes)), ...(await names(paths.diskVolumes))]);
  const mounts: BundleMount[] = [];
  for (const mount of spec.mounts) {
    const [name, ...more] = insideParts(mount.volume, "volume");
    if (name === undefined || more.length > 0)
      throw new TypeError(`Cannot use volume "${mount.volume}": it is no plain name`);
    const { source } = mount;
    const onDisk = source.type === "emptyDir" && source.medium === "";
    const at = join(onDisk ? paths.diskVolumes : paths.volumes, name);
    if (!made.has(name)) {
      made.add(name);
      if (source.type === "files") {
        await writeTree(
          at,
          source.files.map((file) => ({ ...file, data: Buffer.from(file.data, "base64") })),
        );
      } else {
        await makeDirectory(at, 0o777);
        if (source.medium === "Memory") {
          await mountTmpfs(launcher, at, { sizeBytes: source.sizeLimitBytes, mode: "0777" });
        }
      }
    }
    mounts.push({
      destination: mount.mountPath,
      source: mount.subPath ? await safeBelow(at, mount.subPath, "subPath") : at,
      // Secrets and ConfigMaps are read-only, as in Kubernetes.
      options: ["rbind", "rprivate", "nosuid", "nodev", ...(mount.readOnly || source.type === "files" ? ["ro"] : [])],
    });
  }
  // A mount below another comes after it.
  return mounts.sort((a, b) => depth(a.destination) - depth(b.destination));
}

function depth(path: string): number {
  return path.split("/").filter(Boolean).length;
}

interface EtcFiles {
  hostname: string;
  hosts: string;
  resolvConf: string;
  terminationMessagePath: string;
}

/** Writes /etc/hosts, /etc/hostname, /etc/resolv.conf and the empty termination message, and gives their mounts. */
export async function makeEtc(paths: ContainerPaths, files: EtcFiles): Promise<BundleMount[]> {
  await mkdir(paths.etc, { recursive: true, mode: 0o700 });
  const contents: Record<string, string> = {
    hosts: files.hosts,
    hostname: `${files.hostname}\n`,
    "resolv.conf": files.resolvConf,
  };
  const options = ["bind", "rprivate", "nosuid", "nodev", "noexec"];
  // Read-only: they lie in memory that all instances share.
  const readOnly = [...options, "ro"];
  const mounts = await Promise.all(
    Object.entries(contents).map(async ([name, text]): Promise<BundleMount> => {
      const source = join(paths.etc, name);
      await writeFile(source, text);
      await chmod(source, 0o644);
      return { destination: `/etc/${name}`, source, options: readOnly };
    }),
  );
  if (files.terminationMessagePath.startsWith("/")) {
    // Any user of the image may write it; a new file, because the last run could still have the old one open.
    await mkdir(paths.disk, { recursive: true, mode: 0o700 });
    await rm(paths.termination, { force: true });
    await writeFile(paths.termination, "", { flag: "wx" });
    await chmod(paths.termination, 0o666);
    mounts.push({ destination: files.terminationMessagePath, source: paths.termination, options });
  }
  return mounts;
}
