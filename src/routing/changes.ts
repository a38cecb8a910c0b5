/** What differs from one table to a later one. Applied to the first, it makes the second; two that follow each other make one. */
import type { TableChange } from "./link.ts";
import type { HostEntry, RevisionEntry, TableMaps } from "./table.ts";

/** By name the new entry; undefined where it has gone. */
export interface Changes {
  hosts: Map<string, HostEntry | undefined>;
  revisions: Map<string, RevisionEntry | undefined>;
}

export function noChanges(): Changes {
  return { hosts: new Map(), revisions: new Map() };
}

/** What makes `after` of `before`. Takes as long as both are large. */
export function differences(before: TableMaps, after: TableMaps): Changes {
  return {
    hosts: differencesOf(before.hosts, after.hosts),
    revisions: differencesOf(before.revisions, after.revisions),
  };
}

/** The message that says these changes. */
export function changeOf(from: number, version: number, { hosts, revisions }: Changes): TableChange {
  return {
    type: "change",
    from,
    version,
    hosts: [...hosts].map(([name, entry]) => [name, entry ?? null]),
    revisions: [...revisions].map(([name, entry]) => [name, entry ?? null]),
  };
}

/** The changes that a message says. */
export function changesOf({ hosts, revisions }: TableChange): Changes {
  return {
    hosts: new Map(hosts.map(([name, entry]) => [name, entry ?? undefined])),
    revisions: new Map(revisions.map(([name, entry]) => [name, entry ?? undefined])),
  };
}

/** Adds what came later to changes that nobody was told yet. */
export function addChanges(to: Changes, later: Changes): void {
  for (const [name, entry] of later.hosts) to.hosts.set(name, entry);
  for (const [name, entry] of later.revisions) to.revisions.set(name, entry);
}

/** Changes the maps of a table. Takes as long as there are changes. */
export function applyChanges(
  to: { hosts: Map<string, HostEntry>; revisions: Map<string, RevisionEntry> },
  changes: Changes,
): void {
  setOrDelete(to.hosts, changes.hosts);
  setOrDelete(to.revisions, changes.revisions);
}

/** Whether two entries, plain values, say the same: with keys in the same order, as their makers write them. Others are taken for changed. */
export function isSameEntry(a: unknown, b: unknown): boolean {
  return a === b || (a !== undefined && b !== undefined && JSON.stringify(a) === JSON.stringify(b));
}

function setOrDelete<T>(to: Map<string, T>, changes: ReadonlyMap<string, T | undefined>): void {
  for (const [name, entry] of changes) {
    if (entry === undefined) to.delete(name);
    else to.set(name, entry);
  }
}

function differencesOf<T>(before: ReadonlyMap<string, T>, after: ReadonlyMap<string, T>): Map<string, T | undefined> {
  const found = new Map<string, T | undefined>();
  for (const [name, entry] of after) if (!isSameEntry(before.get(name), entry)) found.set(name, entry);
  for (const name of before.keys()) if (!after.has(name)) found.set(name, undefined);
  return found;
}
