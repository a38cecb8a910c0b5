import { describe, expect, it } from "vitest";
import { hasCondition, startWorld } from "../../test/support/world.ts";
import { Configuration } from "../api/configuration.ts";
import { Revision } from "../api/revision.ts";
import { Route } from "../api/route.ts";

const first = "my-service-00001";
const follow = [{ configurationName: "my-service", percent: 100 }];
const at = (name: string) => ({ namespace: "default", name });

describe("startControllers()", () => {
  it("lets a deleted Revision serve on until no Route leads to it", async () => {
    const world = await startWorld();
    await world.configure("my-service");
    await hasCondition(world, Revision, first, { type: "Ready", status: "True" });
    await world.route("my-service", [{ revisionName: first, percent: 100 }]);
    await world.serves("my-service", [{ revisionName: first, percent: 100 }]);
    expect((await world.user.delete(Revision, at(first))).gone).toBe(false);
    await expect.poll(() => world.reasons(first)).toContain("StillRouted");
    await hasCondition(world, Configuration, "my-service", {
      type: "Ready",
      status: "False",
      reason: "RevisionMissing",
      message: "The latest Revision appears to have been deleted.",
    });
    expect(world.workloads.count(first)).toBe(1);

    world.gateway.holds = true;
    await world.user.delete(Route, at("my-service"));
    await expect.poll(() => world.gateway.table?.hosts).toEqual({});
    // The gateway may still send requests: neither the Revision nor its instance goes yet.
    expect(await world.list(Revision)).toHaveLength(1);
    expect(world.workloads.count(first)).toBe(1);
    world.gateway.holds = false;
    world.gateway.confirm();
    await expect.poll(() => world.list(Revision)).toEqual([]);
    await expect.poll(() => world.workloads.list()).toEqual([]);
  });

  it("doesn't make a deleted Revision again, but makes the next", async () => {
    const world = await startWorld();
    await world.configure("my-service");
    await hasCondition(world, Revision, first, { type: "Ready", status: "True" });
    await world.user.delete(Revision, at(first));
    await expect.poll(() => world.list(Revision)).toEqual([]);
    await hasCondition(world, Configuration, "my-service", {
      type: "Ready",
      status: "False",
      reason: "RevisionMissing",
    });
    await world.restart();
    expect(await world.list(Revision)).toEqual([]);
    await world.configure("my-service", { NEXT: "1" });
    await hasCondition(world, Revision, "my-service-00002", { type: "Ready", status: "True" });
  });

  it("removes everything of a deleted service", async () => {
    const world = await startWorld();
    await world.route("my-service", follow);
    await world.configure("my-service");
    await world.serves("my-service", [{ revisionName: first, percent: 100 }]);
    await world.user.delete(Configuration, at("my-service"));
    // The Route still serves what it served.
    await hasCondition(world, Route, "my-service", {
      type: "AllTrafficAssigned",
      status: "False",
      reason: "ConfigurationMissing",
    });
    expect(world.workloads.count(first)).toBe(1);
    await world.user.delete(Route, at("my-service"));
    await expect.poll(() => world.list(Revision)).toEqual([]);
    await expect.poll(() => world.workloads.list()).toEqual([]);
    expect(world.gateway.table?.hosts).toEqual({});
  });

  it("makes a Revision of a Configuration that came back under the name of one that a Route still holds", async () => {
    const world = await startWorld();
    await world.route("my-service", follow);
    await world.configure("my-service");
    await world.serves("my-service", [{ revisionName: first, percent: 100 }]);
    await world.user.delete(Configuration, at("my-service"));
    await hasCondition(world, Route, "my-service", {
      type: "AllTrafficAssigned",
      status: "False",
      reason: "ConfigurationMissing",
    });
    const again = await world.configure("my-service", { AGAIN: "1" });
    const name = `${first}-${(again.metadata.uid ?? "").replaceAll("-", "").slice(0, 5)}`;
    await world.serves("my-service", [{ revisionName: name, percent: 100 }]);
    await expect.poll(async () => (await world.list(Revision)).map(({ metadata }) => metadata.name)).toEqual([name]);
  });

  it("collects old Revisions that nothing names", async () => {
    const world = await startWorld({ gc: { keep: 1, retainSinceCreateMs: 3_600_000, retainSinceActiveMs: 3_600_000 } });
    await world.route("my-service", follow);
    for (const version of [1, 2, 3, 4]) {
      await world.configure("my-service", { VERSION: String(version) });
      await world.serves("my-service", [{ revisionName: `my-service-0000${version}`, percent: 100 }]);
    }
    const names = async () => (await world.list(Revision)).map(({ metadata }) => metadata.name);
    expect(await names()).toHaveLength(4);
    await hasCondition(world, Revision, "my-service-00003", { type: "Active", status: "False" });
    await world.clock.advance(3_600_000);
    await expect.poll(names).toEqual(["my-service-00003", "my-service-00004"]);
  });
});
