/** Chooses the addresses of an installation's bridge: a /22 of the private ranges (RFC 1918) that nothing on this machine uses. */
import { readFile } from "node:fs/promises";
import { formatAddress, parseAddress } from "./network-names.ts";
import { needTool, type RunTool } from "./storage-run.ts";

/** A range of IPv4 addresses. */
export interface Range {
  base: number;
  size: number;
}

/** Prefix length of a bridge's subnet: as many addresses as a bridge has ports (1024). */
export const prefixLength = 22;
const size = 2 ** (32 - prefixLength);
/** In the order in which they are tried: a VPN often routes the first whole. */
const pools = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];

/** Reads `a.b.c.d[/n]`; undefined for what isn't IPv4 or is the default route. */
export function parseRange(text: string): Range | undefined {
  const match = /^(\d+\.\d+\.\d+\.\d+)(?:\/(\d+))?$/u.exec(text);
  if (match === null) return undefined;
  const bits = Number(match[2] ?? 32);
  if (bits === 0) return undefined;
  const length = 2 ** (32 - bits);
  const address = parseAddress(match[1] ?? "");
  return { base: address - (address % length), size: length };
}

/** Whether two ranges share an address. */
export function overlaps(a: Range, b: Range): boolean {
  return a.base < b.base + b.size && b.base < a.base + a.size;
}

/**
 * The subnet to use: `before`, the one of an earlier start, as long as it is free; else the first free candidate, from a place that
 * `hash` (hexadecimal) decides.
 * @throws Error where none is free
 */
export function chooseSubnet(hash: string, used: readonly Range[], before?: Range): Range {
  const free = (range: Range) => !used.some((other) => overlaps(range, other));
  if (before !== undefined && free(before)) return before;
  for (const pool of pools.map(parseRange)) {
    if (pool === undefined) continue;
    const candidates = pool.size / size;
    const start = Number.parseInt(hash, 16) % candidates;
    for (let step = 0; step < candidates; step++) {
      const range = { base: pool.base + ((start + step) % candidates) * size, size };
      if (free(range)) return range;
    }
  }
  throw new Error(
    `Cannot choose a subnet for instances: this machine routes every part of ${pools.join(", ")}; remove a route`,
  );
}

/** The ranges that this machine uses other than on `bridge`: its addresses, routes and name servers. */
export async function usedRanges(run: RunTool, bridge: string): Promise<Range[]> {
  const [addresses, routes, resolvers] = await Promise.all([
    needTool("ip", ["-j", "-4", "addr", "show"], { run }),
    needTool("ip", ["-j", "-4", "route", "show", "table", "all"], { run }),
    readFile("/etc/resolv.conf", "utf8").catch(() => ""),
  ]);
  const links = JSON.parse(addresses || "[]") as {
    ifname?: string;
    addr_info?: { local?: string; prefixlen?: number }[];
  }[];
  const listed = JSON.parse(routes || "[]") as { dst?: string; dev?: string }[];
  const texts = [
    ...links
      .filter((link) => link.ifname !== bridge)
      .flatMap((link) => (link.addr_info ?? []).map((info) => `${info.local ?? ""}/${info.prefixlen ?? 32}`)),
    ...listed.filter((route) => route.dev !== bridge).map((route) => route.dst ?? ""),
    ...[...resolvers.matchAll(/^nameserver\s+(\S+)/gmu)].map((match) => match[1] ?? ""),
  ];
  return texts.map(parseRange).filter((range) => range !== undefined);
}

/** `10.1.0.0/22`. */
export function formatRange(range: Range): string {
  return `${formatAddress(range.base)}/${32 - Math.log2(range.size)}`;
}
