/**
 * Gateways that share limits, as far as slots go: the real keeper, hubs and cores; each message between them waits until a test brings it. What a
 * gateway's requests do at instances is counted here, over all gateways.
 */
import { Core } from "../../src/gateway/core.ts";
import { Hub } from "../../src/gateway/hub.ts";
import { Counters, createSharedMemory } from "../../src/gateway/memory.ts";
import type { NumberedChanges, ToThread } from "../../src/gateway/messages.ts";
import { SlotShares } from "../../src/gateway/slots.ts";
import type { Instance } from "../../src/gateway/state.ts";
import { silentLog } from "../../src/lib/log.ts";
import { changeOf, type Changes, differences } from "../../src/routing/changes.ts";
import type { ControlMessage, GatewayMessage } from "../../src/routing/link.ts";
import { createShareKeeper, type ShareKeeper } from "../../src/routing/share-keeper.ts";
import { emptyTable, mapsOf, type RouteTable } from "../../src/routing/table.ts";
import type { ManualClock } from "./manual-clock.ts";

export const revision = "x/a-1";
const threads = 2;
const nothing = (): void => {};

/** A table with one Revision. */
export function limitedTable(version: number, limit: number, instances: readonly string[]): RouteTable {
  const entry = {
    configuration: "x/a",
    protocol: "http1" as const,
    concurrency: limit,
    timeoutMs: 1_000,
    instances: instances.map((id) => ({ id, host: "h", port: 1 })),
  };
  return {
    version,
    hosts: { "a.x": { route: "x/a", targets: [{ revision, percent: 100 }] } },
    revisions: { [revision]: entry },
  };
}

/** A gateway; requests come to it by `arrive` and stay until `end`. */
export class SharedGateway {
  readonly place: string;
  readonly id: string;
  /** On their way. */
  readonly toControl: GatewayMessage[] = [];
  readonly fromControl: ControlMessage[] = [];
  connected = false;
  waiting = 0;
  served = 0;
  readonly #clock: ManualClock;
  readonly #toThreads: ToThread[][] = Array.from({ length: threads }, () => []);
  readonly #cores: Core[];
  readonly #own: Core;
  readonly #hub: Hub;
  readonly #shares: SlotShares;
  readonly #running: { core: Core; instance: Instance }[] = [];

