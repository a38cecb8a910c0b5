import { describe, expect, it } from "vitest";
import { confirmPlan, observeRoute, planTime, type RouteWorld } from "../../../test/support/route-plan.ts";
import { planRoute } from "./plan.ts";

const beta = [{ header: { name: "X-Group", exact: "beta" } }, { cookie: { name: "group", exact: "beta" } }];
const tests = [
  { header: "x-group", exact: "beta" },
  { cookie: "group", exact: "beta" },
];
const pinned = (percent: number) => [
  { revisionName: "app-1", percent: 100 - percent },
  { revisionName: "app-2", name: "next", percent, match: beta },
];
const both = { revisions: { "app-1": 1, "app-2": 1 } };

describe("planRoute() with match", () => {
  it("tells the gateways which requests go to a target at 0 percent, and shows no match in the status", () => {
    const { seen, plan } = confirmPlan(observeRoute({ traffic: pinned(0), ...both }));
    const assignment = seen.serving?.split.assignment;
    expect(assignment?.match).toEqual([{ revision: "app-2", tests }]);
    expect(assignment?.targets).toEqual([{ revision: "app-1", percent: 100 }]);
    expect(plan.status?.traffic?.[1]).toEqual({ revisionName: "app-2", name: "next", percent: 0 });
  });

  it("matches nothing for a target without a Revision", () => {
    const { seen } = confirmPlan(observeRoute({ traffic: pinned(0), revisions: { "app-1": 1, "app-2": -1 } }));
    expect(seen.serving?.split.assignment.match).toBeUndefined();
  });

  const followed: RouteWorld = {
    traffic: [
      { configurationName: "lab", percent: 0, match: beta },
      { configurationName: "app", percent: 100, match: beta },
    ],
    configurations: { app: { latestReady: "app-2" }, lab: { latestReady: "lab-1" } },
    revisions: { "app-1": 1, "app-2": 1, "lab-1": 0 },
    duration: "10s",
    status: { traffic: [{ revisionName: "app-1", percent: 100 }] },
  };

  it("leads matching requests to the newest Revision, also during a shift, in the order of the targets", () => {
    const plan = planRoute(observeRoute(followed), planTime);
    expect(plan.status?.rollout).toMatchObject({ from: "app-1", to: "app-2" });
    const [action] = plan.actions;
    expect(action?.do === "assign" && action.split.assignment.match?.map(({ revision }) => revision)).toEqual([
      "lab-1",
      "app-2",
    ]);
  });

  it("keeps matching requests where they were until the new Revision has an instance", () => {
    const waiting = { ...followed, revisions: { "app-1": 1, "app-2": 0, "lab-1": 1 } };
    const [action] = planRoute(observeRoute(waiting), planTime).actions;
    expect(action?.do === "assign" && action.split.assignment.match?.map(({ revision }) => revision)).toEqual([
      "lab-1",
      "app-1",
    ]);
  });

  it("says that a changed match is served only when the gateways have confirmed it", () => {
    const { seen } = confirmPlan(observeRoute({ traffic: pinned(5), ...both }));
    const traffic = [
      { revisionName: "app-1", percent: 95 },
      { revisionName: "app-2", name: "next", percent: 5 },
    ];
    const changed = {
      ...seen,
      route: {
        ...seen.route,
        metadata: { ...seen.route.metadata, generation: 4 },
        spec: { rollout: { traffic } },
      },
    };
    const rollout = planRoute(changed, planTime).status?.conditions?.find(({ type }) => type === "RolloutComplete");
    expect(rollout).toMatchObject({ status: "False", reason: "Publishing" });
    expect(confirmPlan(changed).plan.status?.conditions?.find(({ type }) => type === "RolloutComplete")).toMatchObject({
      status: "True",
    });
  });
});

describe("planRoute() with affinity", () => {
  const cookie = { affinity: { cookie: { name: "id", ttl: "1m30s" } } };
  const served = (world: RouteWorld) => confirmPlan(observeRoute(world));

  it.each([
    [cookie, { cookie: "id", maxAgeSeconds: 90 }],
    [{ affinity: { cookie: { name: "id" } } }, { cookie: "id", maxAgeSeconds: 0 }],
    [{ affinity: { header: { name: "X-User" } } }, { header: "x-user" }],
  ])("tells the gateways the key of %j", (rollout, key) => {
    const { seen } = served({ traffic: pinned(10), ...both, rollout });
    const affinity = seen.serving?.split.assignment.affinity;
    expect(affinity?.key).toEqual(key);
    expect(affinity?.slots.filter((target) => target === 1)).toHaveLength(10);
  });

  it("keeps each Revision's clients in the status, and goes on from there after a restart", () => {
    const first = served({ traffic: pinned(10), ...both, rollout: cookie });
    expect(first.plan.status?.affinity).toEqual([
      { revisionName: "app-1", slots: "0-89" },
      { revisionName: "app-2", slots: "90-99" },
    ]);
    const swapped = pinned(30).toReversed();
    const second = served({ traffic: swapped, ...both, rollout: cookie, status: first.plan.status });
    expect(second.plan.status?.affinity).toEqual([
      { revisionName: "app-1", slots: "0-69" },
      { revisionName: "app-2", slots: "70-99" },
    ]);
    const third = served({ traffic: pinned(20), ...both, status: second.plan.status });
    expect(third.plan.status).not.toHaveProperty("affinity");
    expect(third.seen.serving?.split.assignment).not.toHaveProperty("affinity");
  });
});
