/** Where the certificate of a local CA is read. */
import { readFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import { ConfigMap } from "../../api/config-map.ts";
import { isReason } from "../../api/meta/errors.ts";
import { authorityName, defaultInstall } from "../../kubernetes/manifests/names.ts";
import { platformPaths } from "../config.ts";
import type { TrustedCluster } from "../types.ts";

interface Source {
  /** The same as long as the installation is, whatever its CA is by now. */
  identity: string;
  /** The installation, as a part of a sentence. */
  words: string;
  /** The certificate, PEM. @throws Error that says why there is none, and the way out */
  read(): Promise<string>;
}

/** Of the installation of a data directory. */
export async function localSource(given: string): Promise<Source> {
  const dataDir = await realpath(given).catch(() => given);
  return {
    identity: dataDir,
    words: "that data directory",
    async read() {
      try {
        return await readFile(join(platformPaths(dataDir).certificates, "ca.crt"), "utf8");
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
        throw new Error(
          `There is no local CA in ${dataDir}: it is made when HTTPS is served: elafros up --https HOST:PORT`,
          { cause: error },
        );
      }
    },
  };
}

/** Of the installation of a cluster: a ConfigMap, so that nobody needs the right to read keys for it. */
export function clusterSource({ client, server, namespace = defaultInstall.namespace }: TrustedCluster): Source {
  return {
    identity: `${server} ${namespace}`,
    words: "that cluster",
    async read() {
      try {
        const { data } = await client.get(ConfigMap, { namespace, name: authorityName });
        const text = data?.["ca.crt"];
        if (text !== undefined) return text;
      } catch (error) {
        if (!isReason(error, "NotFound")) throw error;
      }
      throw new Error(
        `There is no local CA in namespace "${namespace}" of ${server}: it is made when HTTPS is served: elafros install --https`,
      );
    },
  };
}
