import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { type Party, planShares, type SharesInput, type SharesPlan, turnMs } from "./shares.ts";

const now = 1_000_000;

function party(id: string, held: Record<string, number> = {}, more: Partial<Party> = {}): Party {
  return { id, held: new Map(Object.entries(held)), waiting: 0, busy: 0, since: 0, ...more };
}

function plan(limit: number, instances: Record<string, number>, parties: Party[]): SharesPlan {
  return planShares({ revision: "x/a", limit, instances: new Map(Object.entries(instances)), parties, now });
}

/** By gateway, what is given of each instance. */
function given({ grants }: SharesPlan): Record<string, Record<string, number>> {
  const all: Record<string, Record<string, number>> = {};
  for (const { gateway, instance, slots } of grants) (all[gateway] ??= {})[instance] = slots;
  return all;
}

describe("planShares()", () => {
  test("shares what nobody needs evenly, of each instance some for each", () => {
    expect(given(plan(4, { i: 0, j: 0 }, [party("a"), party("b")]))).toEqual({ a: { i: 2, j: 2 }, b: { i: 2, j: 2 } });
  });

  test("spreads SingleThreaded instances over gateways", () => {
    const each = given(plan(1, { i: 0, j: 0, k: 0, l: 0 }, [party("a"), party("b")]));
    expect([each["a"], each["b"]].map((slots) => Object.values(slots ?? {}))).toEqual([
      [1, 1],
      [1, 1],
    ]);
  });

  test("which of two idle gateways has a Revision's only slot differs from Revision to Revision", () => {
    const parties = [party("a"), party("b")];
    const winners = Array.from({ length: 40 }, (_, i) => {
      const input = { revision: `x/${i}`, limit: 1, instances: new Map([["i", 0]]), parties, now };
      return planShares(input)
        .grants.map(({ gateway }) => gateway)
        .join();
    });
    expect(new Set(winners)).toEqual(new Set(["a", "b"]));
  });

  test("while no request waits, takes back only what another would have none without", () => {
    expect(plan(1, { i: 0 }, [party("a", { i: 1 }), party("b", {}, { busy: 3 })]).keep).toEqual(new Map());
    expect(plan(4, { i: 0 }, [party("a", { i: 3 }), party("b", { i: 1 })]).keep).toEqual(new Map());
    expect(plan(4, { i: 0 }, [party("a", { i: 4 }), party("b")]).keep).toEqual(new Map([["a", 2]]));
    expect(plan(4, { i: 0 }, [party("a", { i: 4 }, { busy: 4 }), party("b")]).keep).toEqual(new Map());
  });

  test("asks who has more than its part for what is missing, and not for more", () => {
    const parties = [party("a", { i: 10 }), party("b", {}, { waiting: 2 })];
    expect(plan(10, { i: 0 }, parties).keep).toEqual(new Map([["a", 4]]));
    const busy = [party("a", { i: 10 }, { busy: 9.5 }), party("b", {}, { waiting: 1 })];
    expect(plan(10, { i: 0 }, busy).keep).toEqual(new Map([["a", 9]]));
  });

  test("gives a slot that came back to who waits, not to who had it", () => {
    const parties = [party("a", { i: 1 }, { busy: 2 }), party("b", {}, { waiting: 1 })];
    expect(given(plan(2, { i: 0 }, parties))).toEqual({ b: { i: 1 } });
  });

  test("a gateway where requests wait keeps its only slot for a turn, one where none waits doesn't", () => {
    const b = party("b", {}, { waiting: 1 });
    const early = plan(1, { i: 0 }, [party("a", { i: 1 }, { waiting: 5, since: now - turnMs / 4 }), b]);
    expect(early).toMatchObject({ keep: new Map(), againMs: (turnMs * 3) / 4 });
    const over = plan(1, { i: 0 }, [party("a", { i: 1 }, { waiting: 5, since: now - turnMs }), b]);
    expect(over.keep).toEqual(new Map([["a", 0]]));
    const idle = plan(1, { i: 0 }, [party("a", { i: 1 }, { busy: 1, since: now }), b]);
    expect(idle.keep).toEqual(new Map([["a", 0]]));
    const back = plan(1, { i: 0 }, [party("a", { i: 1 }, { waiting: 5, since: now + 3_600_000 }), b]);
    expect(back.keep).toEqual(new Map([["a", 0]]));
  });

  test("of more gateways than slots, the one that had none for longest is next", () => {
    const parties = [
      party("a", {}, { waiting: 9, since: now - 200 }),
      party("b", {}, { waiting: 1, since: now - 300 }),
      party("c", {}, { waiting: 9, since: now - 100 }),
    ];
    expect(given(plan(1, { i: 0 }, parties))).toEqual({ b: { i: 1 } });
  });

  test("one slot more or less isn't moved between gateways where requests wait", () => {
    const parties = [party("a", { i: 2 }, { waiting: 9 }), party("b", { i: 1 }, { waiting: 10 })];
    expect(plan(3, { i: 0 }, parties).keep).toEqual(new Map());
  });

  test("slots out of reach are neither given out nor counted on", () => {
    expect(plan(2, { i: 2, j: 1 }, [party("a", {}, { waiting: 5 })])).toMatchObject({
      grants: [{ gateway: "a", instance: "j", slots: 1 }],
      capacity: 1,
    });
  });

  test("slots of instances that left the table count for nothing", () => {
    expect(given(plan(1, { i: 0 }, [party("a", { old: 1 }), party("b", { old: 1 }, { waiting: 1 })]))).toEqual({
      b: { i: 1 },
    });
  });
});

