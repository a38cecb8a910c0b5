/** Names of an installation's kernel objects: derived from its data directory, so several live side by side and a restart finds them again. */
import { createHash } from "node:crypto";
import { join } from "node:path";

export interface NetworkNames {
  /** Eight hexadecimal digits of the data directory's hash, in every name. */
  hash: string;
  bridge: string;
  /** nftables tables, one in family `inet`, one in `bridge`. */
  table: string;
  /** What the names of the bridge's ports (host ends of the veths) start with. */
  portPrefix: string;
  /** What the names of network namespaces start with. */
  netnsPrefix: string;
}

/** Where `ip netns` keeps its namespaces. */
export const netnsDir = "/run/netns";

/** The names for one data directory, given as an absolute path. Interface names have at most 15 characters. */
export function networkNames(dataDir: string): NetworkNames {
  const hash = createHash("sha256").update(dataDir).digest("hex").slice(0, 8);
  return {
    hash,
    bridge: `ela${hash}`,
    table: `elafros_${hash}`,
    portPrefix: `el${hash}v`,
    netnsPrefix: `elafros-${hash}-`,
  };
}

/** One place on the bridge: everything about it follows from its index in the subnet. */
export interface Slot {
  index: number;
  netns: string;
  netnsPath: string;
  port: string;
  mac: string;
  address: string;
}

/** The slot `index` of a subnet; `base` is the subnet's first address as a number. */
export function slotAt(names: NetworkNames, base: number, index: number): Slot {
  const hex = index.toString(16).padStart(4, "0");
  const { hash } = names;
  const netns = `${names.netnsPrefix}${index}`;
  return {
    index,
    netns,
    netnsPath: join(netnsDir, netns),
    port: `${names.portPrefix}${hex}`,
    // Locally administered: unique among the installations of a machine.
    mac: `02:${hash.slice(0, 2)}:${hash.slice(2, 4)}:${hash.slice(4, 6)}:${hex.slice(0, 2)}:${hex.slice(2)}`,
    address: formatAddress(base + index),
  };
}

/** A dotted address as a number. Throws where it is none. */
export function parseAddress(text: string): number {
  const parts = text.split(".").map(Number);
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255)) {
    throw new Error(`Cannot parse IPv4 address ${JSON.stringify(text)}`);
  }
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

/** A number as a dotted address. */
export function formatAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}
