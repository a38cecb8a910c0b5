/**
 * Hands out the indices of the shared counters to what the table names. What stays in the table keeps its index, and so its counter; what
 * left gives its index back once all threads have the new table and, for an instance, its last request has ended.
 */
import type { Changes } from "../routing/changes.ts";
import type { HostEntry, RevisionEntry } from "../routing/table.ts";
import type { NumberedChanges } from "./messages.ts";
import { capacity, type Counters } from "./memory.ts";

/** Numbers for names; the lowest free one first, so few pages of the counters are touched. */
class Numbering {
  readonly numbers = new Map<string, number>();
  readonly #free: number[] = [];
  #next = 0;
  readonly #capacity: number;

  constructor(most: number) {
    this.#capacity = most;
  }

  /** Throws an Error where so many names more than these can't have a number. */
  reserve(names: Iterable<string>, what: string): void {
    let needed = 0;
    for (const name of new Set(names)) if (!this.numbers.has(name)) needed += 1;
    const free = this.#free.length + this.#capacity - this.#next;
    if (needed > free) throw new Error(`Cannot number ${needed} more ${what}: ${free} numbers are free`);
  }

  give(name: string): number {
    const known = this.numbers.get(name);
    if (known !== undefined) return known;
    const number = this.#free.pop() ?? this.#next++;
    this.numbers.set(name, number);
    return number;
  }

  take(name: string): number {
    const number = this.numbers.get(name);
    if (number === undefined) return -1;
    this.numbers.delete(name);
    this.#free.push(number);
    return number;
  }
}

export class Indices {
  readonly #counters: Counters;
  readonly #instances = new Numbering(capacity.instances);
  readonly #revisions = new Numbering(capacity.revisions);
  readonly #splits = new Numbering(capacity.splits);
  /** Of the table given last: by Revision the ids of its instances, and all of these. */
  readonly #idsOf = new Map<string, readonly string[]>();
  readonly #present = new Set<string>();
  /** By host, the split that it takes part in; by split, how many hosts do; by Route, the splits of its hosts by their shape. */
  readonly #splitOf = new Map<string, Split>();
  readonly #shares = new Map<string, number>();
  readonly #shapes = new Map<string, Map<string, string>>();
  /** What left the table, and may have come back, since all threads had one. */
  #gone = { revisions: new Set<string>(), splits: new Set<string>(), instances: new Set<string>() };
  /** Instances that left the table and may have requests. */
  readonly leaving = new Set<string>();

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  /** Numbers what changes in the table. Throws an Error, and changes nothing, where there are not enough numbers. */
  change(changes: Changes): NumberedChanges {
    this.#reserve(changes);
    // All that goes first: an instance may move, and a Route's new split goes on from the position of its old one.
    for (const name of changes.revisions.keys()) this.#dropRevision(name);
    for (const name of changes.hosts.keys()) this.#dropHost(name);
    for (const [name, entry] of changes.revisions) if (entry !== undefined) this.#addRevision(name, entry);
    for (const [name, entry] of changes.hosts) if (entry !== undefined) this.#addHost(name, entry);
    return this.numbered(changes);
  }