const someInstances = ["i", "j", "k"];
const arbitraryInput: fc.Arbitrary<SharesInput> = fc
  .record({
    limit: fc.constantFrom(1, 2, 3, 7, 1_000_000),
    away: fc.array(fc.nat(3), { minLength: 0, maxLength: 3 }),
    parties: fc.array(
      fc.record({
        want: fc.array(fc.nat(5), { minLength: 3, maxLength: 3 }),
        waiting: fc.constantFrom(0, 0, 1, 2, 30),
        busy: fc.constantFrom(0, 0.2, 1, 4),
        sinceMs: fc.nat(1_000),
      }),
      { maxLength: 4 },
    ),
  })
  .map(({ limit, away, parties }) => {
    const left = new Map(away.map((slots, i) => [someInstances[i] ?? "", limit - Math.min(limit, slots)]));
    const instances = new Map([...left].map(([instance, slots]) => [instance, limit - slots]));
    return {
      revision: "x/a",
      limit,
      instances,
      parties: parties.map(({ want, waiting, busy, sinceMs }, p) => {
        const held = new Map<string, number>();
        for (const [instance, slots] of left) {
          const take = Math.min(slots, want[someInstances.indexOf(instance)] ?? 0);
          left.set(instance, slots - take);
          if (take > 0) held.set(instance, take);
        }
        return { id: `g${p}`, held, waiting, busy, since: now - sinceMs };
      }),
      now,
    };
  });

it("any plan keeps each instance within its limit, gives out all that is free and asks nobody for more than it has", () => {
  fc.assert(
    fc.property(arbitraryInput, (input) => {
      const { grants, keep, capacity } = planShares(input);
      const after = new Map(input.instances);
      for (const { held } of input.parties) for (const [i, slots] of held) after.set(i, (after.get(i) ?? 0) + slots);
      const total = () => [...after.values()].reduce((sum, slots) => sum + slots, 0);
      const away = [...input.instances.values()].reduce((sum, slots) => sum + slots, 0);
      for (const { instance, slots } of grants) {
        expect(slots).toBeGreaterThan(0);
        after.set(instance, (after.get(instance) ?? 0) + slots);
      }
      for (const slots of after.values()) expect(slots).toBeLessThanOrEqual(input.limit);
      expect(capacity).toBe(input.limit * input.instances.size - away);
      if (input.parties.length > 0) expect(total()).toBe(input.limit * input.instances.size);
      for (const { id, held } of input.parties) {
        const has = [...held].reduce((sum, [i, slots]) => sum + (input.instances.has(i) ? slots : 0), 0);
        const most = keep.get(id);
        if (most === undefined) continue;
        expect(most).toBeLessThan(has);
        expect(most).toBeGreaterThanOrEqual(0);
      }
    }),
    { numRuns: 2_000 },
  );
});

it("gateways with requests that wait all get a slot again and again, whoever has them now", () => {
  fc.assert(
    fc.property(arbitraryInput, (first) => {
      let input = first;
      const wanting = new Set(input.parties.filter(({ waiting }) => waiting > 0).map(({ id }) => id));
      const rounds = 4 * (wanting.size + 2);
      const served = new Map<string, number>();
      let capacity = 0;
      for (let round = 0; round < rounds; round++) {
        const made = planShares(input);
        ({ capacity } = made);
        const parties = input.parties.map((one) => {
          const held = new Map(one.held);
          // All that was asked for comes back, of whichever instance.
          let surplus = made.keep.has(one.id) ? sum(held, input) - (made.keep.get(one.id) ?? 0) : 0;
          for (const [instance, slots] of held) {
            const back = input.instances.has(instance) ? Math.min(slots, surplus) : 0;
            surplus -= back;
            if (back > 0) held.set(instance, slots - back);
          }
          const gifts = made.grants.filter(({ gateway }) => gateway === one.id);
          const since = gifts.length > 0 && sum(one.held, input) === 0 ? input.now : one.since;
          for (const { instance, slots } of gifts) held.set(instance, (held.get(instance) ?? 0) + slots);
          if (sum(held, input) > 0) served.set(one.id, round);
          return { ...one, held, since };
        });
        input = { ...input, parties, now: input.now + turnMs };
      }
      for (const id of capacity === 0 ? [] : wanting) {
        expect(served.get(id) ?? -1).toBeGreaterThanOrEqual(rounds - 2 * (wanting.size + 2));
      }
    }),
    { numRuns: 1_000 },
  );
});

function sum(held: ReadonlyMap<string, number>, { instances }: SharesInput): number {
  return [...held].reduce((all, [instance, slots]) => all + (instances.has(instance) ? slots : 0), 0);
}
