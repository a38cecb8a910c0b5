import { array, assert, constant, integer, oneof, property, record } from "fast-check";
import { describe, expect, it } from "vitest";
import type { Route, RouteTarget } from "../../api/route.ts";
import type { RevisionView } from "./resolve.ts";
import { movedPercent } from "./shift.ts";
import { decideSplit, toHundred } from "./split.ts";

const total = (targets: readonly { percent: number }[]) => targets.reduce((sum, { percent }) => sum + percent, 0);

/** Percents that total 100, at most eight. */
const percents = array(integer({ min: 0, max: 100 }), { maxLength: 7 }).map((cuts) => {
  const edges = [0, ...cuts.toSorted((a, b) => a - b), 100];
  return edges.slice(1).map((edge, index) => edge - (edges[index] ?? 0));
});

describe("toHundred()", () => {
  it("gives whole percents that total 100, each within one of its proportion", () => {
    const shares = array(integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 32 }).filter((values) =>
      values.some((value) => value > 0),
    );
    assert(
      property(shares, (values) => {
        const sum = values.reduce((a, b) => a + b, 0);
        const made = toHundred(values.map((percent, index) => ({ revisionName: `r${index}`, percent })));
        expect(total(made)).toBe(100);
        for (const [index, { percent }] of made.entries()) {
          expect(Math.abs(percent - ((values[index] ?? 0) * 100) / sum)).toBeLessThan(1);
        }
      }),
    );
  });
});

describe("movedPercent()", () => {
  it("never goes back, starts at nothing and ends with all", () => {
    assert(
      property(integer({ min: 0, max: 100 }), integer({ min: 1, max: 7_200_000 }), (percent, duration) => {
        expect(movedPercent(percent, 0, duration)).toBe(0);
        expect(movedPercent(percent, duration, duration)).toBe(percent);
        const moved = Array.from({ length: 50 }, (_, step) => movedPercent(percent, (duration * step) / 49, duration));
        expect(moved).toEqual(moved.toSorted((a, b) => a - b));
      }),
    );
  });
});

describe("decideSplit()", () => {
  const readiness = oneof(constant("missing"), constant("never"), constant("down"), constant("up"));
  const world = record({
    shares: percents,
    follows: array(integer({ min: 0, max: 1 }), { minLength: 8, maxLength: 8 }),
    states: array(readiness, { minLength: 8, maxLength: 8 }),
    elapsed: integer({ min: 0, max: 12_000 }),
    before: oneof(constant(0), constant(1), constant(2)),
  });

  it("always splits all requests or none, and never over a Revision that is missing or never was ready", () => {
    assert(
      property(world, ({ shares, follows, states, elapsed, before }) => {
        const traffic = shares.map((percent, index): RouteTarget =>
          follows[index] === 1 ? { configurationName: `c${index}`, percent } : { revisionName: `c${index}-2`, percent },
        );
        const revisions = new Map<string, RevisionView>(
          states.flatMap((state, index) => [
            [`c${index}-1`, { configuration: `c${index}`, generation: 1, wasReady: true, readyInstances: 1 }] as const,
            ...(state === "missing"
              ? []
              : [
                  [
                    `c${index}-2`,
                    {
                      configuration: `c${index}`,
                      generation: 2,
                      wasReady: state !== "never",
                      readyInstances: state === "up" ? 1 : 0,
                    },
                  ] as const,
                ]),
          ]),
        );
        const configurations = new Map(
          states.map((_, index) => [`c${index}`, { latestReady: `c${index}-2`, latestCreated: `c${index}-2` }]),
        );
        const route: Route = {
          apiVersion: "elafros.dev/v1alpha1",
          kind: "Route",
          metadata: { name: "web", namespace: "ns" },
          spec: { rollout: { traffic, duration: "10s" } },
          status: { rollout: { from: "c0-1", to: "c0-2", startedAt: new Date(1_000_000 - elapsed).toISOString() } },
        };
        const current = before === 0 ? [] : shares.map((percent, index) => ({ revisionName: `c${index}-1`, percent }));
        const decision = decideSplit(route, { configurations, revisions }, current, 1_000_000);
        for (const split of [decision.served, decision.candidates]) expect([0, 100]).toContain(total(split));
        for (const { revisionName, percent } of decision.served) {
          if (percent > 0) expect(revisions.get(revisionName)?.wasReady).toBe(true);
        }
        // Nothing that served is given up for nothing.
        if (current.length > 0) expect(total(decision.served)).toBe(100);
      }),
      { numRuns: 500 },
    );
  });
});
