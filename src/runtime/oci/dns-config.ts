/** What the DNS server of an installation's instances is told: pure builders of dnsmasq's files. */

export interface DnsSettings {
  /** The address that it listens on and answers with: the bridge's. */
  gateway: string;
  /** 53, or another where something else has that. */
  port: number;
  /** The platform's domain: all its hosts are the gateway's. */
  domain: string;
  /** The directory of its files; its user must be able to enter it. */
  dir: string;
  /** The user that it runs as once it has its port. */
  user: string;
  /** The file that names the machine's resolvers, `/etc/resolv.conf` unless given. */
  resolvFile?: string;
}

export const hostsFileName = "hosts";

/**
 * dnsmasq's configuration. Names of services (`my-service.default`) stand in a hosts file, exactly, so no namespace hides a
 * top-level domain of the internet; the platform's domain is answered as a whole; the rest goes to the machine's resolvers.
 */
export function dnsmasqConfig(settings: DnsSettings): string {
  const { gateway, domain } = settings;
  return [
    "# Written by elafros: changes are lost.",
    `port=${settings.port}`,
    `listen-address=${gateway}`,
    "bind-interfaces",
    "no-hosts",
    `addn-hosts=${settings.dir}/${hostsFileName}`,
    `resolv-file=${settings.resolvFile ?? "/etc/resolv.conf"}`,
    `address=/${domain}/${gateway}`,
    // Only an address is given above, so a question for another type would go to the machine's resolvers.
    `local=/${domain}/`,
    ...(domain === "localhost" ? ["host-record=localhost,127.0.0.1,::1"] : []),
    `host-record=host.elafros.internal,${gateway}`,
    "local=/elafros.internal/",
    `user=${settings.user}`,
    `pid-file=${settings.dir}/pid`,
    "log-facility=-",
    "",
  ].join("\n");
}

/** Its hosts file: each name is the gateway's. Names that are no host names are left out: they come from route tables, which check them. */
export function dnsmasqHosts(gateway: string, names: readonly string[]): string {
  const good = names.filter((name) => /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/u.test(name));
  return [...new Set(good)]
    .toSorted()
    .map((name) => `${gateway} ${name}\n`)
    .join("");
}

/**
 * An instance's /etc/resolv.conf: the bridge's server, and the machine's search list. No `ndots`: `service.namespace` has a dot, so
 * every resolver asks for it as it stands first, and no name of the internet is asked for below our domain.
 */
export function instanceResolvConf(gateway: string, machine: string): string {
  const search = [...machine.matchAll(/^(?:search|domain)[ \t]+(.+)$/gmu)].at(-1)?.[1]?.trim();
  return [`nameserver ${gateway}`, ...(search === undefined || search === "." ? [] : [`search ${search}`]), ""].join(
    "\n",
  );
}
