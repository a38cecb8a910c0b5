/**
 * Which Revision each hundredth of all clients has. It follows from the hundredths before, so that a change of the split by p points moves p
 * hundredths and no more; no function of the percents alone can do that for more than two Revisions. The status keeps them over restarts. Pure.
 */
import type { RouteStatus } from "../../api/route.ts";
import type { Affinity } from "../../routing/traffic.ts";

const count = 100;

type Shares = NonNullable<RouteStatus["affinity"]>;
/** A Revision's name by slot; undefined for one that nobody has. */
export type Owners = readonly (string | undefined)[];

/**
 * The next owners: each Revision keeps as many of its slots as its percent allows, the lowest ones; what is free goes to those that lack some,
 * in their order.
 * @param targets percents total 100, each Revision once
 */
export function assignSlots(before: Owners, targets: readonly { revision: string; percent: number }[]): string[] {
  const left = new Map(targets.map(({ revision, percent }) => [revision, percent]));
  const take = (revision: string): boolean => {
    const lacking = left.get(revision) ?? 0;
    if (lacking > 0) left.set(revision, lacking - 1);
    return lacking > 0;
  };
  const kept = Array.from({ length: count }, (_, slot) => {
    const owner = before[slot];
    return owner !== undefined && take(owner) ? owner : undefined;
  });
  return kept.map((owner) => {
    if (owner !== undefined) return owner;
    const next = targets.find(({ revision }) => (left.get(revision) ?? 0) > 0)?.revision ?? "";
    take(next);
    return next;
  });
}

/** The owners that gateways were told. */
export function ownersIn({ slots }: Affinity, targets: readonly { revision: string }[]): Owners {
  return slots.map((target) => targets[target]?.revision);
}

/** Owners as a Route's status has them, in the order of their first slot. */
export function sharesOf(owners: Owners): Shares {
  const ranges = new Map<string, [number, number][]>();
  for (const [slot, owner] of owners.entries()) {
    if (owner === undefined) continue;
    const own = ranges.get(owner) ?? [];
    ranges.set(owner, own);
    const last = own.at(-1);
    if (last !== undefined && last[1] === slot - 1) last[1] = slot;
    else own.push([slot, slot]);
  }
  return [...ranges].map(([revisionName, own]) => ({
    revisionName,
    slots: own.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(","),
  }));
}

/** The owners that a Route's status tells. */
export function ownersOf(shares: Shares | undefined): Owners {
  const owners: (string | undefined)[] = Array.from({ length: count });
  for (const { revisionName, slots } of shares ?? []) {
    for (const range of slots.split(",")) {
      const [from = Number.NaN, to = from] = range.split("-").map(Number);
      for (let slot = from; slot <= to && slot < count; slot++) owners[slot] = revisionName;
    }
  }
  return owners;
}
