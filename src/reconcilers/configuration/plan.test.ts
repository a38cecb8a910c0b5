import { describe, expect, it } from "vitest";
import type { Configuration } from "../../api/configuration.ts";
import { markDeploying, markReady, markContainerExited } from "../../api/revision.conditions.ts";
import type { Revision } from "../../api/revision.ts";
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
  isHeld: () => false,
  ...seen,
});

/** Plans until nothing changes; the second plan of the same world must do nothing more. */
function planTwice(seen: ConfigurationObserved) {
  const plan = planConfiguration(seen, now);
  const status = plan.status ?? {};
  const made = plan.actions.map((action) => action.revision);
  const after = { ...seen, configuration: { ...seen.configuration, status }, revisions: [...seen.revisions, ...made] };
  const again = planConfiguration(after, later);
  expect(again.actions).toEqual([]);
  expect(again.status).toEqual(status);
  return plan;
}

describe("planConfiguration()", () => {
  it("creates one Revision for a new generation", () => {
    const plan = planTwice(observe({ configuration: configuration(1) }));
    expect(plan.actions).toEqual([{ do: "createRevision", revision: expect.anything() as Revision }]);
    expect(plan.actions[0]?.revision).toEqual({
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
    expect(held.actions[0]?.revision.metadata.name).toBe("app-00001-1a2b3");
  });

  it("leaves a Configuration alone that is being deleted", () => {
    const deleted = configuration(1);
    deleted.metadata.deletionTimestamp = "2026-01-01T00:00:00Z";
    expect(planConfiguration(observe({ configuration: deleted }), now)).toEqual({ actions: [], events: [] });
  });
});
