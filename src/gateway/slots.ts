/**
 * This gateway's share of the slots of limited instances, where there are gateways elsewhere (routing/shares.ts says who gets what).
 *
 * All slots that aren't its own stand as taken in the counters of requests in flight. So the threads do what they do without shares: a slot is
 * free where the counter is below the limit, and no request costs more. A new instance is set aside whole before any thread knows it. A slot that
 * control gives is handed out; one that is to be given up is claimed, before all requests that wait, whichever instance has a free one first, and
 * only then control is told: so who gets it next gets it after the last request there has ended.
 *
 * Without control everything stays as it is: the gateway serves on with the slots that it has.
 */
import type { Clock } from "../lib/clock.ts";
import type { GatewayMessage, InstanceSlots, SharesMessage } from "../routing/link.ts";
import type { Core } from "./core.ts";
import type { Counters } from "./memory.ts";
import type { NumberedChanges } from "./messages.ts";
import type { Instance } from "./state.ts";

/** How often control is told how many wait, as long as any do. */
const sayMs = 100;

export interface SlotSharesOptions {
  /** The hub's. */
  core: Core;
  counters: Counters;
  clock: Clock;
  toControl(message: GatewayMessage): void;
  /** Of the table that was put in force last. */
  version(): number;
}

interface Share {
  slots: number;
  /** Slots of the limit that others have, as far as they stand in the counter. */
  aside: number;
  /** Undefined until the table has it. */
  instance: Instance | undefined;
  limit: number;
  /** False once it has left the table. */
  present: boolean;
  /** The version of control's table when slots of it were given last. */
  givenIn: number;
}

export class SlotShares {
  readonly #options: SlotSharesOptions;
  /** By id of the instance. */
  readonly #shares = new Map<string, Share>();
  /** By Revision, of instances that the table has or had. */
  readonly #sharesOf = new Map<string, Set<Share>>();
  /** By Revision: how many slots to keep, and the claims of those to give up. */
  readonly #keep = new Map<string, number>();
  readonly #claims = new Map<string, (() => void)[]>();
  /** What control was told of Revisions for which requests wait. */
  readonly #said = new Map<string, { waiting: number; busy: number }>();
  /** Control is about to be told again. */
  #saying = false;

  constructor(options: SlotSharesOptions) {
    this.#options = options;
  }

