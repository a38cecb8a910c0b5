/**
 * Who of several gateways may use which slots of a Revision's instances, so that all of them together never send an instance more requests at
 * once than its limit. A pure function: from what each gateway has and needs to what it gets, and how many it should keep.
 *
 * Slots that nobody has are given out. A slot that a gateway has is only asked for, and goes to another when it came back: so whatever is lost or
 * late on the way, no slot is given out twice. Slots move to where requests wait, and to who has none at all and could have some without need elsewhere:
 * it may lose control, and serves on with what it has then.
 *
 * A gateway's part is what it works on, and what waits there; what is left over is spread evenly, so that a first request finds a slot. Where
 * there isn't enough for all, each has one and the rest goes by need; where there isn't even one for each, they take turns: who has had none for
 * longest is next, and who got one while requests wait there keeps it for `turnMs`.
 */
import { createHash } from "node:crypto";

/** How long a gateway with requests that wait keeps its only slots, though others have none: less would mostly move slots to and fro. */
export const turnMs = 100;

/** A gateway that can be told something. */
export interface Party {
  id: string;
  /** Slots that it has or may have, by instance. */
  held: ReadonlyMap<string, number>;
  /** Requests that wait there, and those that it works on. */
  waiting: number;
  busy: number;
  /** When it last got a slot after it had none, milliseconds; 0 where it never did. */
  since: number;
}

export interface SharesInput {
  /** `namespace/name`. */
  revision: string;
  /** Slots of each instance, at least 1. */
  limit: number;
  /** Those in the table, and how many of each one's slots gateways have, or may have, that can't be told anything. */
  instances: ReadonlyMap<string, number>;
  parties: readonly Party[];
  now: number;
}

export interface SharesPlan {
  /** Of slots that nobody has. */
  grants: { gateway: string; instance: string; slots: number }[];
  /** By gateway how many slots it should keep, as soon as requests have ended; absent: all that it has. */
  keep: Map<string, number>;
  /** Slots that can be given out or moved at all. */
  capacity: number;
  /** After so many milliseconds the answer is another one though nothing has happened; undefined: it isn't. */
  againMs: number | undefined;
}

interface Standing extends Party {
  /** Slots of instances that are in the table. */
  has: number;
  /** That it can use now. */
  needs: number;
  /** Its part of all. */
  fair: number;
  /** Settles ties, another way for each Revision. */
  lot: number;
}

/** Takes as long as there are instances times gateways. */
export function planShares(input: SharesInput): SharesPlan {
  const { revision, limit, instances, parties, now } = input;
  const turn = hashOf(revision) % Math.max(1, parties.length);
  const standings = parties
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .map((party, i): Standing => {
      let has = 0;
      for (const [instance, slots] of party.held) if (instances.has(instance)) has += slots;
      // What it says of its work is of some time ago: no work is without a slot now.
      const needs = Math.ceil(Math.min(party.busy, has) + party.waiting);
      return { ...party, has, needs, fair: 0, lot: (i + turn) % parties.length };
    });
  const free = new Map<string, number>();
  let vacant = 0;
  for (const [instance, away] of instances) {
    let taken = away;
    for (const { held } of standings) taken += held.get(instance) ?? 0;
    const left = Math.max(0, limit - taken);
    free.set(instance, left);
    vacant += left;
  }
  const capacity = standings.reduce((sum, { has }) => sum + has, vacant);
  divide(standings, capacity);
  const { keep, againMs } = takeBack(standings, vacant, now);
  return { grants: giveOut(standings, free), keep, capacity, againMs };
}

/** Writes each one's fair part; together they are the capacity. */
function divide(standings: readonly Standing[], capacity: number): void {
  if (standings.length === 0) return;
  const needing = standings.filter(({ needs }) => needs > 0);
  const needed = needing.reduce((sum, { needs }) => sum + needs, 0);
  if (needed <= capacity) {
    for (const one of standings) one.fair = one.needs;
    const rest = capacity - needed;
    const each = Math.floor(rest / standings.length);
    for (const one of standings) one.fair += each;
    const byLack = standings.toSorted((a, b) => b.has - b.fair - (a.has - a.fair) || a.lot - b.lot);
    for (const one of byLack.slice(0, rest - each * standings.length)) one.fair += 1;
  } else if (needing.length <= capacity) {
    const rest = capacity - needing.length;
    const parts = needing.map((one) => ({ one, exact: (rest * (one.needs - 1)) / (needed - needing.length) }));
    let left = rest;
    for (const { one, exact } of parts) {
      one.fair = 1 + Math.floor(exact);
      left -= Math.floor(exact);
    }
    // By what rounding took, and where that is equal, who has it keeps it.
    const fraction = (exact: number) => exact - Math.floor(exact);
    parts.sort((a, b) => fraction(b.exact) - fraction(a.exact) || b.one.has - a.one.has || a.one.lot - b.one.lot);
    for (const { one } of parts.slice(0, left)) one.fair += 1;
  } else {
    for (const one of byTurn(needing).slice(0, capacity)) one.fair = 1;
  }
}

