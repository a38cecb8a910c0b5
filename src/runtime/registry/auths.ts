/** Which credentials apply to an image. */
import type { RegistryAuth } from "../workloads.ts";

/** The key that containers-auth.json(5) has for a registry as docker configurations write it (`https://index.docker.io/v1/`). */
export function authKey(registry: string): string {
  const key = registry
    .trim()
    .replace(/^https?:\/\//u, "")
    .replace(/\/(?:v[12]\/?)?$/u, "");
  return key === "index.docker.io" || key === "registry-1.docker.io" ? "docker.io" : key;
}

/** The credentials of `auth` that apply to an image's name: those of its registry, or of a path that starts its name; in order, the more exact first. */
export function authsFor<T extends RegistryAuth>(name: string, auth: readonly T[]): T[] {
  return auth
    .filter(({ registry }) => name === authKey(registry) || name.startsWith(`${authKey(registry)}/`))
    .toSorted((a, b) => authKey(b.registry).length - authKey(a.registry).length);
}
