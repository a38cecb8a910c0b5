/** Registry credentials from Secrets of type `kubernetes.io/dockerconfigjson` (and the older `dockercfg`). */
import type { Secret } from "../../api/secret.ts";
import type { RegistryAuth } from "../../runtime/workloads.ts";

/**
 * The credentials that the Secrets hold, in order, each once: as in Kubernetes, all that apply to an image are tried. A Secret of another
 * type, or one that can't be read, gives none: the registry then says what is missing, and as whom it was asked.
 */
export function registryAuths(secrets: readonly Secret[]): RegistryAuth[] {
  const auths = new Map<string, RegistryAuth>();
  for (const secret of secrets) {
    for (const auth of authsOf(secret)) {
      const key = JSON.stringify([auth.registry, auth.username, auth.password]);
      if (!auths.has(key)) auths.set(key, auth);
    }
  }
  return [...auths.values()];
}

function authsOf(secret: Secret): RegistryAuth[] {
  const json = parse(secret.data?.[".dockerconfigjson"]);
  return authsIn(json === undefined ? parse(secret.data?.[".dockercfg"]) : json["auths"]);
}

/** The credentials under `auths` in a configuration of Docker, in order; what holds none, or can't be read, gives none. */
export function authsIn(auths: unknown): RegistryAuth[] {
  return Object.entries(record(auths) ?? {}).flatMap(([key, entry]) => {
    const found = credentialsOf(record(entry));
    return found === undefined ? [] : [{ registry: registryOf(key), ...found }];
  });
}

function credentialsOf(entry: Record<string, unknown> | undefined) {
  const username = entry?.["username"];
  const password = entry?.["password"];
  if (typeof username === "string" && typeof password === "string") return { username, password };
  const auth = entry?.["auth"];
  if (typeof auth !== "string") return undefined;
  const text = Buffer.from(auth, "base64").toString("utf8");
  const colon = text.indexOf(":");
  return colon < 0 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** `host[:port]`, or `host[:port]/path` for the images below, of what Docker writes: one of these, or a URL such as `https://index.docker.io/v1/`. */
function registryOf(key: string): string {
  const name = key.replace(/^https?:\/\//, "").replace(/\/(v[12]\/?)?$/, "");
  return name === "index.docker.io" ? "docker.io" : name;
}

function parse(base64: string | undefined): Record<string, unknown> | undefined {
  if (base64 === undefined) return undefined;
  try {
    return record(JSON.parse(Buffer.from(base64, "base64").toString("utf8")));
  } catch {
    return undefined;
  }
}

function record(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}
