import { describe, expect, test } from "vitest";
import { admit, faultTexts } from "../../test/support/faults.ts";
import { type Route as RouteObject, Route } from "./route.ts";

function route(rollout: unknown): unknown {
  return {
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Route",
    metadata: { name: "my-service", namespace: "default" },
    spec: { rollout },
  };
}

const following = { configurationName: "my-service", percent: 100 };

describe("Route", () => {
  const withHosts = (spec: object) =>
    faultTexts(Route, {
      ...(route({ traffic: [following] }) as object),
      spec: { rollout: { traffic: [following] }, ...spec },
    });

  test("accepts domains, wildcards among them, and Secrets for them", () => {
    const domains = ["www.example.com", "*.example.com", "xn--bcher-kva.example", "a.b.c.d.e"];
    expect(withHosts({ domains, tls: [{ secretName: "www", hosts: ["www.example.com", "*.example.com"] }] })).toEqual(
      [],
    );
  });

  test.each([
    ["a name of one label", "localhost"],
    ["a wildcard of a top-level domain", "*.com"],
    ["a star elsewhere", "www.*.com"],
    ["a star alone", "*"],
    ["capitals", "WWW.example.com"],
    ["an address", "192.0.2.7"],
    ["an address of IPv6", "2001:db8::1"],
    ["a port", "www.example.com:443"],
    ["a dot at the end", "www.example.com."],
    ["an empty label", "www..example.com"],
    ["nothing", ""],
    ["a label that is too long", `${"a".repeat(64)}.example.com`],
    ["a name that is too long", `${"a.".repeat(130)}com`],
    ["something that isn't ASCII", "bücher.example"],
  ])("refuses %s as a domain", (_, domain) => {
    expect(withHosts({ domains: [domain] })).toEqual([expect.stringMatching(/^spec\.domains\[0\]: /)]);
    const tls = withHosts({ tls: [{ secretName: "www", hosts: [domain] }] });
    expect(tls).toEqual([expect.stringMatching(/^spec\.tls\[0\]\.hosts\[0\]: /)]);
  });

  test("refuses a host that is there twice, and a Secret without a name or hosts", () => {
    const faults = withHosts({
      domains: ["a.org", "a.org"],
      tls: [
        { secretName: "A", hosts: ["a.org"] },
        { secretName: "", hosts: ["a.org"] },
        { secretName: "c", hosts: [] },
      ],
    });
    expect(faults.map((fault) => fault.split(": ", 1)[0] ?? "").toSorted()).toEqual([
      "spec.domains[1]",
      "spec.tls[0].secretName",
      "spec.tls[1].hosts[0]",
      "spec.tls[1].secretName",
      "spec.tls[2].hosts",
    ]);
  });

  test("accepts the examples' splits", () => {
    for (const traffic of [
      [following],
      [{ revisionName: "def", percent: 100 }],
      [
        { revisionName: "def", name: "current", percent: 100 },
        { revisionName: "ghi", name: "next", percent: 0 },
      ],
      [
        { revisionName: "ghi", name: "current", percent: 100 },
        { revisionName: "ghi", name: "next", percent: 0 },
      ],
    ]) {
      expect(faultTexts(Route, route({ traffic }))).toEqual([]);
    }
  });

  test("adds nothing to what was sent", () => {
    expect(admit(Route, route({ traffic: [following] })).object.spec).toEqual({ rollout: { traffic: [following] } });
  });

  test.each<[string, unknown, string[]]>([
    ["no spec.rollout", undefined, ["spec.rollout: Required value"]],
    ["no traffic", {}, ["spec.rollout.traffic: Required value"]],
    ["null for traffic", { traffic: null }, ["spec.rollout.traffic: Required value"]],
    [
      "an empty list",
      { traffic: [] },
      ["spec.rollout.traffic: Invalid value: 0: spec.rollout.traffic in body should have at least 1 items"],
    ],
    [
      "traffic that is an object",
      { traffic: {} },
      ['spec.rollout.traffic: Invalid value: "object": spec.rollout.traffic in body must be of type array: "object"'],
    ],
    [
      "33 targets",
      {
        traffic: Array.from({ length: 33 }, (_, percent) => ({
          configurationName: "a",
          percent: percent < 1 ? 100 : 0,
        })),
      },
      ["spec.rollout.traffic: Too many: 33: must have at most 32 items"],
    ],
    [
      "both names",
      { traffic: [{ ...following, revisionName: "def" }] },
      [
        'spec.rollout.traffic[0]: Invalid value: "object": must have exactly one of configurationName and revisionName: both are set',
      ],
    ],
    [
      "neither name",
      { traffic: [{ percent: 100 }] },
      [
        'spec.rollout.traffic[0]: Invalid value: "object": must have exactly one of configurationName and revisionName: neither is set',
      ],
    ],
    ["no percent", { traffic: [{ configurationName: "a" }] }, ["spec.rollout.traffic[0].percent: Required value"]],
    [
      "a percent that is a string",
      { traffic: [{ configurationName: "a", percent: "100" }] },
      [
        'spec.rollout.traffic[0].percent: Invalid value: "string": spec.rollout.traffic[0].percent in body must be of type integer: "string"',
      ],
    ],
    [
      "a percent that is a fraction",
      { traffic: [{ configurationName: "a", percent: 99.5 }] },
      [
        'spec.rollout.traffic[0].percent: Invalid value: "number": spec.rollout.traffic[0].percent in body must be of type integer: "number"',
      ],
    ],
    [
      "a percent above 100, and the sum it makes",
      { traffic: [{ configurationName: "a", percent: 101 }] },
      [
        "spec.rollout.traffic[0].percent: Invalid value: 101: spec.rollout.traffic[0].percent in body should be less than or equal to 100",
        "spec.rollout.traffic: Invalid value: 101: percentages must total 100",
      ],
    ],
    [
      "a negative percent that keeps the sum",
      {
        traffic: [
          { configurationName: "a", percent: 100 },
          { revisionName: "b", percent: 1 },
          { revisionName: "c", percent: -1 },
        ],
      },
      [
        "spec.rollout.traffic[2].percent: Invalid value: -1: spec.rollout.traffic[2].percent in body should be greater than or equal to 0",
      ],
    ],
    [
      "a sum below 100",
      {
        traffic: [
          { configurationName: "a", percent: 60 },
          { revisionName: "b", percent: 30 },
        ],
      },
      ["spec.rollout.traffic: Invalid value: 90: percentages must total 100"],
    ],
    [
      "one name for two targets",
      {
        traffic: [
          { revisionName: "a", name: "next", percent: 50 },
          { revisionName: "b", name: "next", percent: 50 },
        ],
      },
      ['spec.rollout.traffic[1].name: Duplicate value: "next"'],
    ],
    [
      "a name that is too long",
      { traffic: [{ ...following, name: "a".repeat(31) }] },
      ["spec.rollout.traffic[0].name: Too long: may not be longer than 30"],
    ],
    [
      "a duration without a unit",
      { traffic: [following], duration: "4" },
      ['spec.rollout.duration: Invalid value: "4": must be a duration such as 90s, 1m30s or 0s'],
    ],
    [
      "a negative duration",
      { traffic: [following], duration: "-4s" },
      ['spec.rollout.duration: Invalid value: "-4s": must be greater than or equal to 0s'],
    ],
    [
      "a duration of a year",
      { traffic: [following], duration: "8760h" },
      ['spec.rollout.duration: Invalid value: "8760h": must be less than or equal to 168h'],
    ],
  ])("refuses %s", (_, rollout, expected) => {
    expect(faultTexts(Route, route(rollout))).toEqual(expected);
  });

  test("refuses a name that is no DNS label", () => {
    for (const name of ["UP", "a.b", "-a", "a_b", "a-", "ä"]) {
      const [fault, ...more] = admit(Route, route({ traffic: [{ ...following, name }] })).faults;
      expect(more).toEqual([]);
      expect(fault).toMatchObject({ reason: "FieldValueInvalid", field: "spec.rollout.traffic[0].name" });
      expect(fault?.message).toContain("a lowercase RFC 1123 label must consist of");
    }
  });

  test("tells every fault of an object in one answer", () => {
    const faults = faultTexts(Route, {
      apiVersion: "elafros.dev/v1alpha1",
      kind: "Route",
      metadata: { name: "My_Service", namespace: "default", labels: { "a b": "c" } },
      spec: {
        rollout: {
          traffic: [
            { configurationName: "a", revisionName: "b", percent: 50 },
            { revisionName: "c", name: "UP", percent: 20 },
            { percent: -1 },
          ],
          duration: "soon",
        },
      },
    });
    expect(faults.map((fault) => fault.split(": ", 1)[0])).toEqual([
      "metadata.name",
      "metadata.labels",
      "spec.rollout.traffic[2].percent",
      "spec.rollout.traffic[0]",
      "spec.rollout.traffic[1].name",
      "spec.rollout.traffic[2]",
      "spec.rollout.traffic",
      "spec.rollout.duration",
    ]);
  });

  test("limits its name to 50 characters of RFC 1035", () => {
    const named = (name: string) => ({
      ...(route({ traffic: [following] }) as object),
      metadata: { name, namespace: "default" },
    });
    expect(faultTexts(Route, named("a".repeat(50)))).toEqual([]);
    expect(faultTexts(Route, named("a".repeat(51)))).toEqual([
      `metadata.name: Invalid value: "${"a".repeat(51)}": must be no more than 50 characters`,
    ]);
    expect(faultTexts(Route, named("1a"))[0]).toContain("a DNS-1035 label must consist of");
  });

  test("shows its split in a column", () => {
    const traffic = Route.columns.find(({ name }) => name === "Traffic");
    const object = {
      ...(route({ traffic: [following] }) as RouteObject),
      status: {
        traffic: [
          { revisionName: "a", percent: 75, name: "current" },
          { revisionName: "b", percent: 25 },
        ],
      },
    };
    expect(traffic?.value(object)).toBe("current=a:75%,b:25%");
  });
});
