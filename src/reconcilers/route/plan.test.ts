import { describe, expect, it } from "vitest";
import {
  conditionIn as condition,
  confirmPlan as confirm,
  observeRoute as observe,
  planTime as now,
  type RouteWorld as World,
} from "../../../test/support/route-plan.ts";
import type { RouteTarget, ServedTarget } from "../../api/route.ts";
import { planRoute, type RouteObserved } from "./plan.ts";

const follow: RouteTarget[] = [{ configurationName: "app", percent: 100 }];
const all = (revisionName: string): ServedTarget[] => [{ revisionName, percent: 100 }];
const split = (a: number): ServedTarget[] => [
  { revisionName: "app-1", percent: 100 - a },
  { revisionName: "app-2", percent: a },
];

describe("planRoute() resolves targets", () => {
  it("follows the Configuration's latest ready Revision and tells the gateways each host twice", () => {
    const seen = observe({
      traffic: follow,
      configurations: { app: { latestReady: "app-1" } },
      revisions: { "app-1": 1 },
    });
    const first = planRoute(seen, now);
    expect(first.actions).toEqual([
      {
        do: "assign",
        split: {
          assignment: {
            route: "ns/web",
            hosts: ["web.ns.example.com", "web.ns"],
            targets: all("app-1").map(({ revisionName, percent }) => ({ revision: revisionName, percent })),
            named: [],
          },
          served: all("app-1"),
        },
        wanted: ["app-1"],
      },
    ]);
    expect(first.status).not.toHaveProperty("traffic");
    expect(condition(first, "RolloutComplete")).toEqual(["False", "Publishing"]);
    expect(condition(first, "Ready")).toEqual(["Unknown", "Publishing"]);

    const { plan } = confirm(seen);
    expect(plan.status).toMatchObject({
      domain: "web.ns.example.com",
      url: "http://web.ns.example.com:8080",
      traffic: all("app-1"),
      observedGeneration: 3,
    });
    expect(["Ready", "RolloutComplete", "AllTrafficAssigned"].map((type) => condition(plan, type))).toEqual([
      ["True"],
      ["True"],
      ["True"],
    ]);
  });

  it("gives a named target its address, also at 0 percent, and adds up shares of one Revision", () => {
    const traffic = [
      { revisionName: "app-2", name: "current", percent: 60 },
      { revisionName: "app-2", name: "latest", percent: 40 },
      { revisionName: "app-1", name: "old", percent: 0 },
    ];
    const { plan, seen } = confirm(observe({ traffic, revisions: { "app-1": 0, "app-2": 1 } }));
    expect(plan.status?.traffic).toEqual(traffic);
    expect(seen.serving?.split.assignment.targets).toEqual([{ revision: "app-2", percent: 100 }]);
    expect(seen.serving?.split.assignment.named.map(({ host, revision }) => `${host} ${revision}`)).toEqual([
      "current.web.ns.example.com app-2",
      "current.web.ns app-2",
      "latest.web.ns.example.com app-2",
      "latest.web.ns app-2",
      "old.web.ns.example.com app-1",
      "old.web.ns app-1",
    ]);
  });

  it.each([
    [
      "a Configuration that isn't there",
      {},
      'Configuration "app" referenced in rollout.traffic not found',
      "ConfigurationMissing",
    ],
    [
      "a Configuration without a ready Revision",
      { configurations: { app: {} } },
      'Configuration "app" referenced in rollout.traffic has no ready Revision',
      "RevisionMissing",
    ],
    [
      "a Revision that is gone",
      { configurations: { app: { latestReady: "app-9" } } },
      'Revision "app-9" referenced in rollout.traffic not found',
      "RevisionMissing",
    ],
  ])("tells of %s and serves nothing", (_, world, message, reason) => {
    const { plan, seen } = confirm(observe({ traffic: follow, ...world }));
    for (const type of ["AllTrafficAssigned", "RolloutComplete", "Ready"]) {
      expect(condition(plan, type)).toEqual(["False", reason, message]);
    }
    expect(plan.status).not.toHaveProperty("traffic");
    expect(seen.serving?.split.assignment.targets).toEqual([]);
  });

  it("lets requests wait for the first Revision, without saying that it is served", () => {
    const world = { configurations: { app: { latestCreated: "app-1" } }, revisions: { "app-1": -1 } };
    const { plan, seen } = confirm(observe({ traffic: follow, ...world }));
    expect(seen.serving?.split.assignment.targets).toEqual([{ revision: "app-1", percent: 100 }]);
    expect(plan.status).not.toHaveProperty("traffic");
  });

  it.each([
    ["warns of a Configuration that isn't there", {}, "Warning ConfigurationMissing"],
    ["calls it normal that a Configuration has no ready Revision yet", { app: {} }, "Normal RevisionMissing"],
  ])("%s", (_, configurations, expected) => {
    const { events } = planRoute(observe({ traffic: follow, configurations }), 0);
    expect(events?.map(({ type, reason }) => `${type} ${reason}`)).toEqual([expected]);
  });

  it("gives everything to what works where there was no split before", () => {
    const traffic = [
      { revisionName: "app-1", percent: 20 },
      { revisionName: "app-2", percent: 10 },
      { revisionName: "no-such", percent: 70 },
    ];
    const { plan } = confirm(observe({ traffic, revisions: { "app-1": 1, "app-2": 1 } }));
    expect(plan.status?.traffic).toEqual([
      { revisionName: "app-1", percent: 67 },
      { revisionName: "app-2", percent: 33 },
    ]);
    expect(condition(plan, "RolloutComplete")[1]).toBe("RevisionMissing");
  });
});

