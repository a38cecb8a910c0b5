import { describe, expect, it } from "vitest";
import type { Configuration } from "../../api/configuration.ts";
import type { Revision } from "../../api/revision.ts";
import { defaultGarbageRules, planGarbage } from "./plan.ts";

const hour = 3_600_000;
const now = Date.UTC(2026, 0, 10);
const at = (hoursAgo: number) => new Date(now - hoursAgo * hour).toISOString();

const configuration: Configuration = {
  apiVersion: "elafros.dev/v1alpha1",
  kind: "Configuration",
  metadata: { name: "app", namespace: "ns" },
  spec: { revisionTemplate: { spec: { container: { image: "app" } } } },
  status: { latestCreatedRevisionName: "app-00040", latestReadyRevisionName: "app-00039" },
};

function revision(generation: number, createdHoursAgo: number, idleHours = createdHoursAgo): Revision {
  return {
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Revision",
    metadata: {
      name: `app-${String(generation).padStart(5, "0")}`,
      namespace: "ns",
      creationTimestamp: at(createdHoursAgo),
      annotations: { "elafros.dev/configurationGeneration": String(generation) },
    },
    spec: { container: { image: "app" } },
    status: { conditions: [{ type: "Active", status: "False", lastTransitionTime: at(idleHours) }] },
  };
}
const many = (count: number, ...hours: [number, number?]) =>
  Array.from({ length: count }, (_, index) => revision(index + 1, ...hours));
const deleted = (
  revisions: Revision[],
  isRouted: (one: Revision) => boolean = () => false,
  rules = defaultGarbageRules,
) =>
  planGarbage({ configuration, revisions, isRouted, rules }, now).actions.map(
    (action) => (action.do === "deleteRevision" ? action.revision : action.configuration).metadata.name,
  );

describe("planGarbage()", () => {
  it("keeps twenty, however old, and deletes older ones that nobody names", () => {
    expect(deleted(many(20, 100))).toEqual([]);
    expect(deleted(many(22, 100))).toEqual(["app-00001", "app-00002"]);
  });

  it("keeps what is young, or had traffic lately, and looks again when that is over", () => {
    expect(deleted(many(25, 47))).toEqual([]);
    expect(deleted(many(25, 100, 14))).toEqual([]);
    const plan = planGarbage(
      { configuration, revisions: many(25, 100, 14), isRouted: () => false, rules: defaultGarbageRules },
      now,
    );
    expect(plan.requeueAfterMs).toBe(hour);
  });

  it("never deletes what a Route leads to, nor the latest created and latest ready", () => {
    const revisions = [...many(22, 100), revision(39, 100), revision(40, 100)];
    expect(deleted(revisions, ({ metadata }) => metadata.name === "app-00001")).toEqual(["app-00002"]);
    const rules = { ...defaultGarbageRules, keep: 0, atMost: 0 };
    expect(deleted([revision(39, 100), revision(40, 100)], () => false, rules)).toEqual([]);
  });

  it("deletes the oldest beyond the most that may be, however young", () => {
    expect(deleted(many(5, 1), () => false, { ...defaultGarbageRules, keep: 2, atMost: 3 })).toEqual([
      "app-00001",
      "app-00002",
    ]);
  });

  it("leaves those alone that are being deleted", () => {
    const revisions = many(21, 100);
    for (const one of revisions) one.metadata.deletionTimestamp = at(0);
    expect(deleted(revisions)).toEqual([]);
  });

  describe("of a Configuration that says when it expires", () => {
    const planned = (expires: string, more: object = {}) => {
      const metadata = { ...configuration.metadata, annotations: { "elafros.dev/expires-at": expires }, ...more };
      const seen = { configuration: { ...configuration, metadata }, revisions: [], rules: defaultGarbageRules };
      return planGarbage({ ...seen, isRouted: () => true }, now);
    };

    it("deletes it then, and looks again when it is time", () => {
      expect(planned(at(0)).actions).toMatchObject([{ do: "deleteConfiguration" }]);
      expect(planned(at(1)).actions).toHaveLength(1);
      expect(planned(at(-1))).toEqual({ actions: [], events: [], requeueAfterMs: hour });
    });

    it("leaves one that is being deleted, and one whose time is none", () => {
      expect(planned(at(1), { deletionTimestamp: at(0) }).actions).toEqual([]);
      expect(planned("soon")).toEqual({ actions: [], events: [] });
    });
  });
});
