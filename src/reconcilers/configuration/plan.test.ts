import { describe, expect, it } from "vitest";
import { markBuildFailed, markBuilding, markSucceeded } from "../../api/build.conditions.ts";
import type { Build } from "../../api/build.ts";
import type { Configuration } from "../../api/configuration.ts";
import {
  markBuildFailed as markRevisionBuildFailed,
  markContainerExited,
  markDeploying,
  markReady,
} from "../../api/revision.conditions.ts";
import type { Revision } from "../../api/revision.ts";
import { rfc3339 } from "../../lib/clock.ts";
import { makeBuild } from "./make-build.ts";
import { makeRevision } from "./make-revision.ts";
import { type ConfigurationObserved, planConfiguration } from "./plan.ts";

const now = Date.UTC(2026, 0, 1);
const later = now + 60_000;

function configuration(generation: number, more: Partial<Configuration> = {}): Configuration {
  return {
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Configuration",
    metadata: {
      name: "app",
      namespace: "ns",
      uid: "1a2b3c4d-0000",
      generation,
      annotations: { "elafros.dev/creator": "ann", "elafros.dev/last-modifier": "bob" },
    },
    spec: {
      revisionTemplate: {
        metadata: { labels: { team: "x" }, annotations: { "elafros.dev/git-commit": "abc" } },
        spec: { container: { image: "app:1" } },
      },
    },
    ...more,
  };
}

function revision(generation: number, state: "new" | "ready" | "failed" = "new"): Revision {
  const made = makeRevision(configuration(generation), `app-0000${generation}`);
  const deploying = markDeploying([], now);
  const conditions = {
    new: deploying,
    ready: markReady(deploying, now),
    failed: markContainerExited(deploying, { code: 1, lastWords: "boom" }, now),
  }[state];
  return { ...made, status: { conditions } };
}

const observe = (seen: Partial<ConfigurationObserved> & Pick<ConfigurationObserved, "configuration">) => ({
  revisions: [],
  builds: [],
  isBuildName: () => false,
  buildRetentionMs: 7 * 24 * 3_600_000,
  isHeld: () => false,
  ...seen,
});

/** The Revision that a plan makes. */
function revisionOf(plan: ReturnType<typeof planConfiguration>): Revision | undefined {
  return plan.actions.find((action) => action.do === "createRevision")?.revision;
}

/** Plans until nothing changes; the second plan of the same world must do nothing more. */
function planTwice(seen: ConfigurationObserved) {
  const plan = planConfiguration(seen, now);
  const status = plan.status ?? {};
  const revisions = plan.actions.flatMap((action) => (action.do === "createRevision" ? action.revision : []));
  const builds = plan.actions.flatMap((action) => (action.do === "createBuild" ? action.build : []));
  const after = {
    ...seen,
    configuration: { ...seen.configuration, status },
    revisions: [...seen.revisions, ...revisions],
    builds: [...seen.builds, ...builds],
  };
  const again = planConfiguration(after, later);
  expect(again.actions).toEqual([]);
  expect(again.status).toEqual(status);
  return plan;
}

