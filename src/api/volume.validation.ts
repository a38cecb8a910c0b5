/** Faults of volumes and mounts beyond their schema. */
import type { Container } from "./container.ts";
import type { Cause } from "./meta/errors.ts";
import { at, checked, forbidden, index, invalid, notFound, required } from "./meta/faults.ts";
import { type Check, dataKey, dns1123Label, dns1123Subdomain } from "./meta/names.ts";
import { numbersToText, quantityCheck } from "./meta/quantity.ts";
import { isObject } from "./meta/schema.ts";
import type { Volume } from "./volume.ts";

const sources = ["secret", "configMap", "emptyDir", "projected"] as const;

/** Writes quantities that are numbers as text. The list's form is not known yet. */
export function completeVolumes(volumes: unknown): void {
  if (!Array.isArray(volumes)) return;
  for (const volume of volumes) {
    const emptyDir: unknown = isObject(volume) ? volume["emptyDir"] : undefined;
    if (isObject(emptyDir)) numbersToText(emptyDir, ["sizeLimit"]);
  }
}

/** Faults of `volumes`. */
export function validateVolumes(volumes: readonly Volume[], path: string): Cause[] {
  return volumes.flatMap((volume, position) => volumeFaults(volume, index(path, position)));
}

function volumeFaults(volume: Volume, path: string): Cause[] {
  const { secret, configMap, emptyDir, projected } = volume;
  return [
    ...checked(dns1123Label, volume.name, at(path, "name")),
    ...oneSource(
      Object.keys(volume).filter((key) => key !== "name"),
      path,
    ),
    ...checked(dns1123Subdomain, secret?.secretName, at(path, "secret.secretName")),
    ...itemFaults(secret?.items, at(path, "secret.items")),
    ...checked(dns1123Subdomain, configMap?.name, at(path, "configMap.name")),
    ...itemFaults(configMap?.items, at(path, "configMap.items")),
    ...sizeFaults(emptyDir?.sizeLimit, at(path, "emptyDir.sizeLimit")),
    ...projectedFaults(projected, at(path, "projected.sources")),
  ];
}

/** Exactly one source; `given` holds refused ones too, which have a fault of their own. */
function oneSource(given: readonly string[], path: string): Cause[] {
  if (given.length === 0) return [required(path, "must specify a volume type")];
  return sources
    .filter((source) => given.includes(source))
    .slice(1)
    .map((extra) => forbidden(at(path, extra), "may not specify more than 1 volume type"));
}

function projectedFaults(projected: Volume["projected"], path: string): Cause[] {
  return (projected?.sources ?? []).flatMap((source, position) => {
    const place = index(path, position);
    const given = Object.keys(source);
    const count =
      given.length === 0
        ? [required(place, "must specify a source")]
        : given.length > 1
          ? [forbidden(place, "may not specify more than 1 volume type per source")]
          : [];
    return [
      ...count,
      ...checked(dns1123Subdomain, source.secret?.name, at(place, "secret.name")),
      ...itemFaults(source.secret?.items, at(place, "secret.items")),
      ...checked(dns1123Subdomain, source.configMap?.name, at(place, "configMap.name")),
      ...itemFaults(source.configMap?.items, at(place, "configMap.items")),
    ];
  });
}

function itemFaults(items: readonly { key: string; path: string }[] | undefined, path: string): Cause[] {
  return (items ?? []).flatMap((item, position) => [
    ...checked(dataKey, item.key, at(index(path, position), "key")),
    ...checked(relativePath, item.path, at(index(path, position), "path")),
  ]);
}

function sizeFaults(size: string | undefined, field: string): Cause[] {
  return size === undefined ? [] : quantityCheck("limit")(size).map((words) => invalid(field, size, words));
}

const relativePath: Check = (value) => {
  if (value.startsWith("/")) return ["must be a relative path"];
  return value.split("/").includes("..") ? ["must not contain '..'"] : noNul(value);
};

/** An absolute path that names one place: no `.`, `..` or empty part, apart from one `/` at its end. */
export const absolutePath: Check = (value) => {
  if (!value.startsWith("/")) return ["must be an absolute path"];
  const parts = value.replace(/\/$/, "").split("/").slice(1);
  if (parts.some((part) => part === "" || part === "." || part === "..")) {
    return ["must be a plain path, without '//', '.' and '..'"];
  }
  return noNul(value);
};

function noNul(value: string): string[] {
  return value.includes("\0") ? ["must not contain a NUL character"] : [];
}

/** Faults of `volumeMounts`. */
export function validateMounts(
  container: Pick<Container, "volumeMounts">,
  volumes: readonly Volume[],
  path: string,
): Cause[] {
  const names = new Set(volumes.map((volume) => volume.name));
  const taken = new Set<string>();
  return (container.volumeMounts ?? []).flatMap((mount, position) => {
    const place = index(path, position);
    const faults: Cause[] = [];
    if (mount.name !== "" && !names.has(mount.name)) faults.push(notFound(at(place, "name"), mount.name));
    const field = at(place, "mountPath");
    const target = mount.mountPath.replace(/\/+$/, "");
    faults.push(...checked(mountTarget, mount.mountPath, field));
    // The very same text is a duplicate key, which the schema tells.
    const twice = taken.has(target) && target !== "";
    if (twice && !container.volumeMounts?.slice(0, position).some((other) => other.mountPath === mount.mountPath)) {
      faults.push(invalid(field, mount.mountPath, "must be unique"));
    }
    taken.add(target);
    faults.push(...checked(relativePath, mount.subPath, at(place, "subPath")));
    return faults;
  });
}

const mountTarget: Check = (value) => {
  const faults = absolutePath(value);
  if (faults.length > 0) return faults;
  const target = value.replace(/\/$/, "");
  if (target === "") return ["must not be the root: the image's own files are there"];
  const shared = target === "/dev/shm" || target.startsWith("/dev/shm/");
  const reserved = ["/proc", "/sys", "/dev"].find((root) => target === root || target.startsWith(`${root}/`));
  return reserved === undefined || shared ? [] : [`must not be in ${reserved}, which the system makes`];
};
