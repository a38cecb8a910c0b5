import { beforeAll, describe, expect, it } from "vitest";
import type { Route, RouteTls } from "../../api/route.ts";
import { makeCertificate } from "../../apiserver/pki-certificates.ts";
import type { CertificateState } from "../../routing/certificates.ts";
import { certificateFinding, type HttpsView, renewalEvents, type TlsSecret, wantedCertificates } from "./https.ts";

const now = Date.UTC(2026, 0, 1);
/** Filled in before the tests, as making one takes a moment. */
const pair = { cert: "", key: "" };
const own = ["web.ns.example.com", "next.web.ns.example.com"];

beforeAll(async () => {
  const authority = await makeCertificate({ make: "authority", name: "test", days: 30, now });
  const names = ["a.org", ...own];
  Object.assign(
    pair,
    await makeCertificate({ make: "certificate", authority, subject: [{ O: ["t"] }], names, days: 9, now }),
  );
});

interface World {
  domains?: string[];
  held?: string[];
  tls?: RouteTls[];
  secrets?: Record<string, TlsSecret>;
  before?: HttpsView["wanted"];
  states?: CertificateState[];
  status?: Route["status"];
}

function look({ domains = [], held = domains, tls = [], secrets = {}, before = [], states = [], status }: World) {
  const route: Route = {
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Route",
    metadata: { name: "web", namespace: "ns", generation: 2 },
    spec: { rollout: { traffic: [{ revisionName: "r", percent: 100 }] }, domains, tls },
    ...(status === undefined ? {} : { status }),
  };
  const view: HttpsView = { wanted: before, states, secrets: new Map(Object.entries(secrets)) };
  return { route, view, asked: wantedCertificates(route, { own, domains: held }, { view, now }) };
}

describe("wantedCertificates()", () => {
  it.each<[string, World, unknown[]]>([
    ["one for the Route's own hosts", {}, [{ id: "hosts", names: own, above: own[0] }]],
    [
      "one for each domain that it has",
      { domains: ["a.org", "*.b.org", "c.org"], held: ["a.org", "*.b.org"] },
      [
        { id: "hosts", names: own, above: own[0] },
        { id: "domain a.org", names: ["a.org"] },
        { id: "domain *.b.org", names: ["*.b.org"] },
      ],
    ],
    [
      "a Secret's for its hosts, and those are left out of the others",
      {
        domains: ["a.org"],
        tls: [{ secretName: "s", hosts: ["a.org", "next.web.ns.example.com"] }],
        secrets: { s: pair },
      },
      [
        { id: "hosts", names: ["web.ns.example.com"] },
        { id: "secret s", names: ["a.org", "next.web.ns.example.com"], given: pair },
      ],
    ],
    [
      "what was served of a Secret that is gone",
      {
        domains: ["a.org"],
        tls: [{ secretName: "s", hosts: ["a.org"] }],
        before: [{ id: "secret s", names: ["a.org"], given: pair }],
      },
      [
        { id: "hosts", names: own, above: own[0] },
        { id: "secret s", names: ["a.org"], given: pair },
      ],
    ],
    [
      "the platform's where a Secret can't be used and none was before",
      { domains: ["b.org"], tls: [{ secretName: "s", hosts: ["b.org"] }], secrets: { s: pair } },
      [
        { id: "hosts", names: own, above: own[0] },
        { id: "domain b.org", names: ["b.org"] },
      ],
    ],
    [
      "none for a domain that another Route has",
      { domains: ["a.org"], held: [], tls: [{ secretName: "s", hosts: ["a.org"] }], secrets: { s: pair } },
      [{ id: "hosts", names: own, above: own[0] }],
    ],
  ])("asks for %s", (_, world, wanted) => {
    expect(look(world).asked.wanted).toEqual(wanted);
  });

  it.each<[string, World, string, RegExp]>([
    [
      "Secret that isn't there",
      { domains: ["a.org"], tls: [{ secretName: "s", hosts: ["a.org"] }] },
      "SecretMissing",
      /"s"/,
    ],
    [
      "Secret of another type",
      { domains: ["a.org"], tls: [{ secretName: "s", hosts: ["a.org"] }], secrets: { s: { fault: "has type" } } },
      "SecretMissing",
      /has type/,
    ],
    [
      "Secret whose certificate is for others",
      { domains: ["b.org"], tls: [{ secretName: "s", hosts: ["b.org"] }], secrets: { s: pair } },
      "CertificateMismatch",
      /not for b.org/,
    ],
    [
      "host that isn't the Route's",
      { tls: [{ secretName: "s", hosts: ["b.org"] }], secrets: { s: pair } },
      "CertificateMismatch",
      /"b.org".*spec.domains/,
    ],
  ])("tells of a %s", (_, world, reason, message) => {
    const { asked } = look(world);
    expect(asked.faults).toEqual([{ reason, message: expect.stringMatching(message) as string }]);
  });
});

describe("renewalEvents()", () => {
  it("tells until when what could not be renewed is served, and nothing else", () => {
    const fine: CertificateState = { id: "a", names: ["a.org"], status: "ready", notAfter: now };
    expect(renewalEvents([fine, { ...fine, renewal: "no way" }])).toEqual([
      {
        type: "Warning",
        reason: "RenewalFailed",
        message: "The certificate for a.org could not be renewed, and is served until 2026-01-01T00:00:00.000Z: no way",
        once: true,
      },
    ]);
  });
});

describe("certificateFinding()", () => {
  const ready: CertificateState = { id: "hosts", names: own, status: "ready" };
  const failed: CertificateState = { ...ready, status: "failed", reason: "CertificateExpired", message: "renew it" };
  const served = { observedGeneration: 2, conditions: [{ type: "CertificateReady", status: "True" } as const] };

  it.each<[string, World & { current?: boolean }, object]>([
    ["ready once all are", { states: [ready] }, { status: "ready" }],
    ["working while one is missing", { states: [{ ...ready, status: "working" }] }, { status: "working", names: own }],
    ["working while the states are about something else", { states: [ready], current: false }, { status: "working" }],
    ["failed with the first failure", { states: [failed] }, { status: "failed", reason: "CertificateExpired" }],
    [
      "ready still, after a restart of control",
      { states: [{ ...ready, status: "working" }], status: served },
      { status: "ready" },
    ],
    [
      "working where a domain is the Route's since then",
      { domains: ["a.org"], states: [{ ...ready, status: "working" }], status: served },
      { status: "working", names: [...own, "a.org"] },
    ],
    [
      "working where the spec has changed since",
      { states: [], status: { ...served, observedGeneration: 1 } },
      { status: "working" },
    ],
  ])("is %s", (_, { current = true, ...world }, finding) => {
    const { route, view, asked } = look(world);
    expect(certificateFinding(route, asked, { states: view.states, current })).toMatchObject(finding);
  });
});
