import { describe, expect, it } from "vitest";
import { hasCondition, startWorld } from "../../test/support/world.ts";
import { Configuration } from "../api/configuration.ts";
import { Revision } from "../api/revision.ts";
import { Route } from "../api/route.ts";

const follow = [{ configurationName: "my-service", percent: 100 }];
const ready = { type: "Ready", status: "True" };
const complete = { type: "RolloutComplete", status: "True" };

describe("startControllers()", () => {
  it("serves a first Configuration through a Route that was created before it", async () => {
    const world = await startWorld();
    world.workloads.startsByItself = false;
    await world.route("my-service", follow);
    await hasCondition(world, Route, "my-service", {
      type: "AllTrafficAssigned",
      status: "False",
      reason: "ConfigurationMissing",
      message: 'Configuration "my-service" referenced in rollout.traffic not found',
    });
    await world.configure("my-service", { FOO: "bar" });
    await hasCondition(world, Revision, "my-service-00001", {
      type: "Ready",
      status: "False",
      reason: "Deploying",
      message: "Starting Instances",
    });
    await expect
      .poll(async () => (await world.get(Configuration, "my-service")).status)
      .toMatchObject({
        latestCreatedRevisionName: "my-service-00001",
        observedGeneration: 1,
      });
    expect((await world.get(Configuration, "my-service")).status).not.toHaveProperty("latestReadyRevisionName");
    await expect.poll(() => world.workloads.count("my-service-00001")).toBe(1);
    world.workloads.becomeReady("my-service-00001");

    await world.serves("my-service", [{ revisionName: "my-service-00001", percent: 100 }]);
    await hasCondition(world, Route, "my-service", complete);
    await hasCondition(world, Route, "my-service", ready);
    await hasCondition(world, Configuration, "my-service", ready);
    const revision = await world.get(Revision, "my-service-00001");
    expect(revision).toMatchObject({
      metadata: {
        labels: { "elafros.dev/configuration": "my-service" },
        annotations: { "elafros.dev/configurationGeneration": "1", "elafros.dev/creator": "ann" },
      },
      status: {
        imageDigest: `registry.example/app@sha256:${"a".repeat(64)}`,
        actualReplicas: 1,
        desiredReplicas: 1,
      },
    });
    expect((await world.get(Route, "my-service")).status).toMatchObject({
      domain: "my-service.default.example.com",
      url: "http://my-service.default.example.com",
      observedGeneration: 1,
    });
    expect(world.gateway.table?.hosts).toMatchObject({
      "my-service.default.example.com": { targets: [{ revision: "default/my-service-00001", percent: 100 }] },
      "my-service.default": { targets: [{ revision: "default/my-service-00001", percent: 100 }] },
    });
    expect(world.images.resolved).toBe(1);
  });

  it("serves a Route that was created after its Configuration", async () => {
    const world = await startWorld();
    await world.configure("my-service");
    await hasCondition(world, Revision, "my-service-00001", ready);
    await world.route("my-service", follow);
    await world.serves("my-service", [{ revisionName: "my-service-00001", percent: 100 }]);
    await expect.poll(() => world.gateway.table?.revisions["default/my-service-00001"]?.instances.length).toBe(1);
  });

  it("rolls a new Revision out by itself and stops the old one's instance once no gateway uses it", async () => {
    const world = await startWorld();
    await world.route("my-service", follow);
    await world.configure("my-service");
    await world.serves("my-service", [{ revisionName: "my-service-00001", percent: 100 }]);
    world.workloads.startsByItself = false;
    await world.configure("my-service", { HELLO: "blurg" });
    await expect.poll(() => world.workloads.count("my-service-00002")).toBe(1);
    await expect
      .poll(async () => (await world.get(Configuration, "my-service")).status)
      .toMatchObject({
        latestReadyRevisionName: "my-service-00001",
        latestCreatedRevisionName: "my-service-00002",
        observedGeneration: 2,
      });

    world.gateway.holds = true;
    world.workloads.becomeReady("my-service-00002");
    const host = () => world.gateway.table?.hosts["my-service.default.example.com"]?.targets;
    await expect.poll(host).toEqual([{ revision: "default/my-service-00002", percent: 100 }]);
    // Unconfirmed: the status still tells the old split, and the old instance runs.
    expect((await world.get(Route, "my-service")).status?.traffic).toEqual([
      { revisionName: "my-service-00001", percent: 100 },
    ]);
    expect(world.workloads.stopped).toEqual([]);

    world.gateway.holds = false;
    world.gateway.confirm();
    await world.serves("my-service", [{ revisionName: "my-service-00002", percent: 100 }]);
    await expect.poll(() => world.workloads.count("my-service-00001")).toBe(0);
    await hasCondition(world, Revision, "my-service-00001", { type: "Active", status: "False", reason: "NoTraffic" });
    await hasCondition(world, Revision, "my-service-00001", ready);
    expect(world.workloads.count("my-service-00002")).toBe(1);
  });

  it("rolls out by hand as in scenario 3", async () => {
    const world = await startWorld();
    await world.route("my-service", follow);
    await world.configure("my-service");
    await world.serves("my-service", [{ revisionName: "my-service-00001", percent: 100 }]);
    await world.split("my-service", [{ revisionName: "my-service-00001", percent: 100 }]);
    await world.configure("my-service", { HELLO: "blurg" });
    await hasCondition(world, Revision, "my-service-00002", ready);
    // Ready, but no Route leads to it: it goes to none and takes no traffic.
    await expect.poll(() => world.workloads.count("my-service-00002")).toBe(0);

    const named = (first: number) => [
      { revisionName: "my-service-00001", name: "current", percent: first },
      { revisionName: "my-service-00002", name: "next", percent: 100 - first },
    ];
    await world.split("my-service", named(100));
    await world.serves("my-service", named(100));
    expect(world.gateway.table?.hosts["next.my-service.default.example.com"]?.targets).toEqual([
      { revision: "default/my-service-00002", percent: 100 },
    ]);
    await expect.poll(() => world.gateway.table?.revisions["default/my-service-00002"]?.instances.length).toBe(1);
    await world.split("my-service", named(0));
    await world.serves("my-service", named(0));
    await hasCondition(world, Route, "my-service", complete);
    // At 0 percent it is still named, and keeps its instance.
    expect(world.workloads.count("my-service-00001")).toBe(1);
  });

  it("shifts over the duration in steps of a second and shows both Revisions", async () => {
    const world = await startWorld();
    await world.route("my-service", follow, "4s");
    await world.configure("my-service");
    await world.serves("my-service", [{ revisionName: "my-service-00001", percent: 100 }]);
    await world.configure("my-service", { HELLO: "blurg" });
    const both = (percent: number) => [
      { revisionName: "my-service-00001", percent: 100 - percent },
      { revisionName: "my-service-00002", percent },
    ];
    await world.serves("my-service", both(0));
    await world.clock.advance(1_000);
    await world.serves("my-service", both(25));
    await hasCondition(world, Route, "my-service", { type: "RolloutComplete", status: "False", reason: "RollingOut" });
    await hasCondition(world, Route, "my-service", ready);
    expect((await world.get(Route, "my-service")).status?.rollout).toMatchObject({
      from: "my-service-00001",
      to: "my-service-00002",
    });

    // Control crashes, and goes on where it was.
    await world.restart();
    await world.serves("my-service", both(25));
    await world.clock.advance(2_000);
    await world.serves("my-service", both(75));
    await world.clock.advance(1_000);
    await world.serves("my-service", [{ revisionName: "my-service-00002", percent: 100 }]);
    await hasCondition(world, Route, "my-service", complete);
    expect((await world.get(Route, "my-service")).status).not.toHaveProperty("rollout");
  });
});
