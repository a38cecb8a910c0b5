/**
 * Hands out the indices of the shared counters to what the table names. What stays in the table keeps its index, and so its counter; what
 * left gives its index back once all threads have the new table and, for an instance, its last request has ended.
 */
import type { RouteTable } from "../routing/table.ts";
import type { TableUpdate } from "./messages.ts";
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

  give(name: string): number {
    const known = this.numbers.get(name);
    if (known !== undefined) return known;
    if (this.#free.length === 0 && this.#next >= this.#capacity) {
      throw new Error(`Cannot number "${name}": all ${this.#capacity} numbers are taken`);
    }
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
  /** Of the table given last. */
  #present = { instances: new Set<string>(), revisions: new Set<string>(), splits: new Set<string>() };
  /** Instances that left the table and may have requests. */
  readonly leaving = new Set<string>();

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  /** Numbers everything that `table` names. `json` is its text. */
  update(table: RouteTable, json: string): TableUpdate {
    const present = { instances: new Set<string>(), revisions: new Set<string>(), splits: new Set<string>() };
    const revisions: number[] = [];
    const instances: number[] = [];
    for (const [name, entry] of Object.entries(table.revisions)) {
      present.revisions.add(name);
      revisions.push(this.#revisions.give(name));
      for (const { id } of entry.instances) {
        present.instances.add(id);
        const number = this.#instances.give(id);
        if (this.leaving.delete(id)) this.#counters.setLeaving(number, false);
        instances.push(number);
      }
    }
    const splits = this.#numberSplits(table, present.splits);
    this.#present = present;
    const numbers = { revisions: Int32Array.from(revisions), instances: Int32Array.from(instances) };
    return { version: table.version, json, ...numbers, splits: Int32Array.from(splits) };
  }

  /** All threads have the table of the last `update`. Returns the instances that have left and are without a request. */
  settled(): string[] {
    for (const name of this.#revisions.numbers.keys()) {
      if (!this.#present.revisions.has(name)) this.#revisions.take(name);
    }
    for (const name of this.#splits.numbers.keys()) {
      if (!this.#present.splits.has(name)) this.#counters.resetSplit(this.#splits.take(name));
    }
    const idle: string[] = [];
    for (const [id, number] of this.#instances.numbers) {
      if (this.#present.instances.has(id) || this.leaving.has(id)) continue;
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

  /** Hosts of one Route with the same targets share one split: it is the Route's requests that are counted, by whatever name they came. */
  #numberSplits(table: RouteTable, present: Set<string>): number[] {
    const main = new Map<string, string>();
    return Object.values(table.hosts).map(({ route, targets }) => {
      if (targets.filter((target) => target.percent > 0).length < 2) return -1;
      const shape = targets.map((target) => `${target.revision}=${target.percent}`).join(" ");
      const first = main.get(route);
      if (first === undefined) main.set(route, shape);
      const name = first === undefined || first === shape ? route : `${route} ${shape}`;
      present.add(name);
      return this.#splits.give(name);
    });
  }
}
