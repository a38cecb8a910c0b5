/**
 * The gateway's decisions, without any protocol: which Revision a host's next request goes to, which instance takes it, who waits and
 * whose turn it is. A front (http/front.ts now, a faster one later) reads requests and asks here; a request is
 *
 *     match(host) → pick(host) → take(revision), or wait(revision) → … the front forwards … → release(instance)
 *
 * Guarantees, over all threads of the process: an instance never has more requests than its Revision's `concurrency`; in every 100
 * successive requests of a Route each target gets exactly its percent; who waits is served in the order of arrival. A slot that becomes free
 * goes to the request that came first, in whichever thread: a thread that isn't the first's wakes that thread. Should a wake-up be late
 * (a thread is busy), the others look for themselves every `lookMs`.
 */
import type { Clock } from "../lib/clock.ts";
import { enter, leave, takeReport } from "./load.ts";
import { type Counters, isEarlier } from "./memory.ts";
import type { NumberedChanges, RevisionLoad } from "./messages.ts";
import { Outcomes } from "./outcomes.ts";
import {
  changeTable,
  type HostState,
  type Instance,
  newThreadTable,
  orderOf,
  type RevisionState,
  type ThreadTable,
  type Waiter,
} from "./state.ts";

const lookMs = 50;
const firstEjectionMs = 50;
const longestEjectionMs = 1_000;

export interface CoreOptions {
  thread: number;
  counters: Counters;
  clock: Clock;
  /** Most requests that may wait for one Revision, over all threads. */
  queueLength: number;
  /** Most bytes that waiting requests of this thread may hold. */
  queueBytes: number;
  /** Tells another thread to call `look`. */
  wake(thread: number): void;
  /** A request waits for a Revision without instances; `trace` is its span, where it is traced. */
  demand(revision: string, trace: string | undefined): void;
  /** The last slot of an instance that left the table was given back. */
  idle(instance: string): void;
  hung(revision: string, instance: string): void;
  /** The instance takes no new request: its idle connections can go. */
  gone(instance: Instance): void;
  /** A first request of this thread waits for a limited Revision; only where limits are shared with other gateways. */
  short?(revision: string): void;
  /** While asking: a slot of the Revision is wanted from the next gateway; one that it gave is free again. */
  ask(revision: string): void;
  returned(instance: string): void;
}

export class Core {
  /** What becomes of requests: Placements say, the hub asks. */
  readonly outcomes = new Outcomes();
  readonly #table: ThreadTable = newThreadTable();
  readonly #options: CoreOptions;
  readonly #counters: Counters;
  /** Revisions with requests of this thread that wait. */
  readonly #queued = new Set<RevisionState>();
  /** Revisions with anything to report. */
  readonly #loaded = new Set<RevisionState>();
  #waitingBytes = 0;
  #stopLooking: (() => void) | undefined;
  #start = 0;
  #asking = false;

  constructor(options: CoreOptions) {
    this.#options = options;
    this.#counters = options.counters;
  }

  get version(): number {
    return this.#table.version;
  }

