/** Whom this machine trusts to sign registries' certificates. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { getCACertificates } from "node:tls";

/** The authorities of Node and of the system, and those for this registry alone, where podman and docker look for them (containers-certs.d(5)). PEM. */
export async function authoritiesFor(
  registry: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string[]> {
  const home = join(env["XDG_CONFIG_HOME"] ?? join(env["HOME"] ?? "/root", ".config"), "containers/certs.d");
  const directories = [home, "/etc/containers/certs.d", "/etc/docker/certs.d"].map((one) => join(one, registry));
  const own = await Promise.all(directories.map(certificatesIn));
  return [...new Set([...getCACertificates("default"), ...getCACertificates("system"), ...own.flat()])];
}

async function certificatesIn(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch(() => []);
  return Promise.all(
    names.filter((name) => name.endsWith(".crt")).map((name) => readFile(join(directory, name), "utf8")),
  );
}