describe("planConfiguration()", () => {
  it("creates one Revision for a new generation", () => {
    const plan = planTwice(observe({ configuration: configuration(1) }));
    expect(plan.actions).toEqual([{ do: "createRevision", revision: expect.anything() as Revision }]);
    expect(revisionOf(plan)).toEqual({
      apiVersion: "elafros.dev/v1alpha1",
      kind: "Revision",
      metadata: {
        name: "app-00001",
        namespace: "ns",
        labels: { team: "x", "elafros.dev/configuration": "app" },
        annotations: {
          "elafros.dev/git-commit": "abc",
          "elafros.dev/creator": "bob",
          "elafros.dev/configurationGeneration": "1",
        },
        ownerReferences: [
          {
            apiVersion: "elafros.dev/v1alpha1",
            kind: "Configuration",
            name: "app",
            uid: "1a2b3c4d-0000",
            controller: true,
            blockOwnerDeletion: true,
          },
        ],
        finalizers: ["elafros.dev/routed"],
      },
      spec: { container: { image: "app:1" } },
    });
    expect(plan.status).toMatchObject({
      latestCreatedRevisionName: "app-00001",
      observedGeneration: 1,
      conditions: [
        { type: "LatestRevisionReady", status: "Unknown" },
        { type: "Ready", status: "Unknown" },
      ],
    });
  });

  it("names the Revision in the status when control died before it was written", () => {
    const plan = planTwice(observe({ configuration: configuration(1), revisions: [revision(1)] }));
    expect(plan.actions).toEqual([]);
    expect(plan.status).toMatchObject({ latestCreatedRevisionName: "app-00001" });
  });

  it.each([
    ["is ready", "ready", "True", undefined, "app-00001"],
    ["starts", "new", "Unknown", undefined, undefined],
    ["failed", "failed", "False", "ExitCode1", undefined],
  ] as const)("tells that the latest Revision %s", (...[, state, status, reason, ready]) => {
    const plan = planTwice(observe({ configuration: configuration(1), revisions: [revision(1, state)] }));
    expect(plan.status?.conditions?.find(({ type }) => type === "Ready")).toMatchObject({ status });
    expect(plan.status?.conditions?.find(({ type }) => type === "LatestRevisionReady")?.reason).toBe(reason);
    expect(plan.status?.latestReadyRevisionName).toBe(ready);
  });

  it("never lets an older Revision that becomes ready later take latestReadyRevisionName back", () => {
    const status = {
      latestCreatedRevisionName: "app-00003",
      latestReadyRevisionName: "app-00002",
      observedGeneration: 3,
    };
    const revisions = [revision(1, "ready"), revision(2, "ready"), revision(3)];
    const plan = planTwice(observe({ configuration: configuration(3, { status }), revisions }));
    expect(plan.status?.latestReadyRevisionName).toBe("app-00002");
    const gone = planTwice(
      observe({ configuration: configuration(3, { status }), revisions: [revision(1, "ready"), revision(3)] }),
    );
    expect(gone.status?.latestReadyRevisionName).toBe("app-00002");
  });

  it("takes a Revision over that became ready while a newer one was made", () => {
    const plan = planTwice(observe({ configuration: configuration(2), revisions: [revision(1, "ready")] }));
    expect(plan.status).toMatchObject({
      latestCreatedRevisionName: "app-00002",
      latestReadyRevisionName: "app-00001",
    });
  });

  it("tells that the latest Revision was deleted, and doesn't make it again", () => {
    const status = {
      latestCreatedRevisionName: "app-00002",
      latestReadyRevisionName: "app-00001",
      observedGeneration: 2,
    };
    const plan = planTwice(observe({ configuration: configuration(2, { status }), revisions: [revision(1, "ready")] }));
    expect(plan.actions).toEqual([]);
    expect(plan.status?.conditions?.find(({ type }) => type === "Ready")).toMatchObject({
      status: "False",
      reason: "RevisionMissing",
      message: "The latest Revision appears to have been deleted.",
    });
  });

  it("waits for a leftover of the same name to go, and takes another name where a Route holds it", () => {
    const leftover = { ...revision(1, "ready") };
    leftover.metadata = { ...leftover.metadata, ownerReferences: [], deletionTimestamp: "2026-01-01T00:00:00Z" };
    const seen = observe({ configuration: configuration(1), revisions: [leftover] });
    expect(planConfiguration(seen, now).actions).toEqual([]);
    const held = planTwice({ ...seen, isHeld: () => true });
    expect(revisionOf(held)?.metadata.name).toBe("app-00001-1a2b3");
  });

  it("leaves a Configuration alone that is being deleted", () => {
    const deleted = configuration(1);
    deleted.metadata.deletionTimestamp = "2026-01-01T00:00:00Z";
    expect(planConfiguration(observe({ configuration: deleted }), now)).toEqual({ actions: [], events: [] });
  });
});

