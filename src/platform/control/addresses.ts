/** How Routes are called: by clients, and by instances. */
import { parseHostPort } from "../../lib/listening-socket.ts";
import type { HostEntry } from "../../routing/table.ts";
import { httpsAddress, type PlatformConfig } from "../config.ts";

/** What a client calls for a host. */
export function urlMaker(config: Pick<PlatformConfig, "http" | "https">): (host: string) => string {
  const secure = httpsAddress(config);
  const { port } = parseHostPort(secure ?? config.http);
  const suffix = port === (secure === undefined ? 80 : 443) ? "" : `:${port}`;
  return (host) => `${secure === undefined ? "http" : "https"}://${host}${suffix}`;
}

/**
 * Whether instances call a Route by this host: `{route}.{namespace}` and what is below. Not domains: whoever may write a Route could else lead the
 * instances of all others astray.
 */
export function isInternalName(host: string, { route }: Pick<HostEntry, "route">): boolean {
  const [namespace = "", name = ""] = route.split("/");
  const own = `${name}.${namespace}`;
  return host === own || host.endsWith(`.${own}`);
}
