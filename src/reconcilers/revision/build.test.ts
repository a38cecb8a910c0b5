import { describe, expect, it } from "vitest";
import { markBuildFailed as markFailed, markBuilding, markSucceeded } from "../../api/build.conditions.ts";
import type { Build, BuildStatus } from "../../api/build.ts";
import { markBuildFailed } from "../../api/revision.conditions.ts";
import type { Revision, RevisionStatus } from "../../api/revision.ts";
import { viewBuild } from "./build.ts";

const now = Date.UTC(2026, 0, 1);
const imageDigest = "app@sha256:1";

function revision(status?: RevisionStatus, buildName: string | undefined = "app-00001"): Revision {
  return {
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Revision",
    metadata: { name: "app-00002", namespace: "ns" },
    spec: { container: { image: "app:1" }, buildName },
    ...(status === undefined ? {} : { status }),
  };
}

function build(status: BuildStatus): Build {
  return {
    apiVersion: "build.dev/v1alpha1",
    kind: "Build",
    metadata: { name: "app-00001", namespace: "ns" },
    spec: {},
    status,
  };
}

describe("viewBuild()", () => {
  it("is of no matter for a Revision that names none", () => {
    expect(viewBuild(revision(undefined, ""), undefined)).toEqual({ state: "none" });
  });

  it.each<[string, BuildStatus, ReturnType<typeof viewBuild>]>([
    ["is new", {}, { state: "building" }],
    ["runs", { conditions: markBuilding([], "Running", now) }, { state: "building", message: "Running" }],
    [
      "failed",
      { conditions: markFailed([], { reason: "BuildTimeout", message: "Too long" }, now) },
      { state: "failed", reason: "BuildTimeout", message: "Too long" },
    ],
    [
      "succeeded",
      { conditions: markSucceeded([], now), imageDigest, source: { archive: "a", context: "b" } },
      { state: "complete", imageDigest, imageSource: { archive: "a", context: "b" } },
    ],
  ])("tells of one that %s", (_, status, view) => {
    expect(viewBuild(revision(), build(status))).toEqual(view);
  });

  it("fails where a Build says that it succeeded, and not with what", () => {
    expect(viewBuild(revision(), build({ conditions: markSucceeded([], now) }))).toMatchObject({
      state: "failed",
      reason: "BuildMissing",
    });
  });

  it("says that one is gone whose result isn't known, and keeps what is", () => {
    expect(viewBuild(revision(), undefined)).toEqual({
      state: "failed",
      reason: "BuildMissing",
      message:
        "Build \"app-00001\" isn't there, so it isn't known which image it made: it was deleted, or never made. Deploy again to build anew",
    });
    const failure = { reason: "BuildStepFailed", message: "boom" };
    const failed = revision({ conditions: markBuildFailed([], failure, now) });
    expect(viewBuild(failed, undefined)).toEqual({ state: "failed", ...failure });
    expect(viewBuild(revision({ imageDigest }), undefined)).toEqual({ state: "complete", imageDigest });
  });
});
