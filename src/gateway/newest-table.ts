/**
 * The newest table that the gateway was told, as it stands after each change. A change is taken whole or not at all: its ids and the capacities are
 * proved against all of the table before anything is changed.
 */
import { applyChanges, type Changes, changesOf, differences } from "../routing/changes.ts";
import type { TableChange } from "../routing/link.ts";
import { emptyTable, type HostEntry, mapsOf, type RevisionEntry, type RouteTable } from "../routing/table.ts";
import { checkCapacity, standsTwice } from "./check-table.ts";

export class NewestTable {
  #version = emptyTable.version;
  readonly hosts = new Map<string, HostEntry>();
  readonly revisions = new Map<string, RevisionEntry>();
  /** By id of the instance, the Revision that it stands in. */
  readonly #places = new Map<string, string>();

  get version(): number {
    return this.#version;
  }

  has(instance: string): boolean {
    return this.#places.has(instance);
  }

  /** Takes a whole table, checked by `checkTable`; says what differs. */
  replace(table: RouteTable): Changes {
    const changes = differences(this, mapsOf(table));
    this.#apply(table.version, changes);
    return changes;
  }

  /** Takes a change, its entries checked by `checkChange`. Throws an Error, and takes nothing, where it isn't for this version or can't be. */
  change(change: TableChange): Changes {
    const { from, version } = change;
    if (from !== this.#version || version <= from) {
      throw new Error(
        `Cannot change version ${this.#version} of the route table by a change from ${from} to ${version}`,
      );
    }
    const changes = changesOf(change);
    this.#check(changes);
    this.#apply(version, changes);
    return changes;
  }

  #check({ hosts, revisions }: Changes): void {
    let instances = this.#places.size;
    for (const [name, entry] of revisions) {
      instances += (entry?.instances.length ?? 0) - (this.revisions.get(name)?.instances.length ?? 0);
      for (const { id } of entry?.instances ?? []) {
        const place = this.#places.get(id);
        // One that moves has left its place with the same change.
        const stays = place !== undefined && place !== name && !revisions.has(place);
        if (stays) throw standsTwice(name, id);
      }
    }
    checkCapacity(sizeAfter(this.hosts, hosts), sizeAfter(this.revisions, revisions), instances);
  }

  #apply(version: number, changes: Changes): void {
    for (const name of changes.revisions.keys()) {
      for (const { id } of this.revisions.get(name)?.instances ?? []) this.#places.delete(id);
    }
    for (const [name, entry] of changes.revisions)
      for (const { id } of entry?.instances ?? []) this.#places.set(id, name);
    applyChanges(this, changes);
    this.#version = version;
  }
}

function sizeAfter<T>(before: ReadonlyMap<string, T>, changes: ReadonlyMap<string, T | undefined>): number {
  let size = before.size;
  for (const [name, entry] of changes) size += (entry === undefined ? 0 : 1) - (before.has(name) ? 1 : 0);
  return size;
}