  constructor(place: string, id: string, clock: ManualClock) {
    [this.place, this.id, this.#clock] = [place, id, clock];
    const counters = new Counters(createSharedMemory(threads + 1));
    this.#cores = Array.from({ length: threads }, (_, thread) => this.#core(thread, counters));
    this.#own = this.#core(threads, counters);
    const say = (message: GatewayMessage): void => {
      if (this.connected) this.toControl.push(message);
      if (message.type === "drained") this.#shares.drained(message.instance);
    };
    this.#hub = new Hub({
      id,
      threads,
      counters,
      log: silentLog,
      needsControl: false,
      toThread: (thread, message) => void this.#toThreads[thread]?.push(message),
      toControl: say,
      change: (version, changes) => {
        this.#shares.changing(changes);
        this.#own.change(version, changes);
        this.#shares.changed(changes);
      },
      settling: () => this.#shares.settling(),
      unserved: () => [],
      save: () => Promise.resolve(),
      loaded: nothing,
      serving: nothing,
      empty: nothing,
    });
    const version = (): number => this.#hub.version;
    this.#shares = new SlotShares({ core: this.#own, counters, clock, toControl: say, version });
    this.#hub.begin(() => emptyTable);
    this.#hub.serve(undefined);
    while (this.take(0) || this.take(1));
  }

  #core(thread: number, counters: Counters): Core {
    return new Core({
      thread,
      counters,
      clock: this.#clock,
      queueLength: 1_000,
      queueBytes: 1_000,
      wake: (other) => queueMicrotask(() => (other === threads ? this.#own : this.#cores[other])?.look()),
      demand: nothing,
      idle: (instance) => this.#hub.fromThread({ type: "idle", instance }),
      hung: nothing,
      gone: nothing,
      ask: nothing,
      returned: nothing,
      short: (name) => queueMicrotask(() => this.#shares.waits(name)),
    });
  }

  /** A thread takes its next message; says whether there was one. */
  take(thread: number): boolean {
    const message = this.#toThreads[thread]?.shift();
    if (message === undefined) return false;
    if (message.type === "serve" || message.type === "table") {
      this.#cores[thread]?.change(message.table.version, JSON.parse(message.table.json) as NumberedChanges);
      if (message.type === "table") this.#hub.fromThread({ type: "swapped", version: message.table.version });
    }
    return true;
  }

  /** The next message of control arrives; says whether there was one. */
  hear(): boolean {
    const message = this.fromControl.shift();
    if (message === undefined) return false;
    if (message.type === "shares") this.#shares.fromControl(message);
    else if (message.type !== "certificates" && message.type !== "alive") this.#hub.fromControl(message);
    return true;
  }

  /** A connection begins; its hello is on its way, and all else that it says. */
  connect(): void {
    this.connected = true;
    this.toControl.push({ ...this.#hub.hello(), shares: { place: this.place, slots: this.#shares.hello() } });
    this.#hub.connected();
    this.#shares.connected();
  }

  /** The connection ends, and with it what was on its way. */
  lose(): void {
    this.connected = false;
    this.toControl.length = 0;
    this.fromControl.length = 0;
  }

  /** A request comes to a thread; it is placed at once, waits, or finds no Revision. */
  arrive(thread: number): void {
    const core = this.#cores[thread % threads];
    const host = core?.match("a.x");
    const state = host && core?.pick(host);
    if (core === undefined || state === undefined) return;
    const place = (instance: Instance): void => void this.#running.push({ core, instance });
    const taken = core.take(state);
    if (taken !== undefined) return place(taken);
    const granted = (instance: Instance): void => {
      this.waiting -= 1;
      this.served += 1;
      place(instance);
    };
    this.waiting += 1;
    const dismissed = (): void => void (this.waiting -= 1);
    core.wait(state, { ticket: core.ticket(), bytes: 0, granted, dismissed });
  }

  /** One of the requests that run ends; says whether there was one. */
  end(which: number): boolean {
    const [one] = this.#running.splice(which % Math.max(1, this.#running.length), 1);
    if (one === undefined) return false;
    one.core.release(one.instance);
    return true;
  }

  /** Requests under way, by instance. */
  busy(): Map<string, number> {
    const all = new Map<string, number>();
    for (const { instance } of this.#running) all.set(instance.id, (all.get(instance.id) ?? 0) + 1);
    return all;
  }
}

/** Control as far as slots go: tables and shares, to gateways that are connected. */
export class SharingControl {
  readonly keeper: ShareKeeper;
  readonly stuck: string[] = [];
  readonly #joined = new Set<SharedGateway>();
  readonly #plans: (() => void)[] = [];
  readonly #followers = new Set<(changes: Changes, version: number) => void>();
  #table: RouteTable;

  /**
   * @param table its first
   * @param known by it of what was before: instances, whether they are ready or not, and where gateways may run
   */
  constructor(
    clock: ManualClock,
    table: RouteTable,
    { before, places }: { before: readonly string[]; places: ReadonlySet<string> },
  ) {
    this.#table = table;
    this.keeper = createShareKeeper({
      clock,
      log: silentLog,
      before: new Set(before),
      publisher: {
        follow: (listener) => {
          this.#followers.add(listener);
          return () => this.#followers.delete(listener);
        },
      },
      places: () => Promise.resolve(new Set(places)),
      onStuck: (instance) => this.stuck.push(instance),
      schedule: (callback) => void this.#plans.push(callback),
    });
    this.#tell(differences(mapsOf(emptyTable), mapsOf(table)));
  }

  /** What is to be planned is; says whether there was anything. */
  plan(): boolean {
    const plans = this.#plans.splice(0);
    for (const one of plans) one();
    return plans.length > 0;
  }

  publish(table: RouteTable): void {
    const from = this.#table.version;
    const changes = differences(mapsOf(this.#table), mapsOf(table));
    this.#table = table;
    for (const gateway of this.#joined) gateway.fromControl.push(changeOf(from, table.version, changes));
    this.#tell(changes);
  }

  /** The gateway's next message arrives; says whether there was one. */
  hear(gateway: SharedGateway): boolean {
    const message = gateway.toControl.shift();
    if (message === undefined) return false;
    if (message.type === "hello" && message.shares !== undefined) {
      this.#joined.add(gateway);
      gateway.fromControl.push({ type: "table", table: this.#table });
      this.keeper.join(message.gateway, message.shares, (shares) => gateway.fromControl.push(shares));
    } else if (message.type === "gave") this.keeper.gave(gateway.id, message.slots);
    else if (message.type === "wants") this.keeper.wants(gateway.id, message.revisions);
    return true;
  }

  lost(gateway: SharedGateway): void {
    if (this.#joined.delete(gateway)) this.keeper.lost(gateway.id);
  }

  #tell(changes: Changes): void {
    for (const follower of this.#followers) follower(changes, this.#table.version);
  }
}