  /** Puts the table's next version in force for all that is decided from now on, and for those who wait. */
  change(version: number, changes: NumberedChanges): void {
    const { gone, left } = changeTable(this.#table, version, changes);
    for (const instance of gone) {
      for (; instance.lost > 0; instance.lost--) this.#giveBack(instance);
      this.#options.gone(instance);
    }
    for (const revision of left) this.#dismissAll(revision);
    for (const revision of this.#queued) {
      if (revision.entry.problem !== undefined && revision.instances.length === 0) this.#dismissAll(revision);
      else this.#dispatch(revision, false);
    }
  }

  /** The entry of a host in the table's form; undefined if no Route has it. */
  match(host: string): HostState | undefined {
    const { hosts, wildcards } = this.#table;
    const exact = hosts.get(host);
    if (exact !== undefined || wildcards === 0) return exact;
    const dot = host.indexOf(".");
    return dot < 0 ? undefined : hosts.get(`*${host.slice(dot)}`);
  }

  /** Whether a request for the host may go to an app that speaks HTTP/2. Costs nothing as long as there is no such app. */
  speaksHttp2(host: string): boolean {
    const { http2, hosts, revisions } = this.#table;
    if (http2 === 0) return false;
    const { targets = [], match = [] } = hosts.get(host)?.entry ?? {};
    return [...targets, ...match].some(({ revision }) => revisions.get(revision)?.entry.protocol === "h2c");
  }

  /** The Revision for the host's next request; undefined if the host has no target, or the table not that Revision. */
  pick(host: HostState): RevisionState | undefined {
    const targets = host.entry.targets;
    const target =
      host.split >= 0
        ? targets[orderOf(host)[this.#counters.nextPosition(host.split)] ?? 0]
        : targets.find(({ percent }) => percent > 0);
    return target === undefined ? undefined : this.#table.revisions.get(target.revision);
  }

  /** Takes a slot of the Revision's instance with the fewest requests; undefined if none is free, or others came first. */
  take(revision: RevisionState): Instance | undefined {
    if (this.#asksFor(revision)) return undefined;
    if (revision.entry.concurrency > 0 && this.#counters.waiting(revision.index) > 0) return undefined;
    const instance = this.#takeSlot(revision);
    if (instance !== undefined) this.#enter(revision);
    return instance;
  }

  /** A place in the order of arrival; a request keeps its own when it has to wait again. */
  ticket(): number {
    return this.#counters.ticket();
  }

  /** Waits for a slot. False if too many do; else one of the waiter's functions is called, unless `giveUp` is called before. */
  wait(revision: RevisionState, waiter: Waiter): boolean {
    if (this.#waitingBytes + waiter.bytes > this.#options.queueBytes) return false;
    if (!this.#counters.tryWait(revision.index, this.#options.queueLength)) return false;
    this.#waitingBytes += waiter.bytes;
    this.#enter(revision);
    const { waiters } = revision;
    let place = waiters.length;
    while (place > 0 && isEarlier(waiter.ticket, waiters[place - 1]?.ticket ?? 0)) place--;
    waiters.splice(place, 0, waiter);
    this.#queued.add(revision);
    if (place === 0) this.#publishHead(revision);
    if (waiters.length === 1 && revision.instances.length === 0) this.#options.demand(revision.name, waiter.trace);
    if (waiters.length === 1 && revision.entry.concurrency > 0) this.#options.short?.(revision.name);
    this.#keepLooking();
    if (this.#asksFor(revision)) this.#askForAll(revision);
    // A slot may have become free since `take`. If another thread's request is first, whoever freed the slot has woken that thread.
    else if (this.#counters.firstThread(revision.index) === this.#options.thread) this.#dispatch(revision, false);
    return true;
  }

  /** The waiting request's client has gone, or its time is over. */
  giveUp(revision: RevisionState, waiter: Waiter): void {
    const place = revision.waiters.indexOf(waiter);
    if (place < 0) return;
    revision.waiters.splice(place, 1);
    this.#counters.stopWaiting(revision.index);
    this.#waitingBytes -= waiter.bytes;
    this.#leave(revision);
    if (place === 0) {
      this.#publishHead(revision);
      this.#dispatch(revision, false);
    }
  }

  /** Gives a slot back: the app's answer has ended. */
  release(instance: Instance): void {
    this.#giveBack(instance);
    if (this.#counters.waiting(instance.revision.index) > 0) this.#dispatch(instance.revision, false);
  }

  /** Connections to the instance work. */
  reached(instance: Instance): void {
    instance.ejectedFor = 0;
    instance.ejectedUntil = 0;
  }

  /** The instance refused a connection: this thread leaves it alone for a time that doubles with each refusal in a row. */
  eject(instance: Instance): void {
    instance.ejectedFor = Math.min(Math.max(instance.ejectedFor * 2, firstEjectionMs), longestEjectionMs);
    instance.ejectedUntil = this.#options.clock.now() + instance.ejectedFor;
    // Its request comes again, to be counted once.
    instance.revision.load.requests -= 1;
  }

  /** Work that nobody waits for doesn't end: its slot stays taken until the instance has left the table, and control is told. */
  lose(instance: Instance): void {
    const { revision } = instance;
    if (!revision.instances.includes(instance)) {
      this.#giveBack(instance);
      return;
    }
    instance.lost += 1;
    this.#options.hung(revision.name, instance.id);
  }

  /** Another thread says that a slot may be free for a request of this one. */
  look(): void {
    this.#counters.clearWake(this.#options.thread);
    for (const revision of this.#queued) this.#dispatch(revision, false);
  }

  /**
   * From now on the next gateway gives out the slots of Revisions with a limit. Returns what this thread holds of them, by instance. Each
   * slot of these that is given back is told by `returned`.
   */
  startAsking(): Record<string, number> {
    this.#asking = true;
    const held: Record<string, number> = {};
    for (const revision of this.#table.revisions.values()) {
      if (revision.entry.concurrency === 0) continue;
      for (const instance of revision.instances) {
        instance.told = instance.mine;
        if (instance.told > 0) held[instance.id] = instance.told;
      }
    }
    for (const revision of this.#queued) if (this.#asksFor(revision)) this.#askForAll(revision);
    return held;
  }

  /** The next gateway is gone: this one gives slots out itself again. */
  stopAsking(): void {
    this.#asking = false;
    for (const revision of this.#table.revisions.values()) {
      revision.asked = 0;
      for (const instance of revision.instances) instance.told = 0;
    }
    for (const revision of this.#queued) this.#dispatch(revision, true);
  }

  /** The next gateway gives a slot of the instance, for who waits first. */
  granted(name: string, id: string): void {
    const revision = this.#table.revisions.get(name);
    const instance = revision?.instances.find((one) => one.id === id);
    if (revision !== undefined && revision.asked > 0) revision.asked -= 1;
    const waiter = revision?.waiters.shift();
    if (revision === undefined || waiter === undefined || instance === undefined) {
      if (waiter !== undefined) revision?.waiters.unshift(waiter);
      this.#options.returned(id);
      return;
    }
    this.#counters.occupy(instance.index, 1);
    instance.mine += 1;
    instance.told += 1;
    this.#leaveQueue(revision, waiter);
    waiter.granted(instance);
  }

  /** Slots of an instance that the gateway before this one has; undefined if the table has no such instance. */
  adopt(id: string, count: number): Instance | undefined {
    for (const { instances } of this.#table.revisions.values()) {
      const instance = instances.find((one) => one.id === id);
      if (instance === undefined) continue;
      this.#counters.occupy(instance.index, count);
      instance.mine += count;
      for (let i = 0; i < count; i++) this.#enter(instance.revision);
      return instance;
    }
    return undefined;
  }

  /** Takes slots away from all threads, whether they are free or not: other gateways have them. What is too much ends with its requests. */
  setAside({ index }: Instance, slots: number): void {
    this.#counters.occupy(index, slots);
  }

  /** Gives slots back that were set aside: to who waits first. */
  handOut({ index, revision }: Instance, slots: number): void {
    this.#counters.release(index, slots);
    if (this.#counters.waiting(revision.index) > 0) this.#dispatch(revision, false);
  }

  /**
   * Sets the Revision's next slot aside that is or becomes free, before all requests that wait. `dismissed` is called where it gets none any more.
   * @returns the function that ends it
   */
  claim(revision: RevisionState, done: { granted(instance: Instance): void; dismissed(): void }): () => void {
    const waiter: Waiter = {
      ticket: this.#counters.earlyTicket(),
      bytes: 0,
      granted: (instance) => {
        // It is nobody's request.
        instance.mine -= 1;
        this.#leave(revision);
        done.granted(instance);
      },
      dismissed: () => done.dismissed(),
    };
    this.#counters.startWaiting(revision.index);
    this.#enter(revision);
    revision.waiters.push(waiter);
    this.#queued.add(revision);
    this.#publishHead(revision);
    this.#keepLooking();
    this.#dispatch(revision, false);
    return () => this.giveUp(revision, waiter);
  }

  /** The Revision of that name, for a request that came without a host. */
  revision(name: string): RevisionState | undefined {
    return this.#table.revisions.get(name);
  }

  /** The load of this thread since the last call, of each Revision that has any. */
  report(): RevisionLoad[] {
    const now = this.#options.clock.now();
    return [...this.#loaded].map((revision) => {
      const { name, load, waiters } = revision;
      const seen = takeReport(load, now);
      if (load.running === 0) this.#loaded.delete(revision);
      return { revision: name, ...seen, waiting: waiters.length };
    });
  }

  /** Revisions without instances for which requests wait, in whichever thread. */
  unserved(): string[] {
    const revisions = [...this.#table.revisions.values()];
    return revisions
      .filter(({ index, instances }) => instances.length === 0 && this.#counters.waiting(index) > 0)
      .map(({ name }) => name);
  }

  /** Limited Revisions for which requests wait, in whichever thread. */
  short(): string[] {
    const revisions = [...this.#table.revisions.values()];
    return revisions
      .filter(({ index, entry }) => entry.concurrency > 0 && this.#counters.waiting(index) > 0)
      .map(({ name }) => name);
  }

  /** Requests of this thread that wait. */
  get waiting(): number {
    let sum = 0;
    for (const revision of this.#queued) sum += revision.waiters.length;
    return sum;
  }

  #takeSlot(revision: RevisionState): Instance | undefined {
    const { instances } = revision;
    const limit = revision.entry.concurrency;
    for (;;) {
      let best: Instance | undefined;
      let fewest = limit === 0 ? Infinity : limit;
      // From another start each time, so that equals share, and threads don't all choose the first.
      this.#start = (this.#start + 1) | 0;
      for (let i = 0; i < instances.length; i++) {
        const instance = instances[(i + (this.#start >>> 0)) % instances.length];
        if (instance === undefined || this.#isEjected(instance)) continue;
        const count = this.#counters.inFlight(instance.index);
        if (count < fewest) {
          best = instance;
          fewest = count;
        }
      }
      if (best === undefined) return undefined;
      if (this.#counters.tryAcquire(best.index, limit)) {
        best.mine += 1;
        return best;
      }
    }
  }

  #isEjected({ ejectedUntil }: Instance): boolean {
    return ejectedUntil !== 0 && ejectedUntil > this.#options.clock.now();
  }

  /** Serves those who wait, first come first served; `anyway` also those whose turn isn't yet by what other threads say. */
  #dispatch(revision: RevisionState, anyway: boolean): void {
    const { thread } = this.#options;
    if (this.#asksFor(revision)) return this.#askForAll(revision);
    for (;;) {
      const first = this.#counters.firstThread(revision.index);
      if (first !== -1 && first !== thread && !(anyway && revision.waiters.length > 0)) {
        this.#wake(first);
        return;
      }
      const waiter = revision.waiters[0];
      if (waiter === undefined) {
        this.#queued.delete(revision);
        return;
      }
      const instance = this.#takeSlot(revision);
      if (instance === undefined) return;
      revision.waiters.shift();
      this.#leaveQueue(revision, waiter);
      waiter.granted(instance);
    }
  }

  /** The first of those who wait was taken out. */
  #leaveQueue(revision: RevisionState, waiter: Waiter): void {
    this.#counters.stopWaiting(revision.index);
    this.#waitingBytes -= waiter.bytes;
    this.#publishHead(revision);
  }

  #asksFor(revision: RevisionState): boolean {
    return this.#asking && revision.entry.concurrency > 0;
  }

  #askForAll(revision: RevisionState): void {
    for (; revision.asked < revision.waiters.length; revision.asked++) this.#options.ask(revision.name);
    if (revision.waiters.length === 0) this.#queued.delete(revision);
  }

  #dismissAll(revision: RevisionState): void {
    const waiters = revision.waiters.splice(0);
    this.#publishHead(revision);
    this.#queued.delete(revision);
    for (const waiter of waiters) {
      this.#counters.stopWaiting(revision.index);
      this.#waitingBytes -= waiter.bytes;
      this.#leave(revision);
      waiter.dismissed();
    }
  }

  #giveBack(instance: Instance): void {
    const left = this.#counters.release(instance.index);
    instance.mine -= 1;
    this.#leave(instance.revision);
    if (instance.told > 0) {
      instance.told -= 1;
      this.#options.returned(instance.id);
    }
    if (left === 0 && this.#counters.isLeaving(instance.index)) this.#options.idle(instance.id);
  }

  #enter(revision: RevisionState): void {
    enter(revision.load, this.#options.clock.now());
    this.#loaded.add(revision);
  }

  #leave(revision: RevisionState): void {
    leave(revision.load, this.#options.clock.now());
  }

  #publishHead(revision: RevisionState): void {
    this.#counters.setHead(revision.index, this.#options.thread, revision.waiters[0]?.ticket ?? 0);
  }

  #wake(thread: number): void {
    if (this.#counters.raiseWake(thread)) this.#options.wake(thread);
  }

  #keepLooking(): void {
    if (this.#stopLooking !== undefined) return;
    this.#stopLooking = this.#options.clock.after(lookMs, () => {
      this.#stopLooking = undefined;
      for (const revision of this.#queued) this.#dispatch(revision, true);
      if (this.#queued.size > 0) this.#keepLooking();
    });
  }
}
