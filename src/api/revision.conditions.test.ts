import { describe, expect, test } from "vitest";
import { findCondition } from "./meta/conditions.ts";
import type { Condition } from "./meta/types.ts";
import {
  markActivating,
  markActive,
  markBuildComplete,
  markBuildFailed,
  markBuilding,
  markContainerExited,
  markContainerMissing,
  markDeploying,
  markInsufficientResources,
  markNoTraffic,
  markProgressDeadlineExceeded,
  markReady,
  markResourcesAvailable,
  revisionFailure,
  wasReady,
} from "./revision.conditions.ts";

const now = Date.parse("2026-01-01T00:00:00Z");
const ready = (conditions: readonly Condition[]) => findCondition(conditions, "Ready");

describe("the conditions of a Revision", () => {
  const deploying = markDeploying(undefined, now);

  test("start as the examples show them: Ready False, Starting Instances", () => {
    expect(ready(deploying)).toMatchObject({ status: "False", reason: "Deploying", message: "Starting Instances" });
    expect(deploying.map(({ type }) => type)).toEqual(["ContainerHealthy", "Ready", "ResourcesAvailable"]);
    expect(revisionFailure(deploying)).toBeUndefined();
    expect(wasReady(deploying)).toBe(false);
  });

  test("aren't Ready because the machine has room", () => {
    expect(wasReady(markResourcesAvailable(undefined, now))).toBe(false);
    expect(wasReady(markResourcesAvailable(deploying, now))).toBe(false);
  });

  test("are all True once an instance is ready, and Ready stays so", () => {
    const well = markReady(deploying, now);
    expect(well.every(({ status }) => status === "True")).toBe(true);
    const later = markContainerExited(well, { code: 1, lastWords: "out of luck" }, now);
    expect(wasReady(later)).toBe(true);
    expect(findCondition(later, "ContainerHealthy")).toMatchObject({
      status: "False",
      reason: "ExitCode1",
      message: "Container failed with: out of luck",
    });
    expect(revisionFailure(later)).toBeUndefined();
  });

  test.each<[string, (conditions: readonly Condition[]) => Condition[], object]>([
    [
      "the image can't be had",
      (conditions) => markContainerMissing(conditions, { image: "r.example/a:1", detail: "manifest unknown" }, now),
      { reason: "ContainerMissing", message: 'Unable to fetch image "r.example/a:1": manifest unknown' },
    ],
    [
      "the container ends",
      (conditions) => markContainerExited(conditions, { code: 127, lastWords: "not found" }, now),
      { reason: "ExitCode127", message: "Container failed with: not found" },
    ],
    [
      "the container ends without a word",
      (conditions) => markContainerExited(conditions, { code: 3, lastWords: "" }, now),
      { reason: "ExitCode3", message: "Container failed with: exit code 3" },
    ],
    [
      "the machine is too small",
      (conditions) => markInsufficientResources(conditions, "64Gi asked, 8Gi there", now),
      { reason: "InsufficientResources", message: "64Gi asked, 8Gi there" },
    ],
    [
      "nothing happens in time",
      (conditions) => markProgressDeadlineExceeded(conditions, 120, now),
      { reason: "ProgressDeadlineExceeded", message: "Did not become ready in 120 seconds." },
    ],
  ])("say why when %s", (_, mark, failure) => {
    const failed = mark(deploying);
    expect(ready(failed)).toMatchObject({ status: "False", ...failure });
    expect(revisionFailure(failed)).toEqual(failure);
  });

  test("keep a better reason than the deadline", () => {
    const failed = markContainerExited(deploying, { code: 1, lastWords: "x" }, now);
    expect(markProgressDeadlineExceeded(failed, 120, now)).toEqual(failed);
  });

  test("hold Ready back while a build runs, and only then", () => {
    const building = markBuilding([], "Running", now);
    expect(ready(building)).toMatchObject({ status: "False", reason: "Building", message: "Running" });
    expect(ready(markReady(building, now))).toMatchObject({ status: "False", reason: "Building" });
  });

  test("give a failed build's message, with the reason BuildFailed", () => {
    const failure = { reason: "BuildStepFailed", message: "boom" };
    const failed = markBuildFailed(deploying, failure, now);
    expect(ready(failed)).toMatchObject({ status: "False", reason: "BuildFailed", message: "boom" });
    expect(findCondition(failed, "BuildComplete")).toMatchObject({ status: "False", ...failure });
    expect(revisionFailure(failed)).toEqual({ reason: "BuildFailed", message: "boom" });
    expect(ready(markBuildComplete(failed, now))).toMatchObject({ status: "False", reason: "Deploying" });
  });

  test("tell of traffic without touching Ready", () => {
    const well = markReady(deploying, now);
    expect(findCondition(markActive(well, now), "Active")).toMatchObject({ status: "True", severity: "Info" });
    expect(findCondition(markActivating(well, now), "Active")).toMatchObject({
      status: "Unknown",
      reason: "Activating",
    });
    const idle = markNoTraffic(well, now);
    expect(findCondition(idle, "Active")).toMatchObject({
      status: "False",
      reason: "NoTraffic",
      message: "The target is not receiving traffic.",
    });
    expect(wasReady(idle)).toBe(true);
  });
});
