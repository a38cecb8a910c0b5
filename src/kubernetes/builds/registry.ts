/** The registry that an installation names for what builds make and users upload: `HOST/PREFIX`, and below it a path for each namespace, which nothing leaves. */
import { Secret } from "../../api/secret.ts";
import type { Client } from "../../client/client.ts";
import { ImageError } from "../../runtime/images.ts";
import { parseReference } from "../../runtime/registry/reference.ts";
import { openRepository, type Repository } from "../../runtime/registry/repository.ts";
import type { RegistryAuth } from "../../runtime/workloads.ts";

export interface BuildRegistry {
  /**
   * The repository of a namespace.
   * @param how `deletes`: something is taken away there
   * @throws ImageError where the path is none
   */
  open(namespace: string, path: string, how: { signal: AbortSignal; deletes?: boolean }): Promise<Repository>;
}

export interface BuildRegistryOptions {
  client: Pick<Client, "get">;
  /** `HOST[:PORT][/PREFIX]`. */
  place: string;
  /** The Secret with its credentials (`.dockerconfigjson`), and perhaps with its authority (`ca.crt`). */
  secret?: { namespace: string; name: string };
  /** Reads a Secret's credentials. */
  authsOf: (secret: Secret) => RegistryAuth[];
}

/** The exact place of a namespace's image in the registry, without tag. @throws ImageError */
export function namespacedName(place: string, namespace: string, path: string): string {
  return parseReference(`${place}/${namespace}/${path}`).name;
}

/** The path of an image without a registry, below its namespace: `localhost/NAMESPACE/NAME` and `NAME` are the same. */
export function pathInNamespace(image: string, namespace: string): { path: string; tag: string } {
  const { path, tag = "latest", registry } = parseReference(image);
  const bare =
    registry === "docker.io" && !/^(?:docker\.io\/)?library\//u.test(image) ? path.replace(/^library\//u, "") : path;
  return { path: bare.startsWith(`${namespace}/`) ? bare.slice(namespace.length + 1) : bare, tag };
}

export function createBuildRegistry({ client, place, secret, authsOf }: BuildRegistryOptions): BuildRegistry {
  return {
    async open(namespace, path, how) {
      const reference = parseReference(`${place}/${namespace}/${path}`);
      if (reference.tag !== "latest" || reference.digest !== undefined || path.includes(":")) {
        throw new ImageError(`"${path}" is no repository`);
      }
      // Read each time: credentials change.
      const stored = secret === undefined ? undefined : await client.get(Secret, secret);
      const ca = Buffer.from(stored?.data?.["ca.crt"] ?? "", "base64").toString("utf8");
      return openRepository({
        reference,
        auths: stored === undefined ? [] : authsOf(stored),
        write: true,
        ...(ca === "" ? {} : { ca: [ca] }),
        ...how,
      });
    },
  };
}
