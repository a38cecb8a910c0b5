import { describe, expect, it } from "vitest";
import { manualClock, settle } from "../../../test/support/manual-clock.ts";
import { playImages } from "../../../test/support/ports.ts";
import { createImageResolver, pullPolicy } from "./image-resolver.ts";

const request = { reference: "r.example/app:1", auths: [], policy: "Always" } as const;

describe("createImageResolver()", () => {
  it("resolves in the background, one attempt at a time, and tells when it is over", async () => {
    const images = playImages();
    const told: string[] = [];
    const resolver = createImageResolver(images, manualClock(), (key) => told.push(key));
    expect(resolver.get("ns/a")).toEqual({ state: "none" });
    resolver.resolve("ns/a", request);
    resolver.resolve("ns/a", request);
    expect(resolver.get("ns/a")).toEqual({ state: "pending" });
    await settle();
    expect(resolver.get("ns/a")).toMatchObject({ state: "resolved" });
    expect([images.resolved, told]).toEqual([1, ["ns/a"]]);
  });

  it("keeps the registry's words, and lets each further failure wait longer", async () => {
    const images = playImages();
    images.refuses = "denied";
    const clock = manualClock();
    const resolver = createImageResolver(images, clock, () => {});
    const waits: number[] = [];
    for (let attempt = 0; attempt < 8; attempt += 1) {
      resolver.resolve("ns/a", request);
      await settle();
      const resolution = resolver.get("ns/a");
      expect(resolution).toMatchObject({ state: "failed", message: "denied", asked: request });
      if (resolution.state === "failed") waits.push(resolution.retryAt - clock.now());
    }
    expect(waits[0]).toBeGreaterThanOrEqual(1_800);
    expect(waits[0]).toBeLessThanOrEqual(2_000);
    expect(waits[3]).toBeGreaterThan(waits[0] ?? 0);
    expect(Math.max(...waits)).toBeLessThanOrEqual(60_000);
  });

  it("says nothing of a Revision that is gone meanwhile", async () => {
    const told: string[] = [];
    const resolver = createImageResolver(playImages(), manualClock(), (key) => told.push(key));
    resolver.resolve("ns/a", request);
    resolver.forget("ns/a");
    await settle();
    expect(resolver.get("ns/a")).toEqual({ state: "none" });
    expect(told).toEqual([]);
  });
});

it.each([
  ["r.example/app", "Always"],
  ["localhost:5000/app", "Always"],
  ["r.example/app:latest", "Always"],
  ["r.example/app:1", "IfNotPresent"],
  ["r.example/app@sha256:0", "IfNotPresent"],
])("pullPolicy() of %s is %s", (reference, policy) => {
  expect(pullPolicy(reference, undefined)).toBe(policy);
  expect(pullPolicy(reference, "Never")).toBe("Never");
});
