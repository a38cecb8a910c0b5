/** Makes and removes places on the bridge: a network namespace, a veth pair, an address. The kernel holds the state. */
import { readdir, statfs } from "node:fs/promises";
import { netnsDir, type NetworkNames, type Slot, slotAt } from "./network-names.ts";
import { elementsScript } from "./network-rules.ts";
import { lastWords, needTool, type RunTool, ToolError } from "./storage-run.ts";

/** What the slots of a bridge share. */
export interface SlotContext {
  /** How tools are run. */
  run: RunTool;
  names: NetworkNames;
  gateway: string;
  prefixLength: number;
  mtu: number;
  /** This kernel has IPv6. */
  ipv6: boolean;
}

/** Makes places; one that half exists is made anew. Costs four processes for all of them and one for each. */
export async function makeSlots(context: SlotContext, slots: readonly Slot[]): Promise<void> {
  const { run, names, mtu } = context;
  await removeSlots(run, names, slots);
  await ipBatch(
    run,
    slots.flatMap((slot) => [
      `netns add ${slot.netns}`,
      `link add ${slot.port} mtu ${mtu} type veth peer name eth0 mtu ${mtu} address ${slot.mac} netns ${slot.netns}`,
      ...(context.ipv6 ? [`link set ${slot.port} addrgenmode none`] : []),
    ]),
  );
  await Promise.all([
    joinBridge(run, names, slots),
    needTool("nft", ["-f", "-"], { run, input: elementsScript("add", names, slots) }),
    ...slots.map((slot) =>
      ipBatch(
        run,
        [
          "link set lo up",
          ...(context.ipv6 ? ["link set eth0 addrgenmode none"] : []),
          `addr add ${slot.address}/${context.prefixLength} dev eth0`,
          "link set eth0 up",
          `route add default via ${context.gateway}`,
        ],
        ["-n", slot.netns],
      ),
    ),
  ]);
}

/**
 * Makes the host ends of places ports of the bridge: isolated, so that their frames never go to another place, and known by their
 * address instead of by what they send, so that no place draws another's frames to itself.
 */
export async function joinBridge(run: RunTool, names: NetworkNames, slots: readonly Slot[]): Promise<void> {
  if (slots.length === 0) return;
  await ipBatch(
    run,
    slots.flatMap(({ port }) => [
      `link set ${port} master ${names.bridge}`,
      `link set ${port} type bridge_slave isolated on learning off flood off mcast_flood off`,
      `link set ${port} up`,
    ]),
  );
  const entries = slots.map(({ mac, port }) => `fdb replace ${mac} dev ${port} master static\n`);
  await needTool("bridge", ["-batch", "-"], { run, input: entries.join("") });
}

/** Removes places; nothing happens where one isn't there. The processes in them must have ended. */
export async function removeSlots(run: RunTool, names: NetworkNames, slots: readonly Slot[]): Promise<void> {
  const gone = new Set<Slot>();
  for (let tries = 1; ; tries += 1) {
    const [ports, namespaces] = await Promise.all([listPorts(names), listNamespaces(names)]);
    const present = slots.filter((slot) => ports.includes(slot.port) || namespaces.includes(slot.netns));
    if (present.length === 0) break;
    for (const slot of present) gone.add(slot);
    const commands = present.flatMap((slot) => [
      ...(ports.includes(slot.port) ? [`link del ${slot.port}`] : []),
      ...(namespaces.includes(slot.netns) ? [`netns del ${slot.netns}`] : []),
    ]);
    // A tool that a killed control had started may be removing the same: goes on after a failure, and looks at what is left.
    const removed = await run("ip", ["-force", "-batch", "-"], { input: `${commands.join("\n")}\n` });
    if (removed.code === 0) break;
    if (tries === 3) {
      const which = present.map(({ netns }) => netns).join(", ");
      throw new ToolError(`Cannot remove the network namespaces ${which}: ${lastWords(removed)}`, removed);
    }
  }
  if (gone.size === 0) return;
  // Added first, so that deleting succeeds where it isn't there; fails where the table is gone, and the element with it.
  const input = `${elementsScript("add", names, [...gone])}\n${elementsScript("delete", names, [...gone])}\n`;
  await run("nft", ["-f", "-"], { input });
}

/** The bridge's ports that exist, by name. */
export async function listPorts(names: NetworkNames): Promise<string[]> {
  return (await readdir("/sys/class/net")).filter((name) => name.startsWith(names.portPrefix));
}

/** The installation's network namespaces, by name; also files that a reboot left without one. */
async function listNamespaces(names: NetworkNames): Promise<string[]> {
  const all = await readdir(netnsDir).catch(() => []);
  return all.filter((name) => name.startsWith(names.netnsPrefix));
}

/** Every place that has anything in the kernel; `base` is the subnet's first address. */
export async function existingSlots(names: NetworkNames, base: number): Promise<Slot[]> {
  const [ports, namespaces] = await Promise.all([listPorts(names), listNamespaces(names)]);
  const found = new Set([
    ...ports.map((port) => Number.parseInt(port.slice(names.portPrefix.length), 16)),
    ...namespaces.map((name) => Number(name.slice(names.netnsPrefix.length))),
  ]);
  return [...found].filter(Number.isInteger).map((index) => slotAt(names, base, index));
}

/** The places that have a port and a namespace. */
export async function connectedSlots(names: NetworkNames, base: number): Promise<Slot[]> {
  const ports = await listPorts(names);
  const there = await Promise.all(
    (await existingSlots(names, base)).map(async (slot) => ({
      slot,
      ok: ports.includes(slot.port) && (await isNamespace(slot.netnsPath)),
    })),
  );
  return there.filter(({ ok }) => ok).map(({ slot }) => slot);
}

/** `NSFS_MAGIC` of linux/magic.h. */
const nsfs = 0x6e73_6673;

/** Whether a namespace's file really is one: where /run outlives a reboot, the files do and the namespaces don't. */
export async function isNamespace(path: string): Promise<boolean> {
  try {
    return (await statfs(path)).type === nsfs;
  } catch {
    return false;
  }
}

/** Runs `ip` commands, one a line, in one process. */
export async function ipBatch(
  run: RunTool,
  commands: readonly string[],
  before: readonly string[] = [],
): Promise<void> {
  if (commands.length > 0) await needTool("ip", [...before, "-batch", "-"], { run, input: `${commands.join("\n")}\n` });
}
