/**
 * The network of one installation's instances: a bridge, an nftables table, and places on the bridge that are made ahead so that
 * taking one is a file and no process. The kernel and the run directory hold the state, nothing else: a new control finds it there,
 * and after a reboot it is made again.
 */
import { mkdir, open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "../../lib/log.ts";
import { forward, prepareBridge, subnetFile } from "./network-bridge.ts";
import { releaseForwarding } from "./network-forwarding.ts";
import { networkNames, type NetworkNames, type Slot, slotAt } from "./network-names.ts";
import { removeScript, type RulePorts, rulesScript } from "./network-rules.ts";
import { ipBatch, isNamespace, listNamespaces, listPorts, makeSlots, removeSlots } from "./network-slots.ts";
import { formatRange, prefixLength } from "./network-subnet.ts";
import type { Attachment, InstanceNetwork } from "./parts.ts";
import { needTool, runTool } from "./storage-run.ts";

export interface NetworkOptions extends RulePorts {
  /** Absolute; names the installation. The subnet is kept there. */
  dataDir: string;
  /** Who holds which place is kept there, until a reboot. */
  runDir: string;
  /** How many places to have ready; 4 unless given. */
  prepared?: number;
  log: Log;
}

/** The network of an installation, with what its platform needs beyond what instances need. */
export interface OciNetwork extends InstanceNetwork {
  /** Name of the bridge's interface. */
  readonly bridge: string;
  /** `10.x.y.0/22`. */
  readonly subnet: string;
  /** Makes what is missing or differs: bridge, rules, forwarding, places. Done once by `createNetwork`; harmless at any time. */
  prepare(): Promise<void>;
  /** Changes which ports instances reach. */
  setPorts(ports: RulePorts): Promise<void>;
  /** Waits until the places that are made ahead are made. */
  settled(): Promise<void>;
}

/** Makes (or finds) the network of an installation. */
export async function createNetwork(options: NetworkOptions): Promise<OciNetwork> {
  const names = networkNames(options.dataDir);
  const heldDir = join(options.runDir, "network");
  await mkdir(heldDir, { recursive: true, mode: 0o700 });
  const lock = serial();
  let ports: RulePorts = options;
  const state = await lock(() => prepareBridge(options.dataDir, names));
  const { gateway } = state.context;
  const at = (index: number) => slotAt(names, state.subnet.base, index);

  /** What is in the kernel; changed under the lock only. */
  const live = new Map<number, Slot>();
  /** Every index that has, or is about to have or lose, anything in the kernel. */
  const taken = new Set<number>();
  const held = new Map<string, Slot>();
  let ready: Slot[] = [];
  let cursor = firstIndex;

  /** Round the subnet, so that an address rests before it means another instance. */
  function takeIndex(): number {
    for (let step = 0; step < indexes; step++) {
      const index = firstIndex + ((cursor - firstIndex + step) % indexes);
      if (!taken.has(index)) {
        taken.add(index);
        cursor = index + 1;
        return index;
      }
    }
    throw new Error(
      `Cannot attach an instance to ${names.bridge}: all ${indexes} addresses of ${formatRange(state.subnet)} are taken`,
    );
  }

  async function make(count: number): Promise<Slot[]> {
    const slots = Array.from({ length: count }, () => at(takeIndex()));
    try {
      await lock(async () => {
        await makeSlots(state.context, slots);
        for (const slot of slots) live.set(slot.index, slot);
      });
      return slots;
    } catch (error) {
      await lock(() => removeSlots(names, slots));
      for (const slot of slots) taken.delete(slot.index);
      throw error;
    }
  }

  const wanted = options.prepared ?? 4;
  let refilling: Promise<void> = Promise.resolve();
  let making = 0;
  function refill(): void {
    const missing = Math.min(wanted - ready.length - making, indexes - taken.size);
    if (missing <= 0) return;
    making += missing;
    refilling = make(missing)
      .then(
        (slots) => void ready.push(...slots),
        (error: unknown) => options.log.error({ error: String(error) }, "Network places can't be made ahead"),
      )
      .finally(() => (making -= missing));
  }

  async function applyRules(): Promise<void> {
    const guarded = await forward(names);
    const script = rulesScript({
      ...ports,
      names,
      gateway,
      subnet: formatRange(state.subnet),
      slots: [...live.values()],
      guarded,
    });
    await needTool("nft", ["-f", "-"], { input: script });
  }

  /** Takes over what an earlier control left: places that are held stay, all others are removed. */
  async function adopt(): Promise<void> {
    for (const name of await readdir(heldDir)) {
      const [, index, id] = /^(\d+)\.(.+)$/u.exec(name) ?? [];
      if (index === undefined || id === undefined) continue;
      const slot = at(Number(index));
      if ((await isNamespace(slot.netnsPath)) && (await listPorts(names)).includes(slot.port)) {
        taken.add(slot.index);
        live.set(slot.index, slot);
        held.set(id, slot);
      } else {
        await rm(join(heldDir, name));
      }
    }
    const keep = new Set([...held.values()].map((slot) => slot.index));
    await removeSlots(
      names,
      (await existing(names, state.subnet.base)).filter((slot) => !keep.has(slot.index)),
    );
  }

  async function attach(id: string): Promise<Attachment> {
    if (!/^[a-z0-9][a-z0-9.-]{0,199}$/u.test(id))
      throw new Error(`Cannot attach ${JSON.stringify(id)}: not a DNS name`);
    const before = held.get(id);
    if (before !== undefined) return attachment(before);
    const prepared = ready.shift();
    const slot = prepared ?? (await make(1))[0];
    if (slot === undefined) throw new Error("Cannot attach an instance: no place was made");
    held.set(id, slot);
    await (await open(join(heldDir, `${slot.index}.${id}`), "w", 0o600)).close();
    refill();
    return attachment(slot);
  }

  async function release(id: string): Promise<void> {
    const slot = held.get(id);
    if (slot === undefined) return;
    held.delete(id);
    await lock(async () => {
      await removeSlots(names, [slot]);
      live.delete(slot.index);
    });
    await rm(join(heldDir, `${slot.index}.${id}`), { force: true });
    taken.delete(slot.index);
  }

  async function attached(): Promise<Map<string, Attachment>> {
    const found = new Map<string, Attachment>();
    for (const [id, slot] of held) if (await isNamespace(slot.netnsPath)) found.set(id, attachment(slot));
    return found;
  }

  await lock(adopt);
  await lock(applyRules);
  refill();

  return {
    gateway,
    bridge: names.bridge,
    subnet: formatRange(state.subnet),
    attach,
    attached,
    release,
    resolvConf: () => `nameserver ${gateway}\n`,
    hosts: (hostname, address) => hostsFile(hostname, address, gateway),
    prepare: async () => {
      await lock(() => prepareBridge(options.dataDir, names));
      await lock(applyRules);
      refill();
    },
    setPorts: async (next) => {
      ports = next;
      await lock(applyRules);
    },
    settled: () => refilling,
  };
}

/** Removes everything of an installation's network from the machine: also where no control runs, or a reboot has taken half. */
export async function destroyNetwork(paths: { dataDir: string; runDir: string }): Promise<void> {
  const names = networkNames(paths.dataDir);
  await removeSlots(names, await existing(names, 0));
  const bridges = (await readdir("/sys/class/net")).filter((name) => name === names.bridge);
  await ipBatch(bridges.map((name) => `link del ${name}`));
  await runTool("nft", ["-f", "-"], { input: removeScript(names) });
  await releaseForwarding(names.hash);
  await rm(join(paths.runDir, "network"), { recursive: true, force: true });
  await rm(join(paths.dataDir, subnetFile), { force: true });
}

/** The subnet's first address is its name, the second the bridge's, the last its broadcast address. */
const firstIndex = 2;
const indexes = 2 ** (32 - prefixLength) - 1 - firstIndex;

function attachment(slot: Slot): Attachment {
  return { netns: slot.netnsPath, address: slot.address };
}

function hostsFile(hostname: string, address: string, gateway: string): string {
  return [
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    `${address}\t${hostname}`,
    `${gateway}\thost.elafros.internal`,
    "",
  ].join("\n");
}

/** Every place that has anything in the kernel. */
async function existing(names: NetworkNames, base: number): Promise<Slot[]> {
  const [ports, namespaces] = await Promise.all([listPorts(names), listNamespaces(names)]);
  const found = new Set([
    ...ports.map((port) => Number.parseInt(port.slice(names.portPrefix.length), 16)),
    ...namespaces.map((name) => Number(name.slice(names.netnsPrefix.length))),
  ]);
  return [...found].filter(Number.isInteger).map((index) => slotAt(names, base, index));
}

/** Runs what it is given one after the other. */
function serial(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const next = last.then(work, work);
    last = next.catch(() => {});
    return next;
  };
}
