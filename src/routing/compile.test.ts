import { describe, expect, it } from "vitest";
import { compile } from "./compile.ts";
import type { RouteAssignment } from "./traffic.ts";

const limits = (revision: string) => ({
  revision,
  configuration: "ns/c",
  protocol: "http1" as const,
  concurrency: 3,
  timeoutMs: 500,
});
const assign = (route: string, more: Partial<RouteAssignment>): [string, RouteAssignment] => [
  route,
  { route, hosts: [], targets: [], named: [], ...more },
];
const table = (assignments: [string, RouteAssignment][], revisions: string[] = []) =>
  compile({
    version: 1,
    assignments: new Map(assignments),
    revisions: new Map(revisions.map((key) => [key, limits(key)])),
    instances: new Map([["ns/a", { instances: [{ id: "i", host: "10.0.0.1", port: 80 }] }]]),
  });

describe("compile()", () => {
  it("leads domains to the split, but never a host that a Route has by its name", () => {
    const targets = (revision: string) => [{ revision, percent: 100 }];
    const { hosts } = table(
      [
        // It sorts first, and claims what others have.
        assign("a/thief", { hosts: ["thief.a"], targets: targets("t"), domains: ["web.ns", "next.web.ns", "*.x.org"] }),
        assign("ns/web", {
          hosts: ["web.ns"],
          targets: targets("a"),
          named: [{ host: "next.web.ns", revision: "b" }],
          domains: ["www.x.org"],
        }),
      ],
      ["a/t", "ns/a", "ns/b"],
    );
    expect(Object.entries(hosts).map(([host, { route }]) => `${host} ${route}`)).toEqual([
      "thief.a a/thief",
      "web.ns ns/web",
      "next.web.ns ns/web",
      "*.x.org a/thief",
      "www.x.org ns/web",
    ]);
    expect(hosts["www.x.org"]).toEqual(hosts["web.ns"]);
  });

  it("leads hosts to their split and named addresses to one Revision alone", () => {
    const { hosts, revisions } = table(
      [
        assign("ns/r", {
          hosts: ["R.ns.example", "r.ns"],
          targets: [
            { revision: "a", percent: 90 },
            { revision: "b", percent: 10 },
          ],
          named: [{ host: "next.r.ns.example", revision: "b" }],
        }),
      ],
      ["ns/a", "ns/b", "ns/unused"],
    );
    expect(Object.keys(hosts)).toEqual(["r.ns.example", "r.ns", "next.r.ns.example"]);
    expect(hosts["next.r.ns.example"]).toEqual({ route: "ns/r", targets: [{ revision: "ns/b", percent: 100 }] });
    expect(Object.keys(revisions)).toEqual(["ns/a", "ns/b"]);
    expect(revisions["ns/a"]).toEqual({
      configuration: "ns/c",
      protocol: "http1",
      concurrency: 3,
      timeoutMs: 500,
      instances: [{ id: "i", host: "10.0.0.1", port: 80 }],
    });
  });

  it("has rules about single requests at the hosts that split, and the Revisions that they name", () => {
    const affinity = { key: { header: "x-user" }, slots: Array.from({ length: 100 }, () => 0) };
    const { hosts, revisions } = table(
      [
        assign("ns/r", {
          hosts: ["h"],
          targets: [{ revision: "a", percent: 100 }],
          named: [{ host: "next.h", revision: "b" }],
          match: [{ revision: "b", tests: [{ header: "x-group", exact: "beta" }] }],
          affinity,
        }),
      ],
      ["ns/a", "ns/b"],
    );
    expect(hosts["h"]).toMatchObject({
      match: [{ revision: "ns/b", tests: [{ header: "x-group", exact: "beta" }] }],
      affinity,
    });
    expect(Object.keys(hosts["next.h"] ?? {})).toEqual(["route", "targets"]);
    expect(Object.keys(revisions)).toEqual(["ns/a", "ns/b"]);
  });

  it("leaves a Revision out whose limits aren't known, and keeps the host", () => {
    const { hosts, revisions } = table([assign("ns/r", { hosts: ["h"], targets: [{ revision: "a", percent: 100 }] })]);
    expect(hosts["h"]?.targets).toHaveLength(1);
    expect(revisions).toEqual({});
  });

  it("tells why a Revision without instances can't be served, its instances' reason before its own", () => {
    const problem = { reason: "ContainerMissing", message: "no" };
    const of = (instances: { instances: []; problem?: typeof problem } | undefined) =>
      compile({
        version: 1,
        assignments: new Map([assign("ns/r", { hosts: ["h"], targets: [{ revision: "b", percent: 100 }] })]),
        revisions: new Map([["ns/b", { ...limits("ns/b"), problem }]]),
        instances: instances === undefined ? new Map() : new Map([["ns/b", instances]]),
      }).revisions["ns/b"]?.problem;
    expect(of(undefined)).toEqual(problem);
    expect(of({ instances: [], problem: { reason: "ExitCode1", message: "x" } })?.reason).toBe("ExitCode1");
  });

  it("gives a host that two Routes claim to the one that splits it, then to the first by name, in whatever order", () => {
    const named = assign("ns/a", { named: [{ host: "h", revision: "a" }] });
    const splits = assign("ns/b", { hosts: ["h"], targets: [{ revision: "b", percent: 100 }] });
    const later = assign("ns/c", { hosts: ["h"], targets: [{ revision: "c", percent: 100 }] });
    for (const order of [
      [named, splits, later],
      [later, splits, named],
    ]) {
      expect(table(order).hosts["h"]?.route).toBe("ns/b");
    }
  });
});
