import { array, assert, boolean, constantFrom, property, record } from "fast-check";
import { describe, expect, it } from "vitest";
import { conditionIn, confirmPlan, observeRoute, planTime, type RouteWorld } from "../../../test/support/route-plan.ts";
import type { GuardRule } from "../../api/route-guard.ts";
import type { ServedTarget } from "../../api/route.ts";
import type { GuardCount } from "../../routing/traffic.ts";
import { planRoute, type RouteObserved } from "./plan.ts";

const second = 1_000;
const follow = [{ configurationName: "app", name: "live", percent: 100 }];
const canary = (percent: number) => [
  { revisionName: "app-1", name: "current", percent: 100 - percent },
  { revisionName: "app-2", name: "next", percent },
];
const none: GuardCount = { requests: 0, errors: 0, slow: 0 };
const counts =
  (requests: number, errors: number, slow = 0) =>
  () => ({ requests, errors, slow });
const before = (...shares: [string, number][]): RouteWorld["status"] => ({
  traffic: shares.map(([revisionName, percent]) => ({ revisionName, percent })),
});

/** A world in which app-2 comes after app-1. */
function world(traffic: RouteWorld["traffic"], guard: GuardRule, more: Partial<RouteWorld> = {}): RouteWorld {
  return {
    traffic,
    rollout: { guard },
    configurations: { app: { latestReady: "app-2", latestCreated: "app-2" } },
    revisions: { "app-1": 1, "app-2": 1 },
    status: before(["app-1", 100]),
    ...more,
  };
}

const percentOf = (served: readonly ServedTarget[] | undefined, revision: string): number =>
  (served ?? []).filter(({ revisionName }) => revisionName === revision).reduce((sum, { percent }) => sum + percent, 0);

/** The world after the plan: its status stored, its assignment told and confirmed. */
function after(seen: RouteObserved, at: number): { seen: RouteObserved; events: string[] } {
  const plan = planRoute(seen, at);
  const action = plan.actions.find((one) => one.do === "assign");
  const serving =
    action === undefined ? seen.serving : { split: action.split, wanted: action.wanted, confirmed: true, since: at };
  return {
    seen: { ...seen, serving, route: { ...seen.route, status: plan.status ?? {} } },
    events: plan.events.map(({ reason }) => reason),
  };
}

