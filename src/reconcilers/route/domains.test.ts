import { describe, expect, it } from "vitest";
import type { Route } from "../../api/route.ts";
import { createDomainClaims } from "./domains.ts";

interface Described {
  created?: string;
  domains?: string[];
  held?: string[];
  deleted?: boolean;
}

function route(key: string, { created = "2026-01-01T00:00:00Z", domains = [], held = [], deleted }: Described): Route {
  const [namespace = "", name = ""] = key.split("/");
  return {
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Route",
    metadata: {
      name,
      namespace,
      creationTimestamp: created,
      ...(deleted === true ? { deletionTimestamp: created } : {}),
    },
    spec: { rollout: { traffic: [{ revisionName: "r", percent: 100 }] }, domains },
    status: { domains: held },
  };
}

const platform = "apps.example.com";

describe("createDomainClaims()", () => {
  it("gives a domain to the first that claims it, and to the next in turn when that one gives it up", () => {
    const claims = createDomainClaims([], platform);
    const told: string[] = [];
    claims.subscribe((one) => told.push(one));
    claims.claim("a/one", ["x.org", "y.org"]);
    claims.claim("b/two", ["x.org"]);
    claims.claim("c/three", ["x.org"]);
    expect(claims.get("a/one")).toEqual({ wanted: ["x.org", "y.org"], held: ["x.org", "y.org"], lost: [] });
    expect(claims.get("b/two").lost).toEqual([{ domain: "x.org", holder: "a/one" }]);
    told.length = 0;
    claims.claim("a/one", ["y.org"]);
    expect(claims.get("b/two").held).toEqual(["x.org"]);
    expect(claims.get("c/three").lost).toEqual([{ domain: "x.org", holder: "b/two" }]);
    expect(told.toSorted()).toEqual(["a/one", "b/two", "c/three"]);
  });

  it("gives no host out of a wildcard to another namespace, and leaves one that was claimed before", () => {
    const claims = createDomainClaims([], platform);
    claims.claim("b/early", ["early.x.org"]);
    claims.claim("a/all", ["*.x.org"]);
    claims.claim("b/late", ["late.x.org", "deep.late.x.org"]);
    claims.claim("a/own", ["own.x.org"]);
    expect(claims.get("b/early").held).toEqual(["early.x.org"]);
    expect(claims.get("b/late")).toMatchObject({
      held: ["deep.late.x.org"],
      lost: [{ domain: "late.x.org", holder: "a/all" }],
    });
    expect(claims.get("a/own").held).toEqual(["own.x.org"]);
    const told: string[] = [];
    claims.subscribe((one) => told.push(one));
    claims.claim("a/all", []);
    expect(claims.get("b/late").held).toEqual(["late.x.org", "deep.late.x.org"]);
    expect(told).toContain("b/late");
  });

  it("tells nobody when nothing changes, so that a Route that is gone isn't looked at for ever", () => {
    const claims = createDomainClaims([], platform);
    const told: string[] = [];
    claims.subscribe((one) => told.push(one));
    claims.claim("a/one", []);
    claims.claim("a/one", ["x.org"]);
    claims.claim("a/one", ["x.org"]);
    expect(told).toEqual(["a/one"]);
  });

  it.each([
    ["who had it", { created: "2026-02-01T00:00:00Z", held: ["x.org"] }, {}, "a/one"],
    ["else the older", { created: "2026-02-01T00:00:00Z" }, {}, "b/two"],
    ["else the first by name", {}, {}, "a/one"],
    ["not who claims it no more", { held: ["x.org"], domains: [] }, {}, "b/two"],
    ["not who is going", { held: ["x.org"], deleted: true }, {}, "b/two"],
  ])("after a restart a domain is %s", (_, first: Described, second: Described, holder) => {
    const domains = ["x.org"];
    const claims = createDomainClaims(
      [route("b/two", { domains, ...second }), route("a/one", { domains, ...first })],
      platform,
    );
    expect(["a/one", "b/two"].filter((one) => claims.get(one).held.includes("x.org"))).toEqual([holder]);
  });

  it("gives nobody what is under the platform's own domain, whoever has it by a status", () => {
    const domains = [
      "apps.example.com",
      "web.other.apps.example.com",
      "*.other.apps.example.com",
      "myapps.example.com",
    ];
    const claims = createDomainClaims([route("a/one", { domains, held: domains })], platform);
    expect(claims.get("a/one")).toEqual({
      wanted: domains,
      held: ["myapps.example.com"],
      lost: domains.slice(0, 3).map((domain) => ({ domain, holder: undefined })),
    });
    claims.claim("b/two", ["web.a.apps.example.com", "www.example.com"]);
    expect(claims.get("b/two").held).toEqual(["www.example.com"]);
  });
});
