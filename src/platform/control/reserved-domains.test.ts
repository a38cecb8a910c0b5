import { expect, it } from "vitest";
import { Route } from "../../api/route.ts";
import { ApiError } from "../../api/meta/errors.ts";
import { refuseReservedDomains } from "./reserved-domains.ts";

const admission = (domains: string[], operation: "create" | "update" | "delete" = "create") => ({
  operation,
  kind: Route,
  user: { username: "a", groups: [] },
  object: {
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Route",
    metadata: { name: "web", namespace: "ns" },
    spec: { rollout: { traffic: [] }, domains },
  },
});

it("refuseReservedDomains() refuses each domain under the platform's own, and no other", () => {
  const domains = ["apps.example.com", "x.apps.example.com", "*.apps.example.com", "myapps.example.com", "example.com"];
  let refused: unknown;
  try {
    refuseReservedDomains("apps.example.com", admission(domains));
  } catch (error) {
    refused = error;
  }
  expect(refused).toBeInstanceOf(ApiError);
  expect((refused as ApiError).details?.causes?.map(({ field }) => field)).toEqual([
    "spec.domains[0]",
    "spec.domains[1]",
    "spec.domains[2]",
  ]);
  expect(() => refuseReservedDomains("apps.example.com", admission(domains.slice(3)))).not.toThrow();
  const [ours = ""] = domains;
  const old = admission([ours]).object;
  expect(() => refuseReservedDomains(ours, { ...admission([ours], "update"), old })).not.toThrow();
  expect(() => refuseReservedDomains(ours, { ...admission([ours], "update"), subresource: "status" })).not.toThrow();
  // One that was written under another domain of the platform can go.
  expect(() => refuseReservedDomains("apps.example.com", admission(domains, "delete"))).not.toThrow();
});