describe("planRoute() with a guard watches", () => {
  it("a new Revision from the first share on, holds the one before, and ends one window after all has moved", () => {
    const { seen, plan } = confirmPlan(observeRoute(world(follow, { errorPercent: 1, window: "30s" })));
    const startedAt = new Date(planTime).toISOString();
    expect(plan.status?.guard).toEqual([
      { to: "app-2", from: "app-1", startedAt, settledAt: startedAt, generation: 3 },
    ]);
    expect(seen.serving?.wanted).toEqual(["app-2", "app-1"]);
    expect(seen.serving?.split.assignment.guard).toEqual({ slowMs: 0 });
    expect(conditionIn(plan, "RolloutComplete")).toEqual(["True"]);
    expect(plan.requeueAfterMs).toBe(30 * second);

    const still = planRoute(seen, planTime + 30 * second - 1);
    expect(still.status?.guard).toHaveLength(1);
    const over = planRoute(seen, planTime + 30 * second);
    expect(over.status).not.toHaveProperty("guard");
    expect(over.actions).toMatchObject([{ do: "assign", wanted: ["app-2"] }]);
  });

  it.each<[string, RouteWorld, [string, string][]]>([
    ["a share by hand, as long as it shares", world(canary(5), { errorPercent: 1 }), [["app-2", "app-1"]]],
    [
      "a Revision that only matching requests go to",
      world(
        [
          { revisionName: "app-1", percent: 100 },
          { revisionName: "app-2", percent: 0, match: [{ cookie: { name: "a", exact: "b" } }] },
        ],
        { errorPercent: 1 },
      ),
      [["app-2", "app-1"]],
    ],
    [
      "a Revision of another Configuration that is new to the Route",
      world(
        [
          { revisionName: "app-1", percent: 80 },
          { revisionName: "lab-1", percent: 20 },
        ],
        { errorPercent: 1 },
        {
          revisions: { "app-1": 1, "lab-1": 1 },
        },
      ),
      [["lab-1", "app-1"]],
    ],
    [
      "each newer Revision, to go back to an older one that isn't watched itself",
      world(
        [
          { revisionName: "app-1", percent: 20 },
          { revisionName: "app-2", percent: 70 },
          { revisionName: "app-3", percent: 10 },
        ],
        { errorPercent: 1 },
        { revisions: { "app-1": 1, "app-2": 1, "app-3": 1 }, status: before(["app-1", 30], ["app-2", 70]) },
      ),
      [
        ["app-2", "app-1"],
        ["app-3", "app-1"],
      ],
    ],
    ["not the first Revision", world(follow, { errorPercent: 1 }, { status: {} }), []],
    ["not a target at 0 percent", world(canary(0), { errorPercent: 1 }), []],
    [
      "not an older Revision that traffic goes back to",
      world(canary(0), { errorPercent: 1 }, { status: before(["app-2", 100]) }),
      [],
    ],
    [
      "not Configurations that have long shared traffic",
      world(
        [
          { revisionName: "app-1", percent: 50 },
          { revisionName: "lab-1", percent: 50 },
        ],
        { errorPercent: 1 },
        { revisions: { "app-1": 1, "lab-1": 1 }, status: before(["app-1", 50], ["lab-1", 50]) },
      ),
      [],
    ],
  ])("%s", (_, seen, expected) => {
    const { plan } = confirmPlan(observeRoute(seen));
    expect((plan.status?.guard ?? []).map(({ to, from }) => [to, from])).toEqual(expected);
  });

  it("a shift, and where it goes back to, until the shift is over and a window more", () => {
    let { seen } = after(observeRoute(world(follow, { errorPercent: 1, window: "10s" }, { duration: "4s" })), planTime);
    expect(seen.route.status?.guard).toBeUndefined();
    for (let s = 1; s <= 5; s++) ({ seen } = after(seen, planTime + s * second));
    const startedAt = new Date(planTime + second).toISOString();
    const settledAt = new Date(planTime + 5 * second).toISOString();
    expect(seen.route.status?.guard).toEqual([{ to: "app-2", from: "app-1", startedAt, settledAt, generation: 3 }]);
    expect(planRoute(seen, planTime + 15 * second).status?.guard).toBeUndefined();
  });

  it.each<[string, (seen: RouteObserved) => RouteObserved]>([
    [
      "a target is missing, so that the last good split goes on",
      (seen) => {
        const traffic = [
          { revisionName: "app-1", percent: 95 },
          { revisionName: "app-9", percent: 5 },
        ];
        return { ...seen, route: { ...seen.route, spec: { rollout: { traffic, guard: { errorPercent: 1 } } } } };
      },
    ],
    [
      "the next Revision has no instance yet",
      (seen) => ({
        ...seen,
        configurations: new Map([["app", { latestReady: "app-3", latestCreated: "app-3" }]]),
        revisions: new Map(seen.revisions).set("app-3", {
          configuration: "app",
          generation: 3,
          wasReady: true,
          readyInstances: 0,
        }),
      }),
    ],
  ])("not what only serves on: %s", (_, change) => {
    const follows = { traffic: follow, duration: "100s" };
    let { seen } = after(observeRoute(world(follow, { errorPercent: 1 }, follows)), planTime);
    ({ seen } = after(seen, planTime + 5 * second));
    expect(seen.route.status?.guard).toMatchObject([{ to: "app-2", from: "app-1" }]);
    const { plan } = confirmPlan(change(seen), planTime + 5 * second);
    expect([percentOf(plan.status?.traffic, "app-2"), plan.status?.guard]).toEqual([5, undefined]);
  });

  it("nothing that has no Revision left to go back to", () => {
    const shares: RouteWorld["traffic"] = [
      { revisionName: "app-1", percent: 80 },
      { revisionName: "lab-1", percent: 20 },
    ];
    const { plan } = confirmPlan(
      observeRoute(
        world(shares, { errorPercent: 1 }, { revisions: { "app-1": 1, "lab-1": 1 }, status: before(["old-1", 100]) }),
      ),
    );
    expect(plan.status?.guard?.map(({ from }) => from) ?? []).not.toContain("old-1");
  });

  it("nothing any more once the Route has no guard", () => {
    const { seen } = confirmPlan(observeRoute(world(canary(5), { errorPercent: 1 })));
    const without = { ...seen, route: { ...seen.route, spec: { rollout: { traffic: canary(5) } } } };
    const { status, actions } = planRoute(without, planTime);
    expect(status).not.toHaveProperty("guard");
    expect(actions[0]?.do === "assign" && actions[0].split.assignment).not.toHaveProperty("guard");
  });
});

