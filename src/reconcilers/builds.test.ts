import { describe, expect, it } from "vitest";
import { type World, hasCondition, startWorld } from "../../test/support/world.ts";
import { BuildTemplate } from "../api/build-template.ts";
import { Build } from "../api/build.ts";
import { Configuration } from "../api/configuration.ts";
import { Revision } from "../api/revision.ts";
import { Secret } from "../api/secret.ts";
import { ServiceAccount } from "../api/service-account.ts";

const image = "registry.example/app:1";
const commit = "0123456789abcdef0123456789abcdef01234567";
const fromCommit = (which = commit) => ({
  source: { git: { url: "https://git.example/app.git", commit: which } },
  template: { name: "nodejs_24", namespace: "build-templates", arguments: [{ name: "_IMAGE", value: image }] },
});
const first = "my-service-00001";
const second = "my-service-00002";
const follow = [{ configurationName: "my-service", percent: 100 }];
const at = (name: string) => ({ namespace: "default", name });
const built = (hex: string) => `registry.example/app@sha256:${hex.repeat(64)}`;

async function makeTemplate(world: World): Promise<void> {
  await world.user.create(BuildTemplate, {
    apiVersion: "build.dev/v1alpha1",
    kind: "BuildTemplate",
    metadata: {
      name: "nodejs-24",
      namespace: "build-templates",
      annotations: { "build.dev/notice": "This is Node.js 24." },
    },
    spec: {
      parameters: [{ name: "_IMAGE" }],
      steps: [{ name: "build", image: "elafros.dev/tools", args: ["${_IMAGE}"] }],
    },
  });
}

/** A world with the template in it, where builds end when the test says so. */
async function startBuilding(options: Parameters<typeof startWorld>[0] = {}): Promise<World> {
  const world = await startWorld(options);
  world.builds.endsByItself = false;
  await makeTemplate(world);
  return world;
}

const started = (world: World, name: string) => expect.poll(() => world.builds.specOf(name)).toBeDefined();
const ready = { type: "Ready", status: "True" };

