import { describe, expect, it } from "vitest";
import { hasCondition, startWorld } from "../../test/support/world.ts";
import { Configuration } from "../api/configuration.ts";
import { Event } from "../api/event.ts";
import { Revision } from "../api/revision.ts";
import { Route } from "../api/route.ts";
import { Secret } from "../api/secret.ts";

const first = "my-service-00001";
const second = "my-service-00002";
const follow = [{ configurationName: "my-service", percent: 100 }];

describe("startControllers()", () => {
  it("tells that an image can't be had, and goes on once it can", async () => {
    const world = await startWorld();
    world.images.refuses = "manifest unknown, from https://registry.example/v2/app/manifests/1, anonymously";
    await world.route("my-service", follow);
    await world.configure("my-service");
    const fault = {
      status: "False",
      reason: "ContainerMissing",
      message: `Unable to fetch image "registry.example/app:1": ${world.images.refuses}`,
    };
    await hasCondition(world, Revision, first, { type: "Ready", ...fault });
    await hasCondition(world, Revision, first, { type: "ContainerHealthy", ...fault });
    await hasCondition(world, Configuration, "my-service", { type: "LatestRevisionReady", ...fault });
    await hasCondition(world, Route, "my-service", {
      type: "AllTrafficAssigned",
      status: "False",
      reason: "RevisionMissing",
    });
    await expect.poll(() => world.reasons(first)).toContain("ContainerMissing");

    world.images.refuses = undefined;
    await world.clock.advance(2_000);
    await hasCondition(world, Revision, first, { type: "Ready", status: "True" });
    await world.serves("my-service", [{ revisionName: first, percent: 100 }]);
  });

  it("keeps the last good split when the next Revision fails, and says why", async () => {
    const world = await startWorld();
    await world.route("my-service", follow);
    await world.configure("my-service");
    await world.serves("my-service", [{ revisionName: first, percent: 100 }]);
    world.workloads.startsByItself = false;
    await world.configure("my-service", { BROKEN: "1" });
    await expect.poll(() => world.workloads.count(second)).toBe(1);
    world.workloads.fail(second, { reason: "ExitCode", code: 127, message: "sh: no-such: not found" });
    const fault = { status: "False", reason: "ExitCode127", message: "Container failed with: sh: no-such: not found" };
    await hasCondition(world, Revision, second, { type: "Ready", ...fault });
    await hasCondition(world, Configuration, "my-service", { type: "Ready", ...fault });
    expect((await world.get(Configuration, "my-service")).status?.latestReadyRevisionName).toBe(first);
    expect((await world.get(Route, "my-service")).status?.traffic).toEqual([{ revisionName: first, percent: 100 }]);
    await hasCondition(world, Route, "my-service", { type: "Ready", status: "True" });
    await expect.poll(() => world.reasons(second)).toContain("ExitCode127");
  });

  it("counts a crash that repeats on one Event", async () => {
    const world = await startWorld();
    world.workloads.startsByItself = false;
    await world.configure("my-service");
    await expect.poll(() => world.workloads.count(first)).toBe(1);
    const counts = async () =>
      (await world.list(Event)).filter(({ reason }) => reason === "ExitCode1").map(({ count }) => count);
    for (const crash of [1, 2, 3]) {
      await world.clock.advance(1_000);
      world.workloads.fail(first, { reason: "ExitCode", code: 1, message: "boom" });
      await expect.poll(counts).toEqual([crash]);
    }
  });

  it("keeps Ready when a Revision crashes later, and shows the trouble in ContainerHealthy", async () => {
    const world = await startWorld();
    await world.route("my-service", follow);
    await world.configure("my-service");
    await world.serves("my-service", [{ revisionName: first, percent: 100 }]);
    world.workloads.fail(first, { reason: "OOMKilled", code: 137, message: "killed: over its memory limit of 64Mi" });
    await hasCondition(world, Revision, first, { type: "ContainerHealthy", status: "False", reason: "OOMKilled" });
    await hasCondition(world, Revision, first, { type: "Ready", status: "True" });
    await hasCondition(world, Route, "my-service", { type: "Ready", status: "True" });
    await expect
      .poll(() => world.gateway.table?.revisions[`default/${first}`])
      .toMatchObject({
        instances: [],
        problem: { reason: "OOMKilled" },
      });
    world.workloads.becomeReady(first);
    await hasCondition(world, Revision, first, { type: "ContainerHealthy", status: "True" });
    await expect.poll(() => world.reasons(first)).toContain("Recovered");
  });

  it("says what is missing and starts once it is there", async () => {
    const world = await startWorld();
    const created = await world.configure("my-service");
    await hasCondition(world, Revision, first, { type: "Ready", status: "True" });
    const env = [{ name: "TOKEN", valueFrom: { secretKeyRef: { name: "credentials", key: "token" } } }];
    await world.user.patch(
      Configuration,
      { namespace: "default", name: created.metadata.name },
      { type: "strategic", body: { spec: { revisionTemplate: { spec: { container: { env } } } } } },
    );
    await hasCondition(world, Revision, second, {
      type: "Ready",
      status: "False",
      reason: "StartFailed",
      message: 'Cannot start: secret "credentials" not found',
    });
    expect(world.workloads.specOf(second)).toBeUndefined();
    await world.user.create(Secret, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "credentials", namespace: "default" },
      stringData: { token: "t0p" },
    });
    await hasCondition(world, Revision, second, { type: "Ready", status: "True" });
    expect(world.workloads.specOf(second)?.env).toContainEqual({ name: "TOKEN", value: "t0p" });
  });

  it("gives up waiting after the deadline where no better reason is known", async () => {
    const world = await startWorld();
    world.workloads.startsByItself = false;
    await world.configure("my-service");
    await expect.poll(() => world.workloads.count(first)).toBe(1);
    await world.clock.advance(120_000);
    const late = {
      status: "False",
      reason: "ProgressDeadlineExceeded",
      message: "Did not become ready in 120 seconds.",
    };
    await hasCondition(world, Revision, first, { type: "Ready", ...late });
    await hasCondition(world, Revision, first, { type: "ResourcesAvailable", ...late });
    world.workloads.becomeReady(first);
    await hasCondition(world, Revision, first, { type: "Ready", status: "True" });
  });

  it("says that a split is stuck when no gateway confirms it", async () => {
    const world = await startWorld();
    await world.route("my-service", follow);
    world.gateway.holds = true;
    await world.configure("my-service");
    await hasCondition(world, Revision, first, { type: "Ready", status: "True" });
    await hasCondition(world, Route, "my-service", { type: "RolloutComplete", status: "False", reason: "Publishing" });
    await hasCondition(world, Route, "my-service", { type: "Ready", status: "Unknown" });
    await world.clock.advance(120_000);
    await hasCondition(world, Route, "my-service", {
      type: "RolloutComplete",
      status: "False",
      reason: "ProgressDeadlineExceeded",
      message: "Unable to update traffic split for more than 120 seconds.",
    });
    world.gateway.confirm();
    await hasCondition(world, Route, "my-service", { type: "RolloutComplete", status: "True" });
  });

  it("never splits to a Revision that is missing", async () => {
    const world = await startWorld();
    await world.route("my-service", follow);
    await world.configure("my-service");
    await world.serves("my-service", [{ revisionName: first, percent: 100 }]);
    await world.split("my-service", [
      { revisionName: first, percent: 50 },
      { revisionName: "no-such", percent: 50 },
    ]);
    const missing = {
      status: "False",
      reason: "RevisionMissing",
      message: 'Revision "no-such" referenced in rollout.traffic not found',
    };
    await hasCondition(world, Route, "my-service", { type: "AllTrafficAssigned", ...missing });
    await hasCondition(world, Route, "my-service", { type: "RolloutComplete", ...missing });
    await hasCondition(world, Route, "my-service", { type: "Ready", ...missing });
    expect((await world.get(Route, "my-service")).status?.traffic).toEqual([{ revisionName: first, percent: 100 }]);
    expect(world.gateway.table?.hosts["my-service.default"]?.targets).toEqual([
      { revision: `default/${first}`, percent: 100 },
    ]);
  });
});