describe("planRoute() with a guard judges", () => {
  it.each<[string, GuardRule, () => GuardCount, boolean]>([
    ["nothing of fewer than 20 requests", { errorPercent: 0 }, counts(19, 19), false],
    ["20 requests", { errorPercent: 0 }, counts(20, 1), true],
    ["as many errors as are allowed as good", { errorPercent: 5 }, counts(100, 5), false],
    ["one more as bad", { errorPercent: 5 }, counts(100, 6), true],
    ["errors that nobody limits as good", { p95Milliseconds: 100 }, counts(100, 100), false],
    ["5 of 100 slow ones as good", { p95Milliseconds: 100 }, counts(100, 0, 5), false],
    ["6 of 100 slow ones as bad", { p95Milliseconds: 100 }, counts(100, 0, 6), true],
  ])("%s", (_, guard, counted, trips) => {
    const { seen } = confirmPlan(observeRoute(world(canary(5), guard)));
    const plan = planRoute({ ...seen, counted }, planTime + second);
    expect(plan.status?.guard?.[0]?.trippedAt !== undefined).toBe(trips);
  });

  it("what ended since the watch began, and within the window", () => {
    const asked: [string, number][] = [];
    const counted = (revision: string, at: number): GuardCount => {
      asked.push([revision, at - planTime]);
      return none;
    };
    const { seen } = confirmPlan(observeRoute(world(canary(5), { errorPercent: 1, window: "10s" })));
    planRoute({ ...seen, counted }, planTime + 4 * second);
    planRoute({ ...seen, counted }, planTime + 60 * second);
    expect(asked).toEqual([
      ["app-2", 0],
      ["app-2", 50 * second],
    ]);
  });
});