describe("startControllers() with builds", () => {
  it("builds, mirrors how it goes, and runs the digest that came out", async () => {
    const world = await startBuilding();
    await world.route("my-service", follow);
    await world.configureBuild("my-service", fromCommit());
    await started(world, first);
    expect(world.builds.specOf(first)).toMatchObject({
      image,
      source: { type: "git", url: "https://git.example/app.git", commit },
      steps: [{ name: "build", args: [image] }],
      cache: expect.stringMatching(/^[0-9a-f-]{36}\.my-service$/),
      timeoutMs: 600_000,
      labels: { "build.dev/buildName": first },
    });
    // It comes after the Build.
    await expect
      .poll(async () => (await world.get(Revision, first).catch(() => undefined))?.spec.buildName)
      .toBe(first);

    world.builds.queue(first, "Waiting for 2 builds before it");
    const waits = { reason: "Building", message: "Waiting for 2 builds before it" };
    await hasCondition(world, Build, first, { type: "Succeeded", status: "Unknown", ...waits });
    await hasCondition(world, Revision, first, { type: "Ready", status: "False", ...waits });
    await hasCondition(world, Configuration, "my-service", { type: "Ready", status: "Unknown" });
    world.builds.run(first, 1);
    await hasCondition(world, Revision, first, {
      type: "BuildComplete",
      status: "Unknown",
      message: 'Running step "build"',
    });
    expect(world.workloads.count(first)).toBe(0);

    world.builds.succeed(first, "b".repeat(64), { repository: "https://git.example/app.git", context: commit });
    await world.serves("my-service", [{ revisionName: first, percent: 100 }]);
    await hasCondition(world, Revision, first, { type: "BuildComplete", status: "True" });
    const { status } = await world.get(Revision, first);
    expect(status).toMatchObject({
      imageDigest: built("b"),
      imageSource: { repository: "https://git.example/app.git", context: commit },
    });
    expect(world.workloads.specOf(first)?.image).toBe(built("b"));
    // The tag is never asked for.
    expect(world.images.resolved).toBe(0);
    const build = await world.get(Build, first);
    expect(build.status).toMatchObject({
      imageDigest: built("b"),
      stepsCompleted: ["source", "build"],
      source: { context: commit },
      buildLogsLink: `/api/v1/namespaces/default/pods/${first}-build/log`,
    });
    expect(build.metadata.annotations?.["elafros.dev/creator"]).toBe("ann");
    await expect
      .poll(async () => (await world.reasons(first)).toSorted())
      .toEqual(expect.arrayContaining(["Notice", "Queued", "Started", "Succeeded", "Ready"]));
  });

  it("tells a failed build everywhere, and builds again for the next generation", async () => {
    const world = await startBuilding();
    await world.configureBuild("my-service", fromCommit());
    await started(world, first);
    const message = 'Step "build" failed with error message: boom';
    world.builds.fail(first, { reason: "BuildStepFailed", message });
    await hasCondition(world, Build, first, { type: "Succeeded", status: "False", reason: "BuildStepFailed", message });
    await hasCondition(world, Revision, first, {
      type: "BuildComplete",
      status: "False",
      reason: "BuildStepFailed",
      message,
    });
    const failure = { type: "Ready", status: "False", reason: "BuildFailed", message };
    await hasCondition(world, Revision, first, failure);
    await hasCondition(world, Configuration, "my-service", failure);
    expect(world.workloads.count(first)).toBe(0);

    await world.configureBuild("my-service", fromCommit(), { timeoutSeconds: 20 });
    await started(world, second);
    world.builds.succeed(second);
    await hasCondition(world, Configuration, "my-service", ready);
  });

  it("uses a Build again for a change of the settings alone, and builds for another commit", async () => {
    const world = await startBuilding();
    await world.configureBuild("my-service", fromCommit());
    await started(world, first);
    world.builds.succeed(first);
    await hasCondition(world, Revision, first, ready);
    await world.configureBuild("my-service", fromCommit(), { timeoutSeconds: 20 });
    await hasCondition(world, Revision, second, ready);
    expect((await world.get(Revision, second)).spec.buildName).toBe(first);
    expect(world.builds.began).toHaveLength(1);

    await world.configureBuild("my-service", fromCommit("1".repeat(40)));
    await started(world, "my-service-00003");
    world.builds.succeed("my-service-00003", "c".repeat(64));
    await hasCondition(world, Revision, "my-service-00003", ready);
    // Back, without building.
    await world.configureBuild("my-service", fromCommit("1".repeat(40)), { buildName: first });
    await hasCondition(world, Revision, "my-service-00004", ready);
    expect((await world.get(Revision, "my-service-00004")).status?.imageDigest).toBe(built("b"));
    expect(world.builds.began).toHaveLength(2);
  });

  it("gives each of two builds of one tag its own digest", async () => {
    const world = await startBuilding();
    await world.configureBuild("one", fromCommit());
    await world.configureBuild("two", fromCommit());
    await started(world, "one-00001");
    await started(world, "two-00001");
    world.builds.succeed("two-00001", "2".repeat(64));
    world.builds.succeed("one-00001", "1".repeat(64));
    for (const [name, hex] of [
      ["one-00001", "1"],
      ["two-00001", "2"],
    ] as const) {
      await hasCondition(world, Revision, name, ready);
      expect((await world.get(Revision, name)).status?.imageDigest).toBe(built(hex));
      expect(world.workloads.specOf(name)?.image).toBe(built(hex));
    }
  });

  it("waits for a template that comes later, and says what is missing where it doesn't", async () => {
    const world = await startWorld();
    await world.configureBuild("late", fromCommit());
    const missing = /^TemplateMissing: there is no BuildTemplate "nodejs-24" in namespace build-templates/;
    await expect
      .poll(async () => (await world.get(Build, "late-00001").catch(() => undefined))?.status?.conditions?.[0]?.message)
      .toMatch(missing);
    await makeTemplate(world);
    await hasCondition(world, Revision, "late-00001", ready);

    await world.client.delete(BuildTemplate, { namespace: "build-templates", name: "nodejs-24" });
    await world.configureBuild("never", fromCommit());
    await expect.poll(() => world.list(Build)).toHaveLength(2);
    await expect
      .poll(async () => {
        await world.clock.advance(10_000);
        const [condition] = (await world.get(Build, "never-00001")).status?.conditions ?? [];
        return condition?.reason === "BuildValidationFailed" && condition.message;
      })
      .toMatch(missing);
    await hasCondition(world, Revision, "never-00001", { type: "Ready", status: "False", reason: "BuildFailed" });
  });

  it("ends a Build that is cancelled, and one that is deleted, and says so on the Revision", async () => {
    const world = await startBuilding();
    await world.configureBuild("my-service", fromCommit());
    await started(world, first);
    world.builds.run(first);
    await world.user.patch(Build, at(first), { type: "merge", body: { spec: { status: "BuildCancelled" } } });
    await hasCondition(world, Build, first, { type: "Succeeded", status: "False", reason: "BuildCancelled" });
    await hasCondition(world, Revision, first, { type: "BuildComplete", status: "False", reason: "BuildCancelled" });
    expect(world.builds.cancelled).toEqual([first]);

    await world.configureBuild("my-service", fromCommit("1".repeat(40)));
    await started(world, second);
    world.builds.run(second);
    await world.user.delete(Build, at(second));
    await expect.poll(() => world.builds.removed).toEqual([second]);
    await hasCondition(world, Revision, second, { type: "BuildComplete", status: "False", reason: "BuildMissing" });
    await hasCondition(world, Configuration, "my-service", { type: "Ready", status: "False", reason: "BuildFailed" });
    // It isn't made again, also not by the next control.
    await world.restart();
    expect((await world.list(Build)).map(({ metadata }) => metadata.name)).toEqual([first]);
  });

  it("removes what a deleted service built, what runs of it too", async () => {
    const world = await startBuilding();
    await world.configureBuild("my-service", fromCommit());
    await started(world, first);
    await world.user.delete(Configuration, at("my-service"));
    await expect.poll(() => world.list(Build)).toEqual([]);
    await expect.poll(() => world.builds.list()).toEqual([]);
  });

  it("forgets at its start what runs for a Build that is gone", async () => {
    const world = await startBuilding();
    await world.configureBuild("my-service", fromCommit());
    await started(world, first);
    await world.stop();
    await world.user.delete(Configuration, at("my-service"));
    await expect.poll(() => world.list(Build)).toEqual([]);
    expect(world.builds.list()).toHaveLength(1);
    await world.restart();
    expect(world.builds.list()).toEqual([]);
  });

  it("goes on with a build that ended while control was away, and starts one again that was lost", async () => {
    const world = await startBuilding();
    await world.configureBuild("my-service", fromCommit());
    await started(world, first);
    world.builds.run(first);
    await hasCondition(world, Build, first, { type: "Succeeded", status: "Unknown", message: 'Running step "source"' });
    await world.stop();
    world.builds.lose(first);
    await world.restart();
    await started(world, first);
    const { uid } = (await world.get(Build, first)).metadata;
    expect(world.builds.began).toEqual([uid, uid]);
    await world.stop();
    world.builds.succeed(first);
    await world.restart();
    await hasCondition(world, Revision, first, ready);
    expect(world.builds.began).toHaveLength(2);
  });

  it("deletes finished Builds when their time is over, none that a Revision waits for", async () => {
    const world = await startBuilding({ buildRetentionMs: 3_600_000 });
    await world.configureBuild("my-service", fromCommit());
    await started(world, first);
    world.builds.succeed(first);
    await hasCondition(world, Revision, first, ready);
    await world.clock.advance(3_599_000);
    expect(await world.list(Build)).toHaveLength(1);
    await world.clock.advance(2_000);
    await expect.poll(() => world.list(Build)).toEqual([]);
    await expect.poll(() => world.builds.removed).toEqual([first]);
    // The Revision has what it needs, and the next one builds.
    await hasCondition(world, Revision, first, { type: "BuildComplete", status: "True" });
    await world.configureBuild("my-service", fromCommit(), { timeoutSeconds: 20 });
    await started(world, second);
  });

  it("carries out a Build that a user made, with the Secrets of its account", async () => {
    const world = await startBuilding();
    const metadata = { name: "git", namespace: "default", annotations: { "build.dev/git-0": "https://git.example" } };
    const type = "kubernetes.io/basic-auth";
    await world.user.create(Secret, {
      apiVersion: "v1",
      kind: "Secret",
      metadata,
      type,
      stringData: { username: "u", password: "p" },
    });
    await world.user.create(ServiceAccount, {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name: "builder", namespace: "default" },
      secrets: [{ name: "git" }],
    });
    await world.user.create(Build, {
      apiVersion: "build.dev/v1alpha1",
      kind: "Build",
      metadata: { name: "mine", namespace: "default" },
      spec: { ...fromCommit(), serviceAccountName: "builder" },
    });
    await started(world, "mine");
    expect(world.builds.specOf("mine")?.gitCredentials).toEqual([
      { type: "basic", url: "https://git.example", username: "u", password: "p" },
    ]);
    world.builds.succeed("mine");
    await hasCondition(world, Build, "mine", { type: "Succeeded", status: "True" });
    // A service can run it.
    await world.configureBuild("my-service", fromCommit(), { buildName: "mine" });
    await hasCondition(world, Revision, first, ready);
    expect((await world.get(Revision, first)).status?.imageDigest).toBe(built("b"));
  });
});
