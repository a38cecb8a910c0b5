import { describe, expect, it } from "vitest";
import { hasCondition, startWorld, type World } from "../../test/support/world.ts";
import { Revision } from "../api/revision.ts";
import { Secret } from "../api/secret.ts";
import { Configuration } from "../api/configuration.ts";

const name = "my-service-00001";
const follow = [{ configurationName: "my-service", percent: 100 }];

/** A service that runs, and whose gateway reports. */
async function serving(): Promise<World> {
  const world = await startWorld();
  await world.route("my-service", follow);
  await world.configure("my-service");
  await world.serves("my-service", [{ revisionName: name, percent: 100 }]);
  return world;
}

/** The gateway reports for so many seconds. */
async function seconds(world: World, count: number, concurrency = 0): Promise<void> {
  for (let second = 0; second < count; second++) {
    await world.clock.advance(1_000);
    world.autoscaler.report({
      ms: 1_000,
      revisions: concurrency === 0 ? [] : [[`default/${name}`, concurrency, 1, 0]],
    });
  }
}

const replicas = async (world: World) => {
  const { actualReplicas, desiredReplicas } = (await world.get(Revision, name)).status ?? {};
  return [actualReplicas, desiredReplicas];
};

describe("startControllers() with an autoscaler", () => {
  it("shows in status, conditions and Events how a Revision goes to none and is woken", async () => {
    const world = await serving();
    await hasCondition(world, Revision, name, { type: "Active", status: "True" });
    await seconds(world, 100);
    await expect.poll(() => replicas(world)).toEqual([0, 0]);
    await hasCondition(world, Revision, name, {
      type: "Active",
      status: "False",
      reason: "NoTraffic",
      message: "The target is not receiving traffic.",
    });
    await hasCondition(world, Revision, name, { type: "Ready", status: "True" });

    world.workloads.startsByItself = false;
    world.autoscaler.wake(`default/${name}`);
    expect(world.workloads.count(name)).toBe(1);
    await hasCondition(world, Revision, name, { type: "Active", status: "Unknown", reason: "Activating" });
    await expect.poll(() => replicas(world)).toEqual([0, 1]);
    world.workloads.becomeReady(name);
    await hasCondition(world, Revision, name, { type: "Active", status: "True" });
    await expect.poll(() => replicas(world)).toEqual([1, 1]);
    expect((await world.get(Revision, name)).status?.scaling?.map(({ from, to }) => [from, to])).toEqual([
      [1, 0],
      [0, 1],
    ]);
    await expect.poll(() => world.reasons(name)).toEqual(expect.arrayContaining(["ScaledDown", "ScaledUp"]));
  });

  it("gives the gateways a failed start's reason, and forgets it with the last instance: the next request tries anew", async () => {
    const world = await serving();
    const entry = () => world.gateway.table?.revisions[`default/${name}`];
    await seconds(world, 100);
    await expect.poll(() => replicas(world)).toEqual([0, 0]);
    world.workloads.startsByItself = false;
    world.autoscaler.wake(`default/${name}`);
    world.workloads.fail(name, { reason: "ExitCode", code: 3, message: "boom" });
    await expect.poll(() => entry()?.problem?.reason).toMatch(/^ExitCode/);
    await hasCondition(world, Revision, name, { type: "ContainerHealthy", status: "False", reason: "ExitCode3" });
    // Nobody waits any more; the driver would try for ever.
    await seconds(world, 160);
    await expect.poll(() => replicas(world)).toEqual([0, 0]);
    await expect.poll(() => entry()).not.toHaveProperty("problem");
    await hasCondition(world, Revision, name, { type: "ContainerHealthy", status: "False", reason: "ExitCode3" });
    world.autoscaler.wake(`default/${name}`);
    await expect.poll(() => replicas(world)).toEqual([0, 1]);
    expect(entry()).not.toHaveProperty("problem");
    world.workloads.becomeReady(name);
    await hasCondition(world, Revision, name, { type: "ContainerHealthy", status: "True" });
  });

  it("follows annotations that are changed on the Revision", async () => {
    const world = await serving();
    await world.user.patch(
      Revision,
      { namespace: "default", name },
      { type: "merge", body: { metadata: { annotations: { "autoscaling.elafros.dev/min-scale": "3" } } } },
    );
    await seconds(world, 2);
    await expect.poll(() => replicas(world)).toEqual([3, 3]);
    expect((await world.get(Revision, name)).status?.scaling?.at(-1)?.message).toMatch(/min-scale keeps 3$/);
  });

  it("starts nothing for a request while what an instance needs is missing, and says so to who asks", async () => {
    const world = await startWorld();
    await world.user.create(Secret, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "credentials", namespace: "default" },
      stringData: { token: "t0p" },
    });
    await world.route("my-service", follow);
    const env = [{ name: "TOKEN", valueFrom: { secretKeyRef: { name: "credentials", key: "token" } } }];
    await world.user.create(Configuration, {
      apiVersion: "elafros.dev/v1alpha1",
      kind: "Configuration",
      metadata: { name: "my-service", namespace: "default" },
      spec: { revisionTemplate: { spec: { container: { image: "registry.example/app:1", env } } } },
    });
    await world.serves("my-service", [{ revisionName: name, percent: 100 }]);
    await seconds(world, 100);
    await expect.poll(() => replicas(world)).toEqual([0, 0]);
    await world.user.delete(Secret, { namespace: "default", name: "credentials" });
    await expect.poll(() => world.gateway.table?.revisions[`default/${name}`]?.problem?.reason).toBe("StartFailed");
    world.autoscaler.wake(`default/${name}`);
    await seconds(world, 2);
    expect(world.workloads.count(name)).toBe(0);
  });

  it("wakes a Revision that sleeps at 0 percent before traffic is moved to it", async () => {
    const world = await serving();
    const split = (first: number) => [
      { revisionName: name, name: "current", percent: first },
      { revisionName: "my-service-00002", name: "next", percent: 100 - first },
    ];
    await world.configure("my-service", { HELLO: "blurg" });
    await world.split("my-service", split(100));
    await world.serves("my-service", split(100));
    await seconds(world, 100, 1);
    await expect.poll(() => world.workloads.count("my-service-00002")).toBe(0);
    world.workloads.startsByItself = false;
    await world.split("my-service", split(50));
    await expect.poll(() => world.workloads.count("my-service-00002")).toBe(1);
    // Until it is there, the old one serves.
    expect(world.gateway.table?.hosts["my-service.default.example.com"]?.targets[0]?.percent).toBe(100);
    world.workloads.becomeReady("my-service-00002");
    await world.serves("my-service", split(50));
  });
});
