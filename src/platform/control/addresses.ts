/** How Routes are called: by clients, and by instances. */
import { parseHostPort } from "../../lib/listening-socket.ts";
import type { RouteTable } from "../../routing/table.ts";
import { httpsAddress, type PlatformConfig } from "../config.ts";

/** What a client calls for a host. */
export function urlMaker(config: Pick<PlatformConfig, "http" | "https">): (host: string) => string {
  const secure = httpsAddress(config);
  const { port } = parseHostPort(secure ?? config.http);
  const suffix = port === (secure === undefined ? 80 : 443) ? "" : `:${port}`;
  return (host) => `${secure === undefined ? "http" : "https"}://${host}${suffix}`;
}

/**
 * The names that instances call Routes by, `{route}.{namespace}` and what is below. Not domains: whoever may write a Route could else lead the
 * instances of all others astray.
 */
export function internalNames({ hosts }: Pick<RouteTable, "hosts">): string[] {
  return Object.entries(hosts).flatMap(([host, { route }]) => {
    const [namespace = "", name = ""] = route.split("/");
    const own = `${name}.${namespace}`;
    return host === own || host.endsWith(`.${own}`) ? [host] : [];
  });
}