  /** The numbers that entries of the present table have. */
  numbered({ hosts, revisions }: Changes): NumberedChanges {
    const split = (host: string) => this.#splits.numbers.get(this.#splitOf.get(host)?.name ?? "") ?? -1;
    const instances = (entry: RevisionEntry | undefined) =>
      (entry?.instances ?? []).map(({ id }) => this.#instances.numbers.get(id) ?? -1);
    return {
      hosts: [...hosts].map(([name, entry]) => [name, entry ?? null, entry === undefined ? -1 : split(name)]),
      revisions: [...revisions].map(([name, entry]) => {
        const index = this.#revisions.numbers.get(name) ?? -1;
        return [name, entry ?? null, index, instances(entry)];
      }),
    };
  }

  /** All threads have the table of the last `change`. Returns the instances that have left and are without a request. */
  settled(): string[] {
    const { revisions, splits, instances } = this.#gone;
    this.#gone = { revisions: new Set(), splits: new Set(), instances: new Set() };
    for (const name of revisions) if (!this.#idsOf.has(name)) this.#revisions.take(name);
    for (const name of splits) if (!this.#shares.has(name)) this.#counters.resetSplit(this.#splits.take(name));
    const idle: string[] = [];
    for (const id of instances) {
      const number = this.#instances.numbers.get(id);
      if (number === undefined || this.#present.has(id) || this.leaving.has(id)) continue;
      this.leaving.add(id);
      this.#counters.setLeaving(number, true);
      if (this.forget(id)) idle.push(id);
    }
    return idle;
  }

  /** Forgets an instance that left, if it is without a request; says whether it was. */
  forget(id: string): boolean {
    const number = this.#instances.numbers.get(id);
    if (number === undefined || !this.leaving.has(id) || this.#counters.inFlight(number) > 0) return false;
    this.leaving.delete(id);
    this.#counters.setLeaving(number, false);
    this.#instances.take(id);
    return true;
  }

  /** The counter of an instance; undefined if none is known by that id. */
  instance(id: string): number | undefined {
    return this.#instances.numbers.get(id);
  }

  #reserve({ hosts, revisions }: Changes): void {
    const entries = [...revisions.values()].filter((entry) => entry !== undefined);
    this.#revisions.reserve(revisions.keys(), "Revisions");
    this.#instances.reserve(
      entries.flatMap(({ instances }) => instances.map(({ id }) => id)),
      "instances",
    );
    // At most one for each Route and shape; whether it has a number already isn't looked up.
    const splits = [...hosts.values()].flatMap((entry) => {
      const shape = entry && shapeOf(entry);
      return entry === undefined || shape === undefined ? [] : [` ${entry.route} ${shape}`];
    });
    this.#splits.reserve(splits, "splits");
  }

  #dropRevision(name: string): void {
    const ids = this.#idsOf.get(name);
    if (ids === undefined) return;
    this.#idsOf.delete(name);
    this.#gone.revisions.add(name);
    for (const id of ids) {
      this.#present.delete(id);
      this.#gone.instances.add(id);
    }
  }

  #addRevision(name: string, { instances }: RevisionEntry): void {
    this.#revisions.give(name);
    this.#idsOf.set(name, instances.length === 0 ? none : instances.map(({ id }) => id));
    for (const { id } of instances) {
      this.#present.add(id);
      const number = this.#instances.give(id);
      if (this.leaving.delete(id)) this.#counters.setLeaving(number, false);
    }
  }

  #dropHost(host: string): void {
    const split = this.#splitOf.get(host);
    if (split === undefined) return;
    this.#splitOf.delete(host);
    const shares = (this.#shares.get(split.name) ?? 0) - 1;
    if (shares > 0) {
      this.#shares.set(split.name, shares);
      return;
    }
    this.#shares.delete(split.name);
    this.#gone.splits.add(split.name);
    const shapes = this.#shapes.get(split.route);
    shapes?.delete(split.shape);
    if (shapes?.size === 0) this.#shapes.delete(split.route);
  }

  /** Hosts of one Route with the same targets share one split: it is the Route's requests that are counted, by whatever name they came. */
  #addHost(host: string, entry: HostEntry): void {
    const shape = shapeOf(entry);
    if (shape === undefined) return;
    const { route } = entry;
    let shapes = this.#shapes.get(route);
    if (shapes === undefined) this.#shapes.set(route, (shapes = new Map()));
    const isFirst = !this.#shares.has(route);
    const name = shapes.get(shape) ?? (isFirst ? route : `${route} ${shape}`);
    shapes.set(shape, name);
    this.#shares.set(name, (this.#shares.get(name) ?? 0) + 1);
    this.#splits.give(name);
    this.#splitOf.set(host, { name, route, shape });
  }
}

interface Split {
  name: string;
  route: string;
  shape: string;
}

const none: readonly string[] = [];

/** What is split; undefined where one target takes everything. */
function shapeOf({ targets }: HostEntry): string | undefined {
  if (targets.filter((target) => target.percent > 0).length < 2) return undefined;
  return targets.map((target) => `${target.revision}=${target.percent}`).join(" ");
}
