/**
 * The places of a bridge: some made ahead, some held by instances. Who holds one is a file's name, so taking a prepared place costs
 * no process and can't be half done.
 */
import { mkdir, open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { Bridge } from "./network-bridge.ts";
import { type NetworkNames, type Slot, slotAt } from "./network-names.ts";
import { existingSlots, isNamespace, listPorts, makeSlots, removeSlots } from "./network-slots.ts";
import { formatRange, prefixLength } from "./network-subnet.ts";
import type { Attachment } from "./parts.ts";

/** Runs what it is given after what it was given before. */
export type Serial = <T>(work: () => Promise<T>) => Promise<T>;

export interface PlacesOptions {
  bridge: Bridge;
  names: NetworkNames;
  /** The directory of the files that name the holders. */
  dir: string;
  /** How many to have ready. */
  prepared: number;
  /** What changes the kernel takes turns. */
  serial: Serial;
  clock: Clock;
  log: Log;
}

export interface Places {
  attach(id: string): Promise<Attachment>;
  attached(): Promise<Map<string, Attachment>>;
  release(id: string): Promise<void>;
  /** Makes what is missing of the places to have ready, behind the caller's back and at once. */
  refill(): void;
  /** Waits for that; what is due later is made now. */
  settled(): Promise<void>;
  /** Ends that: makes no more, and waits for what is being made. */
  close(): Promise<void>;
}

/** The subnet's first address is its name, the second the bridge's, the last its broadcast address. */
const firstIndex = 2;
const indexes = 2 ** (32 - prefixLength) - 1 - firstIndex;
/** Making places is put off for so long after one was taken: the start that took it needs the machine first. */
const refillDelayMs = 300;
/** Most places made at once. */
const largestBatch = 32;
const holderFile = /^(\d+)\.(.+)$/u;

/** Takes over the places that are held and removes all others: nothing is known of what an earlier control did to them. */
export async function openPlaces(options: PlacesOptions): Promise<Places> {
  const { names, dir, serial, bridge, clock } = options;
  const at = (index: number) => slotAt(names, bridge.subnet.base, index);
  /** Every index that has, or is about to have or lose, anything in the kernel. */
  const taken = new Set<number>();
  const held = new Map<string, Slot>();
  const ready: Slot[] = [];
  const taking = new Map<string, Promise<Attachment>>();
  let cursor = firstIndex;
  let making = 0;
  let waiting = 0;
  let batch: Promise<void> | undefined;
  let cancelRefill: (() => void) | undefined;
  let closed = false;
  let refilling: Promise<void> = Promise.resolve();

  /** Round the subnet, so that an address rests before it means another instance. */
  function takeIndex(): number {
    for (let step = 0; step < indexes; step++) {
      const index = firstIndex + ((cursor - firstIndex + step) % indexes);
      if (taken.has(index)) continue;
      taken.add(index);
      cursor = index + 1;
      return index;
    }
    const subnet = formatRange(bridge.subnet);
    throw new Error(`Cannot attach an instance to ${names.bridge}: all ${indexes} addresses of ${subnet} are taken`);
  }

  async function make(count: number): Promise<Slot[]> {
    const slots = Array.from({ length: count }, () => at(takeIndex()));
    try {
      await serial(() => makeSlots(bridge.context, slots));
      return slots;
    } catch (error) {
      await serial(() => removeSlots(bridge.context.run, names, slots));
      for (const slot of slots) taken.delete(slot.index);
      throw error;
    }
  }

  function refillLater(): void {
    cancelRefill ??= clock.after(refillDelayMs, refill);
  }

  function refill(): void {
    cancelRefill?.();
    cancelRefill = undefined;
    const missing = closed ? 0 : Math.min(options.prepared - ready.length - making, indexes - taken.size);
    if (missing <= 0) return;
    making += missing;
    const filled = make(missing)
      .then(
        (slots) => void ready.push(...slots),
        (error: unknown) => options.log.error({ error: String(error) }, "network places can't be made ahead"),
      )
      .finally(() => (making -= missing));
    refilling = refilling.then(() => filled);
  }

  async function adopt(): Promise<void> {
    const ports = await listPorts(names);
    for (const name of await readdir(dir)) {
      const [, index, id] = holderFile.exec(name) ?? [];
      if (index === undefined || id === undefined) continue;
      const slot = at(Number(index));
      if (ports.includes(slot.port) && (await isNamespace(slot.netnsPath))) {
        taken.add(slot.index);
        held.set(id, slot);
      } else {
        await rm(join(dir, name)); // of before a reboot
      }
    }
    const others = (await existingSlots(names, bridge.subnet.base)).filter((slot) => !taken.has(slot.index));
    await removeSlots(bridge.context.run, names, others);
  }

  async function attach(id: string): Promise<Attachment> {
    if (!/^[a-z0-9][a-z0-9.-]{0,199}$/u.test(id)) {
      throw new Error(`Cannot attach ${JSON.stringify(id)} to the network: an instance's name is a DNS name`);
    }
    const before = held.get(id);
    if (before !== undefined) return attachment(before);
    const pending = taking.get(id);
    if (pending !== undefined) return pending;
    const took = take(id).finally(() => taking.delete(id));
    taking.set(id, took);
    return took;
  }

  async function take(id: string): Promise<Attachment> {
    const slot = await takeSlot();
    held.set(id, slot);
    await (await open(join(dir, `${slot.index}.${id}`), "w", 0o600)).close();
    refillLater();
    return attachment(slot);
  }

  async function takeSlot(): Promise<Slot> {
    for (;;) {
      for (let slot = ready.shift(); slot !== undefined; slot = ready.shift()) {
        if (await isNamespace(slot.netnsPath)) return slot; // else somebody removed it
      }
      waiting++;
      // Those that are being made ahead, where they suffice.
      await (making >= waiting ? refilling : (batch ??= makeBatch())).finally(() => waiting--);
    }
  }

  /** Places for all who wait for one, together: each costs several processes that they share. */
  async function makeBatch(): Promise<void> {
    try {
      await new Promise((resolve) => setImmediate(resolve)); // those who come in the same moment
      const count = Math.min(largestBatch, Math.max(1, waiting), Math.max(1, indexes - taken.size));
      ready.push(...(await make(count)));
    } finally {
      batch = undefined;
    }
  }

  async function release(id: string): Promise<void> {
    const slot = held.get(id);
    if (slot === undefined) return;
    held.delete(id);
    await serial(() => removeSlots(bridge.context.run, names, [slot]));
    await rm(join(dir, `${slot.index}.${id}`), { force: true });
    taken.delete(slot.index);
  }

  async function attached(): Promise<Map<string, Attachment>> {
    const found = new Map<string, Attachment>();
    for (const [id, slot] of held) if (await isNamespace(slot.netnsPath)) found.set(id, attachment(slot));
    return found;
  }

  await mkdir(dir, { recursive: true, mode: 0o700 });
  await serial(adopt);
  const close = async () => {
    closed = true;
    cancelRefill?.();
    await Promise.allSettled([refilling, batch]);
  };
  const settled = () => {
    if (cancelRefill !== undefined) refill();
    return refilling;
  };
  return { attach, attached, release, refill, settled, close };
}

function attachment(slot: Slot): Attachment {
  return { netns: slot.netnsPath, address: slot.address };
}
