/**
 * What each Route has told the gateways, and which Revisions must therefore keep their instances: in memory, as it is about the
 * gateways now. After a restart every Route tells again, and its status names what was served before.
 *
 * A Revision is held by a Route from the moment that it is wanted until every gateway has confirmed an assignment without it: take
 * it out of the tables, wait for the acknowledgement, only then stop instances.
 */
import { isDeepStrictEqual } from "node:util";
import type { ServedTarget } from "../../api/route.ts";
import type { Clock } from "../../lib/clock.ts";
import type { RouteAssignment, TrafficPort } from "../../routing/traffic.ts";

/** What a Route serves: what the gateways are told, and how the status says it once they have confirmed. */
export interface Split {
  assignment: RouteAssignment;
  served: ServedTarget[];
}

/** What a Route has told last. */
export interface Serving {
  split: Split;
  /** Every member gateway has confirmed it since it was told. */
  confirmed: boolean;
  /** When it was told, milliseconds since the epoch. */
  since: number;
  /** Revisions that it wants besides those in the split: where traffic will go next. By name. */
  wanted: readonly string[];
}

export interface Ledger {
  /** By `namespace/name` of the Route. */
  get(route: string): Serving | undefined;
  assign(route: string, split: Split, wanted: readonly string[]): void;
  /** The Route is gone; its Revisions are held until the gateways have confirmed that. */
  unassign(route: string): void;
  /** `namespace/name` of the Routes that hold the Revision of that key. */
  routesOf(revision: string): readonly string[];
  /** Called with the Route whose assignment was confirmed or whose holds changed, and the keys of Revisions that this may concern. */
  subscribe(listener: (route: string, revisions: readonly string[]) => void): () => void;
  stop(): void;
}

interface Assigned {
  version: number;
  revisions: ReadonlySet<string>;
}

interface Entry {
  serving: Serving | undefined;
  /** Oldest first; the first may be confirmed, later ones are not, but for the last. */
  assigned: Assigned[];
}

/** An empty ledger over the traffic port. */
export function createLedger(traffic: TrafficPort, clock: Clock): Ledger {
  const entries = new Map<string, Entry>();
  const routesByRevision = new Map<string, Set<string>>();
  const listeners = new Set<(route: string, revisions: readonly string[]) => void>();

  const holds = (entry: Entry, route: string): Set<string> => {
    const prefix = route.slice(0, route.indexOf("/") + 1);
    const held = new Set(entry.assigned.flatMap(({ revisions }) => [...revisions]));
    for (const name of entry.serving?.wanted ?? []) held.add(prefix + name);
    return held;
  };
  const change = (route: string, entry: Entry, act: () => void) => {
    const before = holds(entry, route);
    act();
    const after = holds(entry, route);
    for (const revision of before) {
      if (after.has(revision)) continue;
      const routes = routesByRevision.get(revision);
      routes?.delete(route);
      if (routes?.size === 0) routesByRevision.delete(revision);
    }
    for (const revision of after) {
      let routes = routesByRevision.get(revision);
      if (routes === undefined) routesByRevision.set(revision, (routes = new Set()));
      routes.add(route);
    }
    if (entry.serving === undefined && entry.assigned.every(({ revisions }) => revisions.size === 0)) {
      entries.delete(route);
    }
    const concerned = [...new Set([...before, ...after])];
    for (const listener of listeners) listener(route, concerned);
  };
  const isSettled = (entry: Entry) => entry.assigned.length <= 1 && entry.serving?.confirmed === true;
  const confirm = (route: string, entry: Entry) => {
    const last = entry.assigned.at(-1);
    if (last === undefined || isSettled(entry) || !traffic.confirmed(last.version)) return;
    change(route, entry, () => {
      entry.assigned = [last];
      if (entry.serving !== undefined) entry.serving = { ...entry.serving, confirmed: true };
    });
  };
  const unsubscribe = traffic.subscribe(() => {
    for (const [route, entry] of entries) confirm(route, entry);
  });

  return {
    get: (route) => entries.get(route)?.serving,
    assign(route, split, wanted) {
      const entry: Entry = entries.get(route) ?? { serving: undefined, assigned: [] };
      entries.set(route, entry);
      const version = traffic.assign(split.assignment);
      change(route, entry, () => {
        if (isDeepStrictEqual(entry.serving?.split.assignment, split.assignment)) {
          if (entry.serving !== undefined) entry.serving = { ...entry.serving, split, wanted };
          return;
        }
        entry.assigned.push({ version, revisions: revisionsIn(split.assignment) });
        entry.serving = { split, wanted, confirmed: false, since: clock.now() };
      });
      confirm(route, entry);
    },
    unassign(route) {
      const entry = entries.get(route);
      if (entry?.serving === undefined) return;
      const version = traffic.unassign(route);
      change(route, entry, () => {
        entry.serving = undefined;
        entry.assigned.push({ version, revisions: new Set() });
      });
      confirm(route, entry);
    },
    routesOf: (revision) => [...(routesByRevision.get(revision) ?? [])],
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    stop: unsubscribe,
  };
}

function revisionsIn(assignment: RouteAssignment): ReadonlySet<string> {
  const prefix = assignment.route.slice(0, assignment.route.indexOf("/") + 1);
  const { targets, named, match = [] } = assignment;
  return new Set([...targets, ...named, ...match].map(({ revision }) => prefix + revision));
}