/** Who had none for longest first, then who has some for the shortest time. */
function byTurn(standings: readonly Standing[]): Standing[] {
  const [none, some] = [standings.filter(({ has }) => has === 0), standings.filter(({ has }) => has > 0)];
  none.sort((a, b) => a.since - b.since || a.lot - b.lot);
  some.sort((a, b) => b.since - a.since || a.lot - b.lot);
  return [...none, ...some];
}

/** Whom to ask for slots, where those that nobody has don't do. */
function takeBack(standings: readonly Standing[], vacant: number, now: number): Pick<SharesPlan, "keep" | "againMs"> {
  const keep = new Map<string, number>();
  const lacks = standings.filter(({ waiting, has, fair }) => has < fair && (waiting > 0 || has === 0));
  const lackOf = (some: readonly Standing[]) => some.reduce((sum, { has, fair }) => sum + fair - has, 0);
  // Among those where requests wait, one slot more or less isn't worth the way; none at all is.
  const urgent = lackOf(lacks.filter(({ waiting, has, fair }) => waiting > 0 && (has === 0 || fair - has > 1)));
  let missing = lackOf(lacks) - vacant;
  let againMs: number | undefined;
  const rich = standings.filter(({ has, fair }) => has > fair);
  const ask = (one: Standing, most: number): number => {
    const slots = Math.min(one.has - one.fair, most);
    if (slots > 0) keep.set(one.id, one.has - slots);
    return Math.max(0, slots);
  };
  for (const one of rich.filter(({ waiting }) => waiting === 0).toSorted(bySurplus)) missing -= ask(one, missing);
  missing = Math.min(missing, urgent);
  for (const one of rich
    .filter(({ waiting }) => waiting > 0)
    .toSorted((a, b) => a.since - b.since || bySurplus(a, b))) {
    if (missing <= 0) break;
    const staysMs = one.since + turnMs - now;
    // A clock that was set back must not hold a slot for longer than a turn.
    if (staysMs > 0 && staysMs <= turnMs) againMs = Math.min(againMs ?? staysMs, staysMs);
    else missing -= ask(one, missing);
  }
  return { keep, againMs };
}

function bySurplus(a: Standing, b: Standing): number {
  return b.has - b.fair - (a.has - a.fair) || a.lot - b.lot;
}

/** Gives out what nobody has: first to who has none and requests that wait, by turn, then by what each lacks. */
function giveOut(standings: readonly Standing[], free: Map<string, number>): SharesPlan["grants"] {
  const rank = ({ waiting, has }: Standing) => (waiting === 0 ? 2 : has === 0 ? 0 : 1);
  const poor = standings.filter(({ has, fair }) => has < fair);
  poor.sort((a, b) => rank(a) - rank(b) || a.since - b.since || bySurplus(b, a));
  const grants: SharesPlan["grants"] = [];
  for (const { id, has, fair, held } of poor) {
    const given = new Map<string, number>();
    let lack = fair - has;
    while (lack > 0) {
      let best: string | undefined;
      let most = 0;
      let open = 0;
      const own = (instance: string) => (held.get(instance) ?? 0) + (given.get(instance) ?? 0);
      for (const [instance, left] of free) {
        if (left > 0) open += 1;
        if (left < most || left === 0) continue;
        if (best !== undefined && left === most && own(instance) >= own(best)) continue;
        best = instance;
        most = left;
      }
      if (best === undefined) break;
      // Many at a time where there are many: it ends after a few rounds, and as evenly.
      const slots = Math.min(most, lack, Math.max(1, Math.floor(lack / (2 * open))));
      free.set(best, most - slots);
      given.set(best, (given.get(best) ?? 0) + slots);
      lack -= slots;
    }
    for (const [instance, slots] of given) grants.push({ gateway: id, instance, slots });
  }
  return grants;
}

function hashOf(text: string): number {
  return createHash("sha256").update(text).digest().readUInt32BE(0);
}
