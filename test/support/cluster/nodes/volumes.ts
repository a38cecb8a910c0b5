/** The volumes of a Pod, and what a container has mounted of them, for the OCI driver. */
import { memoryBytes } from "../../../../src/api/meta/quantity.ts";
import type { MountSpec, VolumeFile } from "../../../../src/runtime/workloads.ts";
import type { PodVolume, RealContainer, RealPod } from "./types.ts";
import { filesOf, type ValueParts } from "./values.ts";

/** The files of a Pod's volumes by their names; undefined for empty directories. */
export type Volumes = ReadonlyMap<string, VolumeFile[] | undefined>;

/** Fetches them. @throws UnresolvedError where what one is made from isn't there */
export async function volumesOf(values: ValueParts, pod: RealPod): Promise<Volumes> {
  const found = await Promise.all(
    (pod.spec.volumes ?? []).map(async (volume) => [volume.name, await filesOf(values, pod, volume)] as const),
  );
  return new Map(found);
}

/** What a container has of them. */
export function mountsOf(pod: RealPod, { volumeMounts = [] }: RealContainer, files: Volumes): MountSpec[] {
  return volumeMounts.map(({ name, mountPath, readOnly = false, subPath }) => {
    const volume = pod.spec.volumes?.find((one) => one.name === name);
    if (volume === undefined) throw new Error(`Pod "${pod.metadata.name}" mounts no volume "${name}"`);
    const found = files.get(name);
    return {
      mountPath,
      readOnly,
      ...(subPath === undefined ? {} : { subPath }),
      volume: name,
      source: found === undefined ? emptyDir(volume) : { type: "files", files: found },
    };
  });
}

function emptyDir({ emptyDir: { medium, sizeLimit = "" } = {} }: PodVolume): MountSpec["source"] {
  const sizeLimitBytes = memoryBytes(sizeLimit);
  return {
    type: "emptyDir",
    medium: medium === "Memory" ? "Memory" : "",
    ...(sizeLimitBytes === undefined ? {} : { sizeLimitBytes }),
  };
}
