import { describe, expect, test } from "vitest";
import { markLatestDeleted, markLatestFailed, markLatestPending, markLatestReady } from "./configuration.conditions.ts";
import { findCondition, isTrue } from "./meta/conditions.ts";
import type { Condition } from "./meta/types.ts";
import {
  markPublishing,
  markRolledOut,
  markRollingOut,
  markRouteStuck,
  markTargetMissing,
  markTrafficAssigned,
} from "./route.conditions.ts";

const now = Date.parse("2026-01-01T00:00:00Z");
const later = now + 60_000;
const find = (conditions: readonly Condition[], type: string) => findCondition(conditions, type);

describe("the conditions of a Route", () => {
  test("are Ready once a split is served and every target has its share", () => {
    const assigned = markTrafficAssigned(undefined, false, now);
    expect(find(assigned, "AllTrafficAssigned")?.status).toBe("True");
    expect(find(assigned, "Ready")).toMatchObject({ status: "Unknown", reason: "Publishing" });
    expect(isTrue(markTrafficAssigned(assigned, true, now), "Ready")).toBe(true);
  });

  test("move no time when told the same again", () => {
    const unserved = markTrafficAssigned(undefined, false, now);
    expect(markTrafficAssigned(unserved, false, later)).toEqual(unserved);
    const served = markRolledOut(markTrafficAssigned(unserved, true, now), now);
    expect(markRolledOut(markTrafficAssigned(served, true, later), later)).toEqual(served);
  });

  test("stay Ready during a shift", () => {
    const served = markTrafficAssigned(undefined, true, now);
    const shifting = markRollingOut(served, { from: "a-00001", to: "a-00002" }, now);
    expect(isTrue(shifting, "Ready")).toBe(true);
    expect(find(shifting, "RolloutComplete")).toMatchObject({
      status: "False",
      reason: "RollingOut",
      message: "Shifting traffic from a-00001 to a-00002",
    });
    expect(find(markPublishing(served, now), "RolloutComplete")).toMatchObject({
      status: "False",
      reason: "Publishing",
    });
    expect(isTrue(markRolledOut(shifting, now), "RolloutComplete")).toBe(true);
  });

  test.each([
    ["Revision", false, "RevisionMissing", 'Revision "x" referenced in rollout.traffic not found'],
    ["Revision", true, "RevisionMissing", 'Revision "x" referenced in rollout.traffic was never ready'],
    ["Configuration", false, "ConfigurationMissing", 'Configuration "x" referenced in rollout.traffic not found'],
    ["Configuration", true, "RevisionMissing", 'Configuration "x" referenced in rollout.traffic has no ready Revision'],
  ] as const)("name a %s that can't take its share (exists: %s)", (kind, exists, reason, message) => {
    const conditions = markTargetMissing(undefined, { kind, name: "x", exists }, now);
    for (const type of ["Ready", "AllTrafficAssigned", "RolloutComplete"]) {
      expect(find(conditions, type)).toMatchObject({ status: "False", reason, message });
    }
  });

  test("say when the split doesn't come", () => {
    expect(find(markRouteStuck(undefined, 120, now), "RolloutComplete")).toMatchObject({
      status: "False",
      reason: "ProgressDeadlineExceeded",
      message: "Unable to update traffic split for more than 120 seconds.",
    });
  });
});

describe("the conditions of a Configuration", () => {
  test("say in Ready what LatestRevisionReady says", () => {
    const failure = { reason: "ExitCode127", message: "Container failed with: x" };
    for (const [conditions, expected] of [
      [markLatestPending(undefined, now), { status: "Unknown" }],
      [markLatestReady(undefined, now), { status: "True" }],
      [markLatestFailed(undefined, failure, now), { status: "False", ...failure }],
      [
        markLatestDeleted(undefined, now),
        { status: "False", reason: "RevisionMissing", message: "The latest Revision appears to have been deleted." },
      ],
    ] as const) {
      expect(find(conditions, "LatestRevisionReady")).toMatchObject(expected);
      expect(find(conditions, "Ready")).toMatchObject(expected);
    }
  });
});
