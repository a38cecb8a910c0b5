import { describe, expect, it } from "vitest";
import { faultTexts } from "../../test/support/faults.ts";
import { Route } from "./route.ts";

const faultsOf = (rollout: object) =>
  faultTexts(Route, {
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Route",
    metadata: { name: "my-service", namespace: "default" },
    spec: { rollout },
  });
const target = (match: unknown) => faultsOf({ traffic: [{ configurationName: "a", percent: 100, match }] });
const affinity = (rule: unknown) => faultsOf({ traffic: [{ configurationName: "a", percent: 100 }], affinity: rule });
const path = "spec.rollout.traffic[0].match";

describe("match of a target", () => {
  it("takes headers by value and by prefix, and cookies", () => {
    const tests = [
      { header: { name: "X-Group", exact: "beta users" } },
      { header: { name: "Authorization", prefix: "Bearer " } },
      { cookie: { name: "group", exact: "beta" } },
    ];
    expect(target(tests)).toEqual([]);
  });

  it.each<[string, unknown, string[]]>([
    ["an empty list", [], [`${path}: Invalid value: 0: ${path} in body should have at least 1 items`]],
    [
      "a test of nothing",
      [{}],
      [`${path}[0]: Invalid value: "object": must have exactly one of header and cookie: neither is set`],
    ],
    [
      "a test of both",
      [{ header: { name: "a", exact: "b" }, cookie: { name: "a", exact: "b" } }],
      [`${path}[0]: Invalid value: "object": must have exactly one of header and cookie: both are set`],
    ],
    [
      "a header without a value",
      [{ header: { name: "a" } }],
      [`${path}[0].header: Invalid value: "object": must have exactly one of exact and prefix: neither is set`],
    ],
    [
      "what is no name",
      [{ header: { name: "a b", exact: "c" } }, { cookie: { name: "a=b", exact: "c" } }],
      [
        `${path}[0].header.name: Invalid value: "a b": must be the name of a header field, such as X-Group (RFC 9110 §5.1)`,
        `${path}[1].cookie.name: Invalid value: "a=b": must be the name of a cookie, such as group (RFC 6265 §4.1.1)`,
      ],
    ],
    ...["Host", "X-Forwarded-For", "X_Real_IP", "Connection", "K-Anything", "elafros-reason", "Content-Length"].map(
      (name): [string, unknown, string[]] => [
        `header ${name}`,
        [{ header: { name, exact: "b" } }],
        [
          `${path}[0].header.name: Invalid value: "${name}": is a field that gateways write or drop themselves: choose one that clients send to the app`,
        ],
      ],
    ),
    [
      "values that no request has",
      [
        { header: { name: "a", exact: " b" } },
        { header: { name: "a", prefix: "ä" } },
        { cookie: { name: "a", exact: "b;c" } },
      ],
      [
        `${path}[0].header.exact: Invalid value: " b": must be printable ASCII without space at its ends, which field values don't have`,
        `${path}[1].header.prefix: Invalid value: "ä": must be printable ASCII without space at its beginning, which field values don't have`,
        `${path}[2].cookie.exact: Invalid value: "b;c": must be printable ASCII without space, quotes, comma, semicolon and backslash, as cookies are (RFC 6265 §4.1.1)`,
      ],
    ],
  ])("refuses %s", (_, match, expected) => {
    expect(target(match)).toEqual(expected);
  });
});

describe("guard of a Route", () => {
  const guard = (rule: unknown) => faultsOf({ traffic: [{ configurationName: "a", percent: 100 }], guard: rule });
  const field = "spec.rollout.guard";

  it.each([{ errorPercent: 0 }, { p95Milliseconds: 300 }, { errorPercent: 5, p95Milliseconds: 1, window: "1m30s" }])(
    "takes %j",
    (rule) => {
      expect(guard(rule)).toEqual([]);
    },
  );

  it.each<[unknown, string]>([
    [{}, `${field}: Invalid value: "object": must have errorPercent or p95Milliseconds, or both: neither is set`],
    [
      { errorPercent: 100 },
      `${field}.errorPercent: Invalid value: 100: ${field}.errorPercent in body should be less than or equal to 99`,
    ],
    [
      { p95Milliseconds: 0 },
      `${field}.p95Milliseconds: Invalid value: 0: ${field}.p95Milliseconds in body should be greater than or equal to 1`,
    ],
    [
      { errorPercent: 1, window: "soon" },
      `${field}.window: Invalid value: "soon": must be a duration such as 90s, 1m30s or 0s`,
    ],
    [{ errorPercent: 1, window: "0s" }, `${field}.window: Invalid value: "0s": must be from 1s to 1h`],
    [{ errorPercent: 1, window: "2h" }, `${field}.window: Invalid value: "2h": must be from 1s to 1h`],
  ])("refuses %j", (rule, expected) => {
    expect(guard(rule)).toEqual([expected]);
  });
});

describe("affinity of a Route", () => {
  it.each([{ header: { name: "X-User" } }, { cookie: { name: "id" } }, { cookie: { name: "id", ttl: "24h" } }])(
    "takes %j",
    (rule) => {
      expect(affinity(rule)).toEqual([]);
    },
  );

  const at = "spec.rollout.affinity";
  it.each<[unknown, string]>([
    [{}, `${at}: Invalid value: "object": must have exactly one of cookie and header: neither is set`],
    [
      { header: { name: "a" }, cookie: { name: "a" } },
      `${at}: Invalid value: "object": must have exactly one of cookie and header: both are set`,
    ],
    [{ cookie: {} }, `${at}.cookie.name: Required value`],
    [
      { cookie: { name: "__Host-id" } },
      `${at}.cookie.name: Invalid value: "__Host-id": is a name that browsers only take over HTTPS: choose one without __Secure- or __Host-`,
    ],
    [
      { cookie: { name: "id", ttl: "1 day" } },
      `${at}.cookie.ttl: Invalid value: "1 day": must be a duration such as 90s, 1m30s or 0s`,
    ],
    [{ cookie: { name: "id", ttl: "500ms" } }, `${at}.cookie.ttl: Invalid value: "500ms": must be 0s, or at least 1s`],
    [{ cookie: { name: "id", ttl: "-1s" } }, `${at}.cookie.ttl: Invalid value: "-1s": must be 0s, or at least 1s`],
    [
      { cookie: { name: "id", ttl: "10000h" } },
      `${at}.cookie.ttl: Invalid value: "10000h": must be less than or equal to 9600h`,
    ],
    [
      { header: { name: "X-Real-IP" } },
      `${at}.header.name: Invalid value: "X-Real-IP": is a field that gateways write or drop themselves: choose one that clients send to the app`,
    ],
  ])("refuses %j", (rule, expected) => {
    expect(affinity(rule)).toEqual([expected]);
  });
});