  /** A new connection begins: what this gateway has. What control said on the one before, and isn't done, is off. */
  hello(): InstanceSlots[] {
    this.#keep.clear();
    for (const revision of this.#claims.keys()) this.#adjust(revision);
    return [...this.#shares].flatMap(([id, { slots }]): InstanceSlots[] => (slots === 0 ? [] : [[id, slots]]));
  }

  /** Hello was said. */
  connected(): void {
    this.#said.clear();
    for (const revision of this.#options.core.short()) this.waits(revision);
  }

  /** The table is about to change: no slot of a new instance may be claimed before it is set aside. */
  changing(changes: NumberedChanges): void {
    for (const [name] of changes.revisions) for (const end of this.#claims.get(name)?.splice(0) ?? []) end();
  }

  /** The table has changed for the hub's core, and will for the threads. */
  changed(changes: NumberedChanges): void {
    for (const [name, entry] of changes.revisions) {
      const state = entry === null ? undefined : this.#options.core.revision(name);
      const limit = entry?.concurrency ?? 0;
      const here = new Set(limit === 0 ? [] : state?.instances);
      for (const share of this.#sharesOf.get(name) ?? []) share.present = false;
      for (const instance of here) this.#put(instance, limit);
      if (entry === null) this.#keep.delete(name);
      this.#adjust(name);
    }
  }

  /** All threads have the table. Of what has left it, only requests stand in the counter from now on: its last one must be seen. */
  settling(): void {
    const gone: InstanceSlots[] = [];
    for (const [id, share] of this.#shares) {
      if (share.present) continue;
      if (share.instance !== undefined) this.#setAside(share, 0);
      else if (share.givenIn <= this.#options.version()) {
        this.#forget(id, share);
        gone.push([id, share.slots]);
      }
    }
    this.#gave(gone);
  }

  /** An instance that left the table has no request any more. */
  drained(id: string): void {
    const share = this.#shares.get(id);
    if (share === undefined || share.present) return;
    this.#forget(id, share);
    this.#gave([[id, share.slots]]);
  }

  fromControl({ version, more, keep }: SharesMessage): void {
    for (const [id, slots] of more) {
      let share = this.#shares.get(id);
      if (share === undefined) {
        share = { slots: 0, aside: 0, instance: undefined, limit: 0, present: false, givenIn: version };
        this.#shares.set(id, share);
      }
      share.slots += slots;
      share.givenIn = version;
      if (share.present) this.#setAside(share, share.limit - share.slots);
    }
    for (const [revision, most] of keep) {
      if (most === null) this.#keep.delete(revision);
      else this.#keep.set(revision, most);
      this.#adjust(revision);
    }
  }

  /** A request waits for a limited Revision. */
  waits(revision: string): void {
    if (this.#said.has(revision)) return;
    this.#said.set(revision, { waiting: 0, busy: 0 });
    this.#say([revision]);
  }

  #put(instance: Instance, limit: number): void {
    let share = this.#shares.get(instance.id);
    if (share === undefined) {
      share = { slots: 0, aside: 0, instance, limit, present: true, givenIn: 0 };
      this.#shares.set(instance.id, share);
    }
    Object.assign(share, { instance, limit, present: true });
    const { name } = instance.revision;
    let others = this.#sharesOf.get(name);
    if (others === undefined) this.#sharesOf.set(name, (others = new Set()));
    others.add(share);
    this.#setAside(share, limit - share.slots);
  }

  #setAside(share: Share, slots: number): void {
    const { instance } = share;
    if (instance === undefined) return;
    const change = Math.max(0, slots) - share.aside;
    share.aside += change;
    if (change > 0) this.#options.core.setAside(instance, change);
    else if (change < 0) this.#options.core.handOut(instance, -change);
  }

  /** Claims as many slots as there are too many. */
  #adjust(name: string): void {
    const revision = this.#options.core.revision(name);
    const claims = this.#claims.get(name) ?? [];
    let has = 0;
    for (const { present, slots } of this.#sharesOf.get(name) ?? []) if (present) has += slots;
    const surplus = Math.max(0, has - (this.#keep.get(name) ?? Infinity));
    for (const end of claims.splice(revision === undefined ? 0 : surplus)) end();
    if (revision === undefined) {
      this.#claims.delete(name);
      return;
    }
    const wanted = surplus - claims.length;
    this.#claims.set(name, claims);
    for (let i = 0; i < wanted; i++) this.#claim(name, claims);
    if (claims.length === 0) this.#claims.delete(name);
  }

  #claim(name: string, claims: (() => void)[]): void {
    const revision = this.#options.core.revision(name);
    if (revision === undefined) return;
    // A slot that is free is claimed before `claim` returns.
    let [over, end] = [false, () => {}];
    const leave = (): void => {
      over = true;
      const place = claims.indexOf(end);
      if (place >= 0) claims.splice(place, 1);
    };
    end = this.#options.core.claim(revision, {
      granted: (instance) => {
        leave();
        const share = this.#shares.get(instance.id);
        if (share === undefined) return;
        share.slots -= 1;
        share.aside += 1;
        this.#gave([[instance.id, 1]]);
      },
      dismissed: leave,
    });
    if (!over) claims.push(end);
  }

  #gave(slots: InstanceSlots[]): void {
    const some = slots.filter(([, count]) => count > 0);
    if (some.length > 0) this.#options.toControl({ type: "gave", slots: some });
  }

  /** Tells control what is new of these Revisions, and again as long as requests wait. */
  #say(names: Iterable<string>): void {
    const { core, counters, clock } = this.#options;
    const news: [string, number, number][] = [];
    for (const name of names) {
      const revision = core.revision(name);
      const claims = this.#claims.get(name)?.length ?? 0;
      const waiting = revision === undefined ? 0 : Math.max(0, counters.waiting(revision.index) - claims);
      let busy = 0;
      for (const { instance, aside } of this.#sharesOf.get(name) ?? []) {
        if (instance !== undefined) busy += Math.max(0, counters.inFlight(instance.index) - aside);
      }
      const last = this.#said.get(name);
      if (last?.waiting !== waiting || last.busy !== busy) news.push([name, waiting, busy]);
      if (waiting > 0) this.#said.set(name, { waiting, busy });
      else this.#said.delete(name);
    }
    if (news.length > 0) this.#options.toControl({ type: "wants", revisions: news });
    if (this.#said.size === 0 || this.#saying) return;
    this.#saying = true;
    clock.after(sayMs, () => {
      this.#saying = false;
      this.#say([...this.#said.keys()]);
    });
  }

  #forget(id: string, share: Share): void {
    this.#shares.delete(id);
    const name = share.instance?.revision.name ?? "";
    const others = this.#sharesOf.get(name);
    others?.delete(share);
    if (others?.size === 0) this.#sharesOf.delete(name);
  }
}
