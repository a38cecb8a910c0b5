import { describe, expect, it } from "vitest";
import { Route } from "./objects.ts";
import { rolloutRules } from "./rollout-rules.ts";

function route(rollout: Route["spec"]["rollout"], status?: Route["status"]): Route {
  return {
    apiVersion: `${Route.group}/${Route.version}`,
    kind: Route.kind,
    metadata: { name: "web" },
    spec: { rollout },
    ...(status === undefined ? {} : { status }),
  };
}

describe("rolloutRules()", () => {
  it("says nothing of a plain split", () => {
    expect(rolloutRules(route({ traffic: [{ revisionName: "web-00001", percent: 100 }] }))).toEqual([]);
  });

  it("names matches with their targets, and what tells clients apart", () => {
    const traffic = [
      { revisionName: "web-00001", percent: 100, match: [{ header: { name: "User-Agent", prefix: "curl/" } }] },
      {
        revisionName: "web-00002",
        name: "next",
        percent: 0,
        match: [{ header: { name: "X-Group", exact: "beta" } }, { cookie: { name: "group", exact: "beta" } }],
      },
    ];
    expect(rolloutRules(route({ traffic, affinity: { cookie: { name: "id", ttl: "24h" } } }))).toEqual([
      ["Match", "User-Agent: curl/… → web-00001; X-Group: beta or cookie group=beta → next"],
      ["Affinity", "cookie id for 24h"],
    ]);
    expect(rolloutRules(route({ traffic: [], affinity: { cookie: { name: "id" } } }))).toEqual([
      ["Affinity", "cookie id"],
    ]);
    expect(rolloutRules(route({ traffic: [], affinity: { header: { name: "X-User" } } }))).toEqual([
      ["Affinity", "header X-User"],
    ]);
  });

  it("says what the guard allows, watches and has done", () => {
    const watch = { from: "web-00001", startedAt: "2026-01-01T00:00:00Z", generation: 1 };
    const guard = [
      { ...watch, to: "web-00002" },
      { ...watch, to: "web-00003", trippedAt: "2026-01-01T00:01:00Z" },
    ];
    expect(rolloutRules(route({ traffic: [], guard: { errorPercent: 1, p95Milliseconds: 300 } }, { guard }))).toEqual([
      [
        "Guard",
        "errors over 1% or p95 over 300 ms within 1m; watches web-00002 (back to web-00001); took traffic back from web-00003 to web-00001 at 2026-01-01T00:01:00Z",
      ],
    ]);
    expect(rolloutRules(route({ traffic: [], guard: { errorPercent: 0, window: "5m" } }))).toEqual([
      ["Guard", "errors over 0% within 5m"],
    ]);
  });
});
