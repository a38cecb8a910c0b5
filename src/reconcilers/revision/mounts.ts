/** What is mounted into an instance or a step: files of Secrets and ConfigMaps, and empty directories. */
import type { Container } from "../../api/container.ts";
import { memoryBytes } from "../../api/meta/quantity.ts";
import type { Volume } from "../../api/volume.ts";
import type { MountSpec, VolumeFile } from "../../runtime/workloads.ts";
import type { References, Values } from "./references.ts";

const defaultMode = 0o644;

type Items = readonly { key: string; path: string; mode?: number }[];

export interface MountsInput {
  volumeMounts: Container["volumeMounts"];
  volumes: readonly Volume[] | undefined;
  namespace: string;
}

/** The mounts in the order of the container's `volumeMounts`; volumes that nothing mounts are left out. */
export function makeMounts(input: MountsInput, references: References): MountSpec[] {
  const volumes = new Map((input.volumes ?? []).map((volume) => [volume.name, volume]));
  const mounts: MountSpec[] = [];
  for (const mount of input.volumeMounts ?? []) {
    const volume = volumes.get(mount.name);
    if (volume === undefined) {
      references.note(`volume "${mount.name}" not found`);
      continue;
    }
    const source = sourceOf(volume, references, input.namespace);
    mounts.push({
      mountPath: mount.mountPath,
      // Files of Secrets and ConfigMaps are never written to, as in Kubernetes.
      readOnly: source.type === "files" || (mount.readOnly ?? false),
      ...(mount.subPath === undefined || mount.subPath === "" ? {} : { subPath: mount.subPath }),
      volume: mount.name,
      source,
    });
  }
  return mounts;
}

function sourceOf(volume: Volume, references: References, namespace: string): MountSpec["source"] {
  const { secret, configMap, projected, emptyDir } = volume;
  if (emptyDir !== undefined) {
    const size = emptyDir.sizeLimit === undefined ? undefined : memoryBytes(emptyDir.sizeLimit);
    return {
      type: "emptyDir",
      medium: emptyDir.medium ?? "",
      ...(size === undefined ? {} : { sizeLimitBytes: size }),
    };
  }
  const files = new Map<string, VolumeFile>();
  const project = (kind: "Secret" | "ConfigMap", from: Projection, mode: number) => {
    const optional = from.optional ?? false;
    const values =
      kind === "Secret" ? references.secret(from.name, optional) : references.configMap(from.name, optional);
    if (values === undefined) return;
    for (const file of filesOf(values, from.items, mode, (key) => {
      if (!optional)
        references.note(`references non-existent ${kind.toLowerCase()} key: ${key} (${namespace}/${from.name})`);
    })) {
      files.set(file.path, file);
    }
  };
  if (secret !== undefined) {
    project("Secret", { ...secret, name: secret.secretName }, secret.defaultMode ?? defaultMode);
  }
  if (configMap !== undefined) project("ConfigMap", configMap, configMap.defaultMode ?? defaultMode);
  for (const source of projected?.sources ?? []) {
    const mode = projected?.defaultMode ?? defaultMode;
    if (source.secret !== undefined) project("Secret", source.secret, mode);
    if (source.configMap !== undefined) project("ConfigMap", source.configMap, mode);
  }
  return { type: "files", files: [...files.values()] };
}

interface Projection {
  name: string;
  items?: Items;
  optional?: boolean;
}

function filesOf(values: Values, items: Items | undefined, mode: number, missing: (key: string) => void): VolumeFile[] {
  const wanted = items ?? [...values.keys()].toSorted().map((key): Items[number] => ({ key, path: key }));
  return wanted.flatMap((item) => {
    const value = values.get(item.key);
    if (value === undefined) {
      missing(item.key);
      return [];
    }
    return [{ path: item.path, data: value.toString("base64"), mode: item.mode ?? mode }];
  });
}
