/** The bridge of an installation, its subnet and the forwarding that egress needs. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../../lib/files.ts";
import { defaultInterfaces, holdForwarding, routedInterfaces } from "./network-forwarding.ts";
import { formatAddress, type NetworkNames, slotAt } from "./network-names.ts";
import { ipBatch, connectedSlots, joinBridge, type SlotContext } from "./network-slots.ts";
import { chooseSubnet, formatRange, parseRange, prefixLength, type Range, usedRanges } from "./network-subnet.ts";
import type { RunTool } from "./storage-run.ts";

/** A bridge that is up. */
export interface Bridge {
  subnet: Range;
  context: SlotContext;
}

/** Keeps the chosen subnet, in the data directory. */
const subnetFile = "network.json";

/** The bridge with its address. Idempotent; costs one process where all is there. */
export async function prepareBridge(run: RunTool, dataDir: string, names: NetworkNames): Promise<Bridge> {
  const { bridge } = names;
  const shown = await run("ip", ["-j", "-4", "addr", "show", "dev", bridge]);
  const [link] = shown.code === 0 ? (JSON.parse(shown.stdout.toString("utf8") || "[]") as BridgeLink[]) : [];
  const current = link?.addr_info?.map((info) => parseRange(`${info.local}/${info.prefixlen}`)).find(Boolean);
  const before = await readSubnet(dataDir);
  const subnet = current ?? chooseSubnet(names.hash, await usedRanges(run, bridge), before);
  if (before?.base !== subnet.base) {
    await writeFileAtomic(join(dataDir, subnetFile), `${JSON.stringify({ subnet: formatRange(subnet) })}\n`);
  }
  const gateway = formatAddress(subnet.base + 1);
  const [mtu, ipv6] = await Promise.all([egressMtu(), hasIpv6()]);
  if (current === undefined) {
    // An address of its own: else it takes the lowest of its ports', and instances lose the gateway whenever that changes.
    const { mac } = slotAt(names, subnet.base, 1);
    await ipBatch(run, [
      ...(shown.code === 0
        ? []
        : [`link add ${bridge} mtu ${mtu} address ${mac} type bridge stp_state 0 forward_delay 0`]),
      ...(ipv6 ? [`link set ${bridge} addrgenmode none`] : []),
      `addr replace ${gateway}/${prefixLength} dev ${bridge}`,
    ]);
  }
  if (link?.flags?.includes("UP") !== true) await ipBatch(run, [`link set ${bridge} up`]);
  // A bridge that somebody removed has lost its ports.
  if (shown.code !== 0) await joinBridge(run, names, await connectedSlots(names, subnet.base));
  return { subnet, context: { run, names, gateway, prefixLength, mtu, ipv6 } };
}

interface BridgeLink {
  flags?: string[];
  addr_info?: { local: string; prefixlen: number }[];
}

async function readSubnet(dataDir: string): Promise<Range | undefined> {
  const text = await readFile(join(dataDir, subnetFile), "utf8").catch(() => "{}");
  const { subnet } = JSON.parse(text) as { subnet?: string };
  return subnet === undefined ? undefined : parseRange(subnet);
}

/**
 * Switches on the forwarding that egress needs; gives the interfaces that forward only for installations like this one.
 * @param loopback whether opened ports of the machine lead to its loopback, where databases listen; the rules keep all else from there
 */
export async function forward(names: NetworkNames, loopback: boolean): Promise<string[]> {
  const settings = `/proc/sys/net/ipv4/conf/${names.bridge}`;
  await writeFile(`${settings}/forwarding`, "1");
  await writeFile(`${settings}/route_localnet`, loopback ? "1" : "0");
  return holdForwarding(names.hash, await routedInterfaces());
}

async function hasIpv6(): Promise<boolean> {
  return (await readFile("/proc/net/if_inet6", "utf8").catch(() => undefined)) !== undefined;
}

/** The smallest MTU of the ways out: a larger one in instances loses packets where path MTU discovery is blocked. */
async function egressMtu(): Promise<number> {
  const sizes = await Promise.all(
    (await defaultInterfaces()).map(async (name) => Number(await readFile(`/sys/class/net/${name}/mtu`, "utf8"))),
  );
  return Math.min(1500, ...sizes.filter((mtu) => mtu >= 576));
}
