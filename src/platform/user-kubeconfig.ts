import { access } from "node:fs/promises";
import { join } from "node:path";
import { issueKubeconfig } from "../apiserver/kubeconfig.ts";
import { openPki } from "../apiserver/pki.ts";
import { systemClock } from "../lib/clock.ts";
import { readJson } from "../lib/files.ts";
import { type PlatformConfig, platformPaths } from "./config.ts";
import { requireRoot } from "./settings.ts";

/**
 * The text of a kubeconfig for another person, with a client certificate signed by this installation's CA.
 * @throws Error where there is no installation, or this process may not read its CA
 */
export async function userKubeconfig(options: {
  dataDir: string;
  /** `https://host:port` as that person reaches it. */
  server: string;
  user: string;
  groups: string[];
}): Promise<string> {
  requireRoot("kubeconfig");
  const paths = platformPaths(options.dataDir);
  const config = (await readJson(paths.config)) as PlatformConfig | undefined;
  const hasCa = await access(join(paths.pki, "ca.crt")).then(
    () => true,
    () => false,
  );
  if (config === undefined || !hasCa) {
    throw new Error(
      `There is no installation at "${options.dataDir}": start one with "elafros up", or name it with --data-dir`,
    );
  }
  const pki = await openPki({ dir: paths.pki, names: servingNames(config), clock: systemClock });
  return issueKubeconfig({
    pki,
    server: options.server,
    region: config.region,
    user: options.user,
    groups: options.groups,
  });
}

/** The names in the API server's certificate: its address and what `--api-san` adds. */
export function servingNames(config: PlatformConfig): string[] {
  const host = config.api.slice(0, config.api.lastIndexOf(":")).replace(/^\[|\]$/g, "");
  return [...(["0.0.0.0", "::"].includes(host) ? [] : [host]), ...config.apiSans];
}