describe("planRoute() protects what works", () => {
  const { seen: serving } = confirm(observe({ traffic: all("app-1"), revisions: { "app-1": 1 } }));
  const next = (world: World): RouteObserved => ({
    ...observe({ ...world, ...(serving.route.status === undefined ? {} : { status: serving.route.status }) }),
    serving: serving.serving,
  });

  it.each<[string, Record<string, number>]>([
    ["doesn't exist", { "app-1": 1 }],
    ["was never ready", { "app-1": 1, "app-2": -1 }],
  ])("keeps the last good split while a target %s", (_, revisions) => {
    const { plan } = confirm(next({ traffic: split(50), revisions }));
    expect(plan.status?.traffic).toEqual(all("app-1"));
    expect(condition(plan, "AllTrafficAssigned").slice(0, 2)).toEqual(["False", "RevisionMissing"]);
  });

  it("moves on while a target at 0 percent is missing", () => {
    const traffic = [...split(40), { revisionName: "no-such", name: "next", percent: 0 }];
    const { plan } = confirm(next({ traffic, revisions: { "app-1": 1, "app-2": 1 } }));
    expect(plan.status?.traffic).toEqual(split(40));
    expect(condition(plan, "AllTrafficAssigned").slice(0, 2)).toEqual(["False", "RevisionMissing"]);
  });

  it("waits for the new Revision's first instance, and wants it meanwhile", () => {
    const waiting = next({ traffic: all("app-2"), revisions: { "app-1": 1, "app-2": 0 } });
    const { plan, seen } = confirm(waiting);
    expect(plan.status?.traffic).toEqual(all("app-1"));
    expect(seen.serving?.wanted).toEqual(["app-2"]);
    expect(plan.actions).toEqual([{ do: "wake", revision: "ns/app-2" }]);
    expect(condition(plan, "RolloutComplete").slice(0, 2)).toEqual(["False", "RollingOut"]);
    expect(condition(plan, "Ready")).toEqual(["True"]);
    const late = planRoute(seen, now + 121_000);
    expect(condition(late, "RolloutComplete")).toEqual([
      "False",
      "ProgressDeadlineExceeded",
      "Unable to update traffic split for more than 120 seconds.",
    ]);
    const started = {
      ...seen,
      revisions: new Map(seen.revisions).set("app-2", {
        configuration: "app",
        generation: 2,
        wasReady: true,
        readyInstances: 1,
      }),
    };
    const after = confirm(started, now + 122_000).plan;
    expect([after.status?.traffic, after.actions]).toEqual([all("app-2"), []]);
  });

  it("tells the old split until the gateways have confirmed the new one", () => {
    const seen = next({ traffic: split(50), revisions: { "app-1": 1, "app-2": 1 } });
    const plan = planRoute(seen, now);
    expect(plan.status?.traffic).toEqual(all("app-1"));
    expect(condition(plan, "RolloutComplete").slice(0, 2)).toEqual(["False", "Publishing"]);
    expect(confirm(seen).plan.status?.traffic).toEqual(split(50));
  });

  it("takes nothing back when control has restarted and the gateways haven't confirmed again", () => {
    const { serving: _lost, ...restarted } = next({ traffic: all("app-1"), revisions: { "app-1": 0 } });
    const plan = planRoute({ ...restarted, serving: undefined }, now);
    expect(plan.actions).toHaveLength(1);
    expect(plan.status).toEqual(serving.route.status);
  });
});

