/**
 * Shares the slots of limited instances out to the gateways (shares.ts says who gets what), and keeps the book of who may have which.
 *
 * The book never says less than a gateway has. A slot that is given stands in it before the gateway hears of it; one that comes back is struck
 * out when the gateway has said that it can't use it any more; and what a gateway says in its hello takes the place of what was on its way when the
 * connection ended. Whether a gateway that can't be heard goes on serving isn't known: what it has stays in the book until it is sure that it has
 * ended. After a restart the book is empty, and the gateways have what they have: of instances that were there before, nothing is given
 * out until every gateway that may run has said hello, or has ended.
 *
 * So that nobody waits for ever for a gateway that is neither heard nor known to have ended: where requests wait and nothing of a
 * Revision's slots is left but those, one of its instances is replaced by another, whose slots that gateway never had (`onStuck`). Where others are left,
 * it is too, but later: more instances may be on their way, and the gateway come back.
 */
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { type HeldShares, type InstanceSlots, leaseMs, type RevisionLoad, type SharesMessage } from "./link.ts";
import type { Publisher } from "./publisher.ts";
import { type Party, planShares } from "./shares.ts";
import { createWhereabouts } from "./whereabouts.ts";

/** Revisions that are looked at without a pause. */
const atOnce = 50;
/** How long requests wait while only some slots are with gateways that aren't heard. */
const partlyStuckMs = 60_000;

export interface ShareKeeperOptions {
  clock: Clock;
  log: Log;
  publisher: Pick<Publisher, "follow">;
  /** Instances of which somebody may have been given slots before this process began. */
  before: ReadonlySet<string>;
  /** Where a gateway may run now, each a `place` of the hellos; rejects where it can't be found out. */
  places(): Promise<ReadonlySet<string>>;
  /** Requests wait, and slots of this instance are with gateways that aren't heard: only another instance in its place has all of them. */
  onStuck(instance: string): void;
  /** `isComplete` says so from now on. */
  onComplete?(): void;
  /** Runs a callback once the present tick's news are all in. Default `setImmediate`. */
  schedule?: (callback: () => void) => void;
}

export interface ShareKeeper {
  /** A gateway says hello, for the first time or again; `send` must not throw. */
  join(id: string, shares: HeldShares, send: (message: SharesMessage) => void): void;
  /** Its connection has ended. It serves on with what it has. */
  lost(id: string): void;
  /** Its process has ended. */
  ended(id: string): void;
  gave(id: string, slots: readonly InstanceSlots[]): void;
  wants(id: string, revisions: readonly (readonly [revision: string, waiting: number, busy: number])[]): void;
  /** What it had to do, each second. */
  load(id: string, revisions: readonly RevisionLoad[]): void;
  /** Whether every gateway that may have run at the start has said hello, or has ended. */
  isComplete(): boolean;
  /** By gateway what the book says, for tests and for looking inside. */
  book(): ReadonlyMap<string, ReadonlyMap<string, number>>;
  stop(): void;
}

interface Gateway {
  readonly id: string;
  readonly place: string;
  send: ((message: SharesMessage) => void) | undefined;
  held: Map<string, number>;
  /** By Revision. */
  wants: Map<string, { waiting: number; busy: number }>;
  load: Map<string, number>;
  since: Map<string, number>;
  keep: Map<string, number>;
}

interface Limited {
  limit: number;
  instances: readonly string[];
  stuckSince: number | undefined;
  cancelAgain: (() => void) | undefined;
}

