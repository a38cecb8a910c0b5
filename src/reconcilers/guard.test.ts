import { describe, expect, it } from "vitest";
import { hasCondition, startWorld, type World } from "../../test/support/world.ts";
import { Event } from "../api/event.ts";
import { Route } from "../api/route.ts";
import type { GuardCount } from "../routing/traffic.ts";

const [old, bad, good] = ["my-service-00001", "my-service-00002", "my-service-00003"];
const all = (revisionName: string) => [{ revisionName, percent: 100 }];

/** A gateway reports that so many requests have ended at the Revision. */
function ended(world: World, revision: string, { requests, errors, slow }: GuardCount): void {
  world.outcomes.add([
    {
      route: "default/my-service",
      revision: `default/${revision}`,
      codes: {},
      steps: [],
      ms: 0,
      running: 0,
      waiting: 0,
      guard: [requests, errors, slow],
    },
  ]);
}

const trips = async (world: World) =>
  (await world.list(Event))
    .filter(({ reason }) => reason === "GuardTripped")
    .map(({ count, message }) => [count, message]);

describe("startControllers() with a guard", () => {
  it("takes a bad Revision's traffic back once, also over restarts of control, and lets its successor in", async () => {
    const world = await startWorld();
    const follow = [{ configurationName: "my-service", percent: 100 }];
    await world.user.create(Route, {
      apiVersion: "elafros.dev/v1alpha1",
      kind: "Route",
      metadata: { name: "my-service", namespace: "default" },
      spec: { rollout: { traffic: follow, guard: { errorPercent: 2, window: "30s" } } },
    });
    await world.configure("my-service");
    await world.serves("my-service", all(old));
    await world.configure("my-service", { HELLO: "bad" });
    await world.serves("my-service", all(bad));
    expect(world.gateway.table?.hosts["my-service.default.example.com"]?.guard).toEqual({ slowMs: 0 });

    // Control that starts anew has counted nothing, and watches on.
    await world.restart();
    await world.clock.advance(1_000);
    ended(world, bad, { requests: 15, errors: 15, slow: 0 });
    await world.clock.advance(1_000);
    ended(world, bad, { requests: 35, errors: 0, slow: 0 });
    await world.serves("my-service", all(old));
    const tripped = { type: "RolloutComplete", status: "False", reason: "GuardTripped" };
    await hasCondition(world, Route, "my-service", tripped);
    await hasCondition(world, Route, "my-service", { type: "Ready", status: "True" });
    const told = await trips(world);
    expect(told).toEqual([
      [1, expect.stringContaining("of 50 requests in 2 s, 15 (30%) ended with a status of 500 or more")],
    ]);

    await world.restart();
    await world.clock.advance(60_000);
    ended(world, bad, { requests: 100, errors: 0, slow: 0 });
    await world.serves("my-service", all(old));
    await hasCondition(world, Route, "my-service", tripped);
    expect(await trips(world)).toEqual(told);

    await world.configure("my-service", { HELLO: "good" });
    await world.serves("my-service", all(good));
    await hasCondition(world, Route, "my-service", { type: "RolloutComplete", status: "True" });
    expect((await world.get(Route, "my-service")).status?.guard).toMatchObject([{ to: good, from: old }]);
    expect(await trips(world)).toEqual(told);
  });
});
