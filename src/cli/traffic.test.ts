import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Route, TrafficTarget } from "./objects.ts";
import { afterGuard, automatic, finished, isManual, pinned, withMatches, withNext, withPercent } from "./traffic.ts";

const current = (revisionName: string, percent: number) => ({ revisionName, name: "current", percent });
const next = (revisionName: string, percent: number) => ({ revisionName, name: "next", percent });

describe("pinned", () => {
  it("pinned() names the revisions that are served", () => {
    expect(pinned([{ revisionName: "def", percent: 100 }])).toEqual([{ revisionName: "def", percent: 100 }]);
  });

  it("pinned() keeps a shift where it is, and drops what gets nothing", () => {
    const served = [
      { revisionName: "abc", percent: 75 },
      { revisionName: "def", percent: 25 },
      { revisionName: "old", percent: 0 },
    ];
    expect(pinned(served)).toEqual(served.slice(0, 2));
  });

  it("pinned() is empty where nothing is served", () => {
    expect(pinned([])).toEqual([]);
  });
});

describe("withNext", () => {
  it("withNext() calls the served revision current, as in scenario 3", () => {
    expect(withNext([{ revisionName: "def", percent: 100 }], "ghi")).toEqual([current("def", 100), next("ghi", 0)]);
  });

  it("withNext() replaces a next that has no traffic", () => {
    expect(withNext([current("ghi", 100), next("ghi", 0)], "jkl")).toEqual([current("ghi", 100), next("jkl", 0)]);
  });

  it("withNext() leaves the traffic of a rollout that is under way", () => {
    expect(withNext([current("def", 95), next("ghi", 5)], "jkl")).toEqual([
      current("def", 95),
      { revisionName: "ghi", percent: 5 },
      next("jkl", 0),
    ]);
  });

  it("withNext() takes a next with all traffic for the current one", () => {
    expect(withNext([current("def", 0), next("ghi", 100)], "jkl")).toEqual([current("ghi", 100), next("jkl", 0)]);
  });
});

describe("afterGuard", () => {
  const tripped = (traffic: TrafficTarget[], generation = 3): Route => ({
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Route",
    metadata: { name: "web", generation: 3 },
    spec: { rollout: { traffic } },
    status: {
      guard: [{ to: "ghi", from: "def", startedAt: "", trippedAt: "2026-01-01T00:00:00Z", generation }],
    },
  });

  it.each<[string, TrafficTarget[], TrafficTarget[]]>([
    [
      "gives the share to the revision before",
      [current("def", 95), next("ghi", 5)],
      [current("def", 100), next("ghi", 0)],
    ],
    [
      "brings the revision before back",
      [current("ghi", 100)],
      [{ revisionName: "def", percent: 100 }, current("ghi", 0)],
    ],
    ["leaves a split without the bad revision", [current("def", 100)], [current("def", 100)]],
  ])("afterGuard() %s", (_, before, after) => {
    expect(afterGuard(tripped(before))).toEqual(after);
  });

  it("afterGuard() leaves what was asked for after the guard had acted", () => {
    expect(afterGuard(tripped([current("def", 90), next("ghi", 10)], 2))).toEqual([
      current("def", 90),
      next("ghi", 10),
    ]);
  });
});

describe("match", () => {
  const match = [{ header: { name: "X-Group", exact: "beta" } }];

  it("withNext(), withPercent() and finished() leave a match with the name", () => {
    const started = withNext([current("def", 100), { ...next("ghi", 0), match }], "jkl");
    expect(started).toEqual([current("def", 100), { ...next("jkl", 0), match }]);
    expect(withPercent(started, "next", 5)?.[1]).toEqual({ ...next("jkl", 5), match });
    expect(finished(started)).toEqual([current("jkl", 100), { ...next("jkl", 0), match }]);
  });

  it("withMatches() gives pinned targets what those of their names had", () => {
    const followed = [
      { configurationName: "app", percent: 100 },
      { configurationName: "lab", name: "lab", percent: 0, match },
    ];
    const served = [
      { revisionName: "app-1", percent: 100 },
      { revisionName: "lab-1", name: "lab", percent: 0 },
    ];
    expect(withMatches(pinned(served), followed)).toEqual([served[0], { ...served[1], match }]);
  });
});

describe("withPercent", () => {
  it("withPercent() takes the share from current", () => {
    expect(withPercent([current("def", 100), next("ghi", 0)], "next", 5)).toEqual([current("def", 95), next("ghi", 5)]);
  });

  it("withPercent() gives the rest back to current after 100 percent", () => {
    expect(withPercent([current("def", 0), next("ghi", 100)], "next", 20)).toEqual([
      current("def", 80),
      next("ghi", 20),
    ]);
  });

  it("withPercent() knows no other names", () => {
    expect(withPercent([{ revisionName: "def", percent: 100 }], "next", 5)).toBeUndefined();
  });

  it("withPercent() always totals 100", () => {
    const shares = fc
      .array(fc.nat(50), { minLength: 1, maxLength: 5 })
      .map((weights) => weights.map((percent, index): TrafficTarget => ({ revisionName: `r${index}`, percent })));
    fc.assert(
      fc.property(shares, fc.integer({ min: 0, max: 100 }), (others, percent) => {
        const used = others.reduce((sum, one) => sum + one.percent, 0);
        const traffic = [current("c", Math.max(0, 100 - used)), ...others, next("n", 0)];
        const after = withPercent(traffic, "next", percent);
        expect(after?.reduce((sum, one) => sum + one.percent, 0)).toBe(100);
        expect(after?.at(-1)?.percent).toBe(percent);
        expect(after?.every((one) => Number.isInteger(one.percent) && one.percent >= 0)).toBe(true);
      }),
    );
  });
});

describe("finished", () => {
  it("finished() makes next the current one, which it stays too, as in scenario 3", () => {
    expect(finished([current("def", 50), next("ghi", 50)])).toEqual([current("ghi", 100), next("ghi", 0)]);
  });

  it("finished() keeps the addresses of other names", () => {
    const blue = { revisionName: "abc", name: "blue", percent: 10 };
    expect(finished([current("def", 40), next("ghi", 50), blue])).toEqual([
      current("ghi", 100),
      next("ghi", 0),
      { ...blue, percent: 0 },
    ]);
  });
});

describe("isManual", () => {
  it("isManual() is true exactly when a target names a revision", () => {
    expect(isManual(automatic("my-service"))).toBe(false);
    expect(isManual([{ revisionName: "def", percent: 100 }])).toBe(true);
  });
});