describe("planRoute() shifts", () => {
  const world = {
    traffic: [{ configurationName: "app", name: "live", percent: 100 }],
    configurations: { app: { latestReady: "app-2" } },
    revisions: { "app-1": 1, "app-2": 1 },
    status: { traffic: [{ revisionName: "app-1", name: "live", percent: 100 }] },
  };
  const at = (ms: number, duration: string) => {
    const start = planRoute(observe({ ...world, duration }), now);
    const status = { ...start.status, traffic: world.status.traffic };
    return planRoute(observe({ ...world, duration, status }), now + ms);
  };
  const told = (plan: ReturnType<typeof planRoute>) =>
    plan.actions[0]?.do === "assign" ? plan.actions[0].split.served.map(({ percent }) => percent) : [];

  it.each([
    ["4s", 0, [100, 0], 1_000],
    ["4s", 999, [100, 0], 1],
    ["4s", 1_000, [75, 25], 1_000],
    ["4s", 3_999, [25, 75], 1],
    ["4s", 4_000, [100], undefined],
    ["10m", 5_000, [100, 0], 1_000],
    ["10m", 300_000, [50, 50], 6_000],
    ["500ms", 0, [100, 0], 500],
  ])("over %s, after %i ms, to %j", (duration, ms, percents, nextMs) => {
    const plan = at(ms, duration);
    expect(told(plan)).toEqual(percents);
    if (nextMs !== undefined) expect(plan.requeueAfterMs).toBe(nextMs);
    expect(plan.status?.rollout === undefined).toBe(percents.length === 1);
  });

  it("says what it shifts, names the newest, and stays Ready", () => {
    const plan = at(1_000, "4s");
    expect(plan.status?.rollout).toEqual({ from: "app-1", to: "app-2", startedAt: "2026-01-01T00:00:00.000Z" });
    expect(condition(plan, "RolloutComplete")).toEqual(["False", "RollingOut", "Shifting traffic from app-1 to app-2"]);
    expect(condition(plan, "Ready")).toEqual(["True"]);
    const action = plan.actions[0];
    expect(action?.do === "assign" && action.split.served).toEqual([
      { revisionName: "app-1", percent: 75 },
      { revisionName: "app-2", name: "live", percent: 25 },
    ]);
  });

  it("starts anew from the Revision that traffic was leaving when a still newer one is ready", () => {
    const status = {
      traffic: split(40),
      rollout: { from: "app-1", to: "app-2", startedAt: new Date(now - 4_000).toISOString() },
    };
    const configurations = { app: { latestReady: "app-3" } };
    const revisions = { "app-1": 1, "app-2": 1, "app-3": 1 };
    const plan = planRoute(
      observe({ ...world, traffic: follow, status, configurations, revisions, duration: "10s" }),
      now,
    );
    expect(plan.status?.rollout).toMatchObject({ from: "app-1", to: "app-3" });
    expect(told(plan)).toEqual([100, 0]);
  });

  it("doesn't start before the new Revision has an instance", () => {
    const plan = planRoute(observe({ ...world, duration: "4s", revisions: { "app-1": 1, "app-2": 0 } }), now);
    expect(plan.status).not.toHaveProperty("rollout");
    expect(told(plan)).toEqual([100]);
  });

  it("shifts one Configuration after the other", () => {
    const traffic = [
      { configurationName: "app", percent: 50 },
      { configurationName: "api", percent: 50 },
    ];
    const seen = observe({
      traffic,
      duration: "4s",
      configurations: { app: { latestReady: "app-2" }, api: { latestReady: "api-2" } },
      revisions: { "app-1": 1, "app-2": 1, "api-1": 1, "api-2": 1 },
      status: {
        traffic: [
          { revisionName: "app-1", percent: 50 },
          { revisionName: "api-1", percent: 50 },
        ],
      },
    });
    const start = planRoute(seen, now);
    const status = { ...start.status, traffic: seen.route.status?.traffic ?? [] };
    const plan = planRoute({ ...seen, route: { ...seen.route, status } }, now + 2_000);
    const action = plan.actions[0];
    expect(action?.do === "assign" && action.split.served).toEqual([
      { revisionName: "app-1", percent: 25 },
      { revisionName: "app-2", percent: 25 },
      { revisionName: "api-1", percent: 50 },
      { revisionName: "api-2", percent: 0 },
    ]);
  });

  it("moves at once without a duration, and when percents are changed by hand", () => {
    expect(told(planRoute(observe(world), now))).toEqual([100]);
    const manual = observe({
      traffic: split(5),
      duration: "1h",
      revisions: { "app-1": 1, "app-2": 1 },
      status: world.status,
    });
    expect(told(planRoute(manual, now))).toEqual([95, 5]);
  });
});