describe("planConfiguration() with a build", () => {
  const image = "registry.example/app:1";
  const source = { git: { url: "https://git.example/app", commit: "0".repeat(40) } };
  const built = { source, template: { name: "nodejs-24" }, serviceAccountName: "default", timeout: "10m" };

  function fromSource(
    generation: number,
    build: Configuration["spec"]["build"] = built,
    spec: object = {},
  ): Configuration {
    const made = configuration(generation);
    return {
      ...made,
      spec: {
        ...(build === undefined ? {} : { build }),
        revisionTemplate: { spec: { container: { image }, ...spec } },
      },
    };
  }

  /** The Build of a generation, as it ended. */
  function buildOf(from: Configuration, state: "new" | "succeeded" | "failed" = "succeeded"): Build {
    const made = makeBuild(from, `app-0000${from.metadata.generation ?? 1}`);
    const completionTime = rfc3339(now - 3_600_000);
    const status = {
      new: { conditions: markBuilding([], undefined, now) },
      succeeded: { conditions: markSucceeded([], now), imageDigest: "registry.example/app@sha256:1", completionTime },
      failed: { conditions: markBuildFailed([], { reason: "BuildStepFailed", message: "boom" }, now), completionTime },
    }[state];
    return { ...made, status };
  }

  const dos = (plan: ReturnType<typeof planConfiguration>) =>
    plan.actions.map((action) =>
      action.do === "createBuild"
        ? `build ${action.build.metadata.name}`
        : `revision of ${action.revision.spec.buildName ?? "-"}`,
    );

  it("makes the Build first, then the Revision that names it", () => {
    const plan = planTwice(observe({ configuration: fromSource(1) }));
    expect(dos(plan)).toEqual(["build app-00001", "revision of app-00001"]);
    const [first] = plan.actions;
    expect(first?.do === "createBuild" && first.build).toMatchObject({
      metadata: {
        name: "app-00001",
        namespace: "ns",
        labels: { "elafros.dev/configuration": "app" },
        annotations: {
          "elafros.dev/configurationGeneration": "1",
          "elafros.dev/creator": "bob",
          "elafros.dev/image": image,
        },
        ownerReferences: [{ kind: "Configuration", name: "app", uid: "1a2b3c4d-0000", controller: true }],
      },
      spec: built,
    });
    expect(plan.events.map(({ message }) => message)).toEqual([
      'Created Revision "app-00001", and Build "app-00001" to make its image',
    ]);
  });

  it.each(["new", "succeeded", "failed"] as const)(
    "goes on with its own Build, %s, where it crashed before the Revision",
    (state) => {
      const own = buildOf(fromSource(2), state);
      const earlier = buildOf(fromSource(1));
      const seen = observe({ configuration: fromSource(2), builds: [earlier, own], isBuildName: () => true });
      expect(dos(planTwice(seen))).toEqual(["revision of app-00002"]);
    },
  );

  it("uses an earlier Build again that succeeded with the same spec from a fixed source", () => {
    const seen = observe({ configuration: fromSource(3), builds: [buildOf(fromSource(1)), buildOf(fromSource(2))] });
    expect(dos(planTwice(seen))).toEqual(["revision of app-00002"]);
    const uploaded = {
      ...built,
      source: { gcs: { location: `upload:sha256:${"a".repeat(64)}`, type: "archive" as const } },
    };
    expect(
      dos(planTwice(observe({ configuration: fromSource(2, uploaded), builds: [buildOf(fromSource(1, uploaded))] }))),
    ).toEqual(["revision of app-00001"]);
  });

  const branch = { ...built, source: { git: { url: "https://git.example/app", branch: "main" } } };
  const foreign = buildOf(fromSource(1));
  foreign.metadata.ownerReferences = [];
  const other = buildOf(fromSource(1));
  other.metadata.annotations = { ...other.metadata.annotations, "elafros.dev/image": "registry.example/other" };
  const old = buildOf(fromSource(1));
  if (old.status !== undefined) old.status.completionTime = rfc3339(now - 7 * 24 * 3_600_000 + 30_000);
  it.each<[string, Configuration, Build]>([
    ["failed", fromSource(2), buildOf(fromSource(1), "failed")],
    ["still runs", fromSource(2), buildOf(fromSource(1), "new")],
    ["had another spec", fromSource(2), buildOf(fromSource(1, { ...built, timeout: "5m" }))],
    ["has a source that may change", fromSource(2, branch), buildOf(fromSource(1, branch))],
    ["is another's", fromSource(2), foreign],
    ["made an image of another name", fromSource(2), other],
    ["is about to be deleted for its age", fromSource(2), old],
  ])("builds anew where the earlier Build %s", (_, now2, earlier) => {
    expect(dos(planTwice(observe({ configuration: now2, builds: [earlier] })))).toEqual([
      "build app-00002",
      "revision of app-00002",
    ]);
  });

  it("builds nothing where the template names a Build", () => {
    const plan = planTwice(observe({ configuration: fromSource(2, built, { buildName: "app-00001" }) }));
    expect(dos(plan)).toEqual(["revision of app-00001"]);
  });

  it("takes another name where a user's Build has it", () => {
    const plan = planTwice(observe({ configuration: fromSource(1), isBuildName: (name) => name === "app-00001" }));
    expect(dos(plan)).toEqual(["build app-00001-1a2b3", "revision of app-00001-1a2b3"]);
    expect(revisionOf(plan)?.metadata.name).toBe("app-00001");
  });

  it("tells that the build failed", () => {
    const failed = revision(1);
    const conditions = markRevisionBuildFailed(
      markDeploying([], now),
      { reason: "BuildStepFailed", message: "boom" },
      now,
    );
    const plan = planTwice(
      observe({ configuration: fromSource(1), revisions: [{ ...failed, status: { conditions } }] }),
    );
    expect(plan.status?.conditions?.find(({ type }) => type === "Ready")).toMatchObject({
      status: "False",
      reason: "BuildFailed",
      message: "boom",
    });
  });
});