/** Creates it; call before the publisher starts. */
export function createShareKeeper(options: ShareKeeperOptions): ShareKeeper {
  const { clock, log, before } = options;
  const schedule = options.schedule ?? ((callback) => void setImmediate(callback));
  const gateways = new Map<string, Gateway>();
  const revisions = new Map<string, Limited>();
  const revisionOf = new Map<string, string>();
  const dirty = new Set<string>();
  let version = 0;
  let scheduled = false;
  let stopped = false;

  const touch = (revision: string | undefined): void => {
    if (revision === undefined || stopped || !revisions.has(revision)) return;
    dirty.add(revision);
    if (scheduled) return;
    scheduled = true;
    schedule(flush);
  };
  const touchAll = (): void => {
    for (const revision of revisions.keys()) touch(revision);
  };
  const flush = (): void => {
    scheduled = false;
    if (stopped) return;
    const messages = new Map<Gateway, SharesMessage>();
    let count = 0;
    for (const revision of dirty) {
      if (count++ === atOnce) break;
      dirty.delete(revision);
      const limited = revisions.get(revision);
      if (limited !== undefined) plan(revision, limited, messages);
    }
    for (const [gateway, message] of messages) gateway.send?.(message);
    if (dirty.size === 0) return;
    scheduled = true;
    schedule(flush);
  };

  const plan = (revision: string, limited: Limited, messages: Map<Gateway, SharesMessage>): void => {
    limited.cancelAgain?.();
    limited.cancelAgain = undefined;
    const now = clock.now();
    const instances = new Map(limited.instances.map((id) => [id, outOfReach(id, limited.limit)]));
    const heard = [...gateways.values()].filter(({ send }) => send !== undefined);
    const parties = heard.map((gateway) => partyOf(gateway, revision));
    const { grants, keep, capacity, againMs } = planShares({
      revision,
      limit: limited.limit,
      instances,
      parties,
      now,
    });
    const messageTo = (gateway: Gateway): SharesMessage => {
      let message = messages.get(gateway);
      if (message === undefined) messages.set(gateway, (message = { type: "shares", version, more: [], keep: [] }));
      return message;
    };
    const given = new Set<Gateway>();
    for (const { gateway: id, instance, slots } of grants) {
      const gateway = gateways.get(id);
      if (gateway === undefined) continue;
      if (!limited.instances.some((one) => gateway.held.has(one))) gateway.since.set(revision, now);
      gateway.held.set(instance, (gateway.held.get(instance) ?? 0) + slots);
      messageTo(gateway).more.push([instance, slots]);
      given.add(gateway);
    }
    for (const gateway of heard) {
      const most = keep.get(gateway.id);
      // With each gift: what the gateway was told to keep before may be older than its Revision's last stay in the table.
      if (most === gateway.keep.get(revision) && !given.has(gateway)) continue;
      if (most === undefined) gateway.keep.delete(revision);
      else gateway.keep.set(revision, most);
      messageTo(gateway).keep.push([revision, most ?? null]);
    }
    const waits = parties.some(({ waiting }) => waiting > 0);
    const [stuck] = [...instances].filter(([, slots]) => slots > 0).toSorted(([, a], [, b]) => b - a);
    const patienceMs = capacity === 0 ? leaseMs : partlyStuckMs;
    const stuckMs =
      waits && stuck !== undefined ? mindStuck(limited, { instance: stuck[0], now, patienceMs }) : undefined;
    if (stuckMs === undefined) limited.stuckSince = undefined;
    const next = againMs === undefined ? stuckMs : againMs;
    if (next !== undefined) limited.cancelAgain = clock.after(next, () => touch(revision));
  };

  /** Says that the instance must be replaced, if it is time. Returns when to look again. */
  const mindStuck = (limited: Limited, stuck: { instance: string; now: number; patienceMs: number }): number => {
    const { instance, now, patienceMs } = stuck;
    limited.stuckSince ??= now;
    const leftMs = limited.stuckSince + patienceMs - now;
    if (leftMs > 0) return leftMs;
    limited.stuckSince = now;
    log.warn({ instance }, "Requests wait, and slots are with gateways that aren't heard");
    options.onStuck(instance);
    return patienceMs;
  };

  /** Slots of an instance that can't be given out whatever gateways say that are heard. */
  const outOfReach = (instance: string, limit: number): number => {
    const blocked = before.has(instance) && !whereabouts.isComplete();
    let [reached, lost] = [0, 0];
    for (const { send, held } of gateways.values()) {
      if (send === undefined) lost += held.get(instance) ?? 0;
      else reached += held.get(instance) ?? 0;
    }
    return blocked ? Math.max(0, limit - reached) : lost;
  };

  const remove = (gateway: Gateway, why: string): void => {
    gateways.delete(gateway.id);
    if (gateway.held.size > 0) log.info({ gateway: gateway.id, why }, "A gateway's slots are free");
    for (const instance of gateway.held.keys()) touch(revisionOf.get(instance));
  };
  const whereabouts = createWhereabouts({
    clock,
    log,
    places: () => options.places(),
    known: () => [...gateways.values()],
    lost: () => [...gateways.values()].filter(({ send }) => send === undefined),
    gone: (gateway) => remove(gateway, "it has ended"),
    complete() {
      touchAll();
      // The last one that was waited for may be about to become a member.
      schedule(() => {
        if (!stopped) options.onComplete?.();
      });
    },
  });

  const unfollow = options.publisher.follow((changes, published) => {
    version = published;
    for (const [name, entry] of changes.revisions) {
      const known = revisions.get(name);
      for (const instance of known?.instances ?? []) revisionOf.delete(instance);
      if (entry === undefined || entry.concurrency === 0) {
        known?.cancelAgain?.();
        revisions.delete(name);
        for (const { wants, since, keep } of gateways.values())
          for (const map of [wants, since, keep]) map.delete(name);
        continue;
      }
      const instances = entry.instances.map(({ id }) => id);
      for (const instance of instances) revisionOf.set(instance, name);
      const fresh: Limited = { limit: 0, instances, stuckSince: undefined, cancelAgain: undefined };
      revisions.set(name, { ...(known ?? fresh), limit: entry.concurrency, instances });
      touch(name);
    }
  });

  return {
    join(id, { place, slots }, send) {
      const old = gateways.get(id);
      for (const other of gateways.values()) {
        if (other.place === place && other.id !== id) remove(other, "another has taken its place");
      }
      // What it had in the book and doesn't have: what was on its way to it is lost with the connection.
      for (const instance of old?.held.keys() ?? []) touch(revisionOf.get(instance));
      gateways.set(id, {
        id,
        place,
        send,
        held: new Map(slots),
        wants: new Map(),
        load: new Map(),
        since: old?.since ?? new Map(),
        keep: new Map(),
      });
      whereabouts.heard();
      touchAll();
    },
    lost(id) {
      const gateway = gateways.get(id);
      if (gateway === undefined) return;
      gateway.send = undefined;
      for (const instance of gateway.held.keys()) touch(revisionOf.get(instance));
      whereabouts.look();
    },
    ended(id) {
      const gateway = gateways.get(id);
      if (gateway !== undefined) remove(gateway, "it has ended");
    },
    gave(id, slots) {
      const gateway = gateways.get(id);
      if (gateway === undefined) return;
      for (const [instance, count] of slots) {
        const left = (gateway.held.get(instance) ?? 0) - count;
        if (left < 0) log.error({ gateway: id, instance }, "A gateway gives back what it doesn't have");
        if (left > 0) gateway.held.set(instance, left);
        else gateway.held.delete(instance);
        touch(revisionOf.get(instance));
      }
    },
    wants(id, wanted) {
      const gateway = gateways.get(id);
      for (const [revision, waiting, busy] of gateway === undefined ? [] : wanted) {
        if (waiting > 0) gateway?.wants.set(revision, { waiting, busy });
        else gateway?.wants.delete(revision);
        touch(revision);
      }
    },
    load(id, loads) {
      const gateway = gateways.get(id);
      if (gateway === undefined) return;
      const before = gateway.load;
      gateway.load = new Map(loads.map(([revision, concurrency]) => [revision, concurrency]));
      for (const revision of before.keys()) if (!gateway.load.has(revision)) touch(revision);
      // What is needed elsewhere may be less by now.
      for (const { wants } of gateways.values()) for (const revision of wants.keys()) touch(revision);
    },
    isComplete: () => whereabouts.isComplete(),
    book: () => new Map([...gateways].map(([id, { held }]) => [id, held])),
    stop() {
      stopped = true;
      unfollow();
      whereabouts.stop();
      for (const { cancelAgain } of revisions.values()) cancelAgain?.();
    },
  };
}

function partyOf({ id, held, wants, load, since }: Gateway, revision: string): Party {
  const now = wants.get(revision);
  const busy = now?.busy ?? load.get(revision) ?? 0;
  return { id, held, waiting: now?.waiting ?? 0, busy, since: since.get(revision) ?? 0 };
}
