/**
 * Credentials for git servers and registries, from the Secrets of a build's ServiceAccount. Pure.
 *
 * A Secret says what it is for by annotations: `build.dev/git-N` names git servers, `build.dev/docker-N` registries, each by URL or host. Types
 * `kubernetes.io/basic-auth` and `kubernetes.io/ssh-auth` need one; `kubernetes.io/dockerconfigjson` (and the older `dockercfg`) names its registries
 * itself, and an annotation then picks among them.
 */
import { dockerAnnotationPrefix, gitAnnotationPrefix } from "../../api/labels.ts";
import type { Secret } from "../../api/secret.ts";
import type { GitCredential } from "../../runtime/builds.ts";
import type { RegistryAuth } from "../../runtime/workloads.ts";
import { registryAuths } from "../revision/pull-secrets.ts";

export interface Credentials {
  git: GitCredential[];
  registries: RegistryAuth[];
  /** A sentence for each annotation that can't be read. */
  problems: string[];
}

/** What the Secrets give, in order, each once. */
export function makeCredentials(secrets: readonly Secret[]): Credentials {
  const all = secrets.map(credentialsOf);
  return {
    git: unique(all.flatMap(({ git }) => git)),
    registries: unique(all.flatMap(({ registries }) => registries)),
    problems: all.flatMap(({ problems }) => problems),
  };
}

function credentialsOf(secret: Secret): Credentials {
  const problems: string[] = [];
  const places = (prefix: string) =>
    Object.entries(secret.metadata.annotations ?? {})
      .filter(([key]) => key.startsWith(prefix))
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([key, value]) => {
        const place = placeOf(value);
        if (place === undefined) {
          const name = `${secret.metadata.namespace ?? ""}/${secret.metadata.name}`;
          problems.push(
            `Secret ${name}: annotation ${key} must be a URL such as https://git.example.com, or a host: "${value}" is neither`,
          );
        }
        return place ?? [];
      });
  const git = places(gitAnnotationPrefix);
  const docker = places(dockerAnnotationPrefix);
  switch (secret.type) {
    case "kubernetes.io/basic-auth": {
      const login = { username: textOf(secret, "username"), password: textOf(secret, "password") };
      const ca = textOf(secret, "ca.crt");
      return {
        git: git.map(({ url }) => ({ type: "basic", url, ...login, ...(ca === "" ? {} : { ca }) })),
        registries: docker.map(({ registry }) => ({ registry, ...login })),
        problems,
      };
    }
    case "kubernetes.io/ssh-auth": {
      const privateKey = textOf(secret, "ssh-privatekey");
      const knownHosts = textOf(secret, "known_hosts");
      return {
        git: git.map(({ host }) => ({
          type: "ssh",
          host,
          privateKey,
          ...(knownHosts === "" ? {} : { knownHosts }),
        })),
        registries: [],
        problems,
      };
    }
    case "kubernetes.io/dockerconfigjson":
    case "kubernetes.io/dockercfg": {
      const wanted = docker.map(({ registry }) => registry);
      const found = registryAuths([secret]);
      const registries = wanted.length === 0 ? found : found.filter(({ registry }) => wanted.includes(registry));
      return { git: [], registries, problems };
    }
    default:
      return { git: [], registries: [], problems };
  }
}

interface Place {
  /** For git over HTTP: the prefix of the repositories' URLs. */
  url: string;
  /** For git over ssh: `host[:port]`. */
  host: string;
  /** For registries: `host[:port][/path]`. */
  registry: string;
}

/** What an annotation names: a URL, `[user@]host[:port]`, or git's own `user@host:path`. */
function placeOf(value: string): Place | undefined {
  if (!/^[\x21-\x7e]+$/.test(value)) return undefined;
  const scp = /^(?:[\w.-]+@)?([A-Za-z0-9.-]+):(?!\d+(?:\/|$)|\/\/)/.exec(value);
  const url = URL.parse(scp !== null ? `ssh://${scp[1]}` : value.includes("://") ? value : `https://${value}`);
  if (url === null || url.hostname === "" || !["https:", "http:", "ssh:"].includes(url.protocol)) return undefined;
  const path = url.pathname.replace(/\/+$/, "");
  // What `docker login` and Docker's own clients call the Hub.
  const hub = url.host === "index.docker.io";
  return {
    url: `${url.protocol === "ssh:" ? "https:" : url.protocol}//${url.host}${path}`,
    host: url.host,
    registry: hub ? "docker.io" : `${url.host}${/^\/v[12]$/.test(path) ? "" : path}`,
  };
}

function textOf(secret: Secret, key: string): string {
  return Buffer.from(secret.data?.[key] ?? "", "base64").toString("utf8");
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Map(values.map((value) => [JSON.stringify(value), value])).values()];
}