describe("planRoute() with a guard takes traffic back", () => {
  const guard = { errorPercent: 1, p95Milliseconds: 200 };
  const { seen: watching } = confirmPlan(observeRoute(world(canary(5), guard)));
  const bad = { ...watching, counted: counts(240, 12, 24) };
  const at = planTime + 7 * second;

  it("first in the status, with the figures, then at the gateways, and leaves the name with its Revision", () => {
    const trip = planRoute(bad, at);
    const message =
      'Revision "app-2" did worse than spec.rollout.guard allows: of 240 requests in 7 s, 12 (5%) ended with a status of 500 or more, where errorPercent is 1, and 24 (10%) took longer than 200 ms to begin, where p95Milliseconds allows 5%. Its traffic goes to "app-1" until the Route\'s spec changes or another Revision takes its place';
    expect(trip.actions).toEqual([]);
    expect(conditionIn(trip, "RolloutComplete")).toEqual(["False", "GuardTripped", message]);
    expect(conditionIn(trip, "Ready")).toEqual(["True"]);
    expect(trip.events).toEqual([{ type: "Warning", reason: "GuardTripped", message }]);
    expect(trip.status?.guard).toMatchObject([{ to: "app-2", trippedAt: new Date(at).toISOString(), message }]);

    const { seen, plan } = confirmPlan({ ...bad, route: { ...bad.route, status: trip.status ?? {} } }, at);
    expect(plan.status?.traffic).toEqual([
      { revisionName: "app-1", name: "current", percent: 95 },
      { revisionName: "app-1", percent: 5 },
      { revisionName: "app-2", name: "next", percent: 0 },
    ]);
    expect(seen.serving?.split.assignment.targets).toEqual([{ revision: "app-1", percent: 100 }]);
    expect(seen.serving?.split.assignment.named.map(({ host, revision }) => `${host} ${revision}`)).toContain(
      "next.web.ns app-2",
    );
    expect(conditionIn(plan, "RolloutComplete")).toEqual(["False", "GuardTripped", message]);
    expect(plan.status?.guard).toHaveLength(1);
  });

  const tripped = after(after(bad, at).seen, at).seen;

  it("and says so again after a restart, before anything is counted", () => {
    const { status, actions, events } = planRoute({ ...tripped, serving: undefined, counted: () => none }, at + second);
    expect(percentOf(actions[0]?.do === "assign" ? actions[0].split.served : [], "app-2")).toBe(0);
    expect(status).toEqual(tripped.route.status);
    expect(events).toEqual([]);
  });

  it("until the spec changes, which tries anew", () => {
    const { route } = tripped;
    const changed = {
      ...tripped,
      counted: () => none,
      route: { ...route, metadata: { ...route.metadata, generation: 4 } },
    };
    const { plan } = confirmPlan(changed, at + second);
    expect(percentOf(plan.status?.traffic, "app-2")).toBe(5);
    expect(plan.status?.guard).toEqual([
      { to: "app-2", from: "app-1", startedAt: new Date(at + second).toISOString(), generation: 4 },
    ]);
    expect(conditionIn(plan, "RolloutComplete")).toEqual(["True"]);
  });

  it("and watches on where the spec changes before the Revision before has an instance", () => {
    const { seen } = confirmPlan(observeRoute(world(follow, guard)));
    const view = seen.revisions.get("app-1");
    if (view === undefined) throw new Error("No app-1");
    const revisions = new Map(seen.revisions).set("app-1", { ...view, readyInstances: 0 });
    const trip = after({ ...seen, revisions, counted: counts(100, 50) }, at).seen;
    const { route } = after(trip, at).seen;
    const changed = {
      ...trip,
      counted: () => none,
      route: { ...route, metadata: { ...route.metadata, generation: 4 } },
    };
    const startedAt = new Date(at + second).toISOString();
    const { seen: anew, plan } = confirmPlan(changed, at + second);
    expect(plan.status?.guard).toMatchObject([{ to: "app-2", from: "app-1", startedAt, generation: 4 }]);
    expect(percentOf(plan.status?.traffic, "app-2")).toBe(100);
    const again = planRoute({ ...anew, counted: counts(100, 50) }, at + 2 * second);
    expect(again.events.map(({ reason }) => reason)).toEqual(["GuardTripped"]);
  });

  it("at once, and wakes the Revision before where that has no instance", () => {
    const gone = { ...world(follow, guard, { duration: "10s" }), revisions: { "app-1": 1, "app-2": 1 } };
    let { seen } = after(observeRoute(gone), planTime);
    for (let s = 1; s <= 11; s++) ({ seen } = after(seen, planTime + s * second));
    expect(percentOf(seen.route.status?.traffic, "app-2")).toBe(100);
    const view = seen.revisions.get("app-1");
    if (view === undefined) throw new Error("No app-1");
    const idle = { ...seen, revisions: new Map(seen.revisions).set("app-1", { ...view, readyInstances: 0 }) };
    const trip = after({ ...idle, counted: counts(100, 50) }, planTime + 12 * second).seen;
    const waits = planRoute(trip, planTime + 12 * second);
    expect(waits.actions.filter(({ do: what }) => what === "wake")).toEqual([{ do: "wake", revision: "ns/app-1" }]);
    const back = after({ ...trip, revisions: seen.revisions }, planTime + 13 * second).seen;
    expect(percentOf(back.serving?.split.served, "app-1")).toBe(100);
    expect(back.route.status).not.toHaveProperty("rollout");
  });

  it("until a newer Revision takes its place, which is shifted in from the one before", () => {
    const { seen } = confirmPlan(observeRoute(world(follow, guard)));
    const first = after(after({ ...seen, counted: counts(100, 50) }, at).seen, at).seen;
    const next: RouteObserved = {
      ...first,
      counted: () => none,
      configurations: new Map([["app", { latestReady: "app-3", latestCreated: "app-3" }]]),
      revisions: new Map(first.revisions).set("app-3", {
        configuration: "app",
        generation: 3,
        wasReady: true,
        readyInstances: 1,
      }),
    };
    const { plan } = confirmPlan(next, at + second);
    expect(percentOf(plan.status?.traffic, "app-3")).toBe(100);
    expect(plan.status?.guard).toMatchObject([{ to: "app-3", from: "app-1" }]);
    expect(conditionIn(plan, "RolloutComplete")).toEqual(["True"]);
  });

  it("once, whatever is counted later and whenever control starts anew", () => {
    const step = record({
      counted: constantFrom(counts(0, 0), counts(100, 0), counts(100, 50), counts(20, 1, 20)),
      seconds: constantFrom(0, 1, 30, 90),
      restarts: boolean(),
      crashes: boolean(),
    });
    assert(
      property(
        constantFrom(follow, canary(5), canary(100)),
        array(step, { minLength: 1, maxLength: 30 }),
        (traffic, steps) => {
          let now = planTime;
          let { seen } = after(observeRoute(world(traffic, { ...guard, window: "5m" })), now);
          let trips = 0;
          for (const { counted, seconds, restarts, crashes } of steps) {
            now += seconds * second;
            if (restarts) seen = { ...seen, serving: undefined };
            const next = after({ ...seen, counted }, now);
            // What is planned and not stored is planned again.
            if (crashes) continue;
            trips += next.events.filter((reason) => reason === "GuardTripped").length;
            seen = next.seen;
            const wasTripped = seen.route.status?.guard?.some(({ trippedAt }) => trippedAt !== undefined) === true;
            expect(wasTripped).toBe(trips === 1);
            const settled = after({ ...seen, counted }, now);
            if (wasTripped) expect(percentOf(settled.seen.serving?.split.served, "app-2")).toBe(0);
          }
          expect(trips).toBeLessThanOrEqual(1);
        },
      ),
      { numRuns: 300 },
    );
  });
});
