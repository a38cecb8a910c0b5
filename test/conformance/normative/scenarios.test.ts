/** Scenarios 1 to 3 of the normative examples against the real platform with real containers, and the two orders of creating. */
import { afterAll, beforeAll, test } from "vitest";
import { makeImages } from "../../support/images.ts";
import { startPlatform, type TestPlatform } from "../../support/platform.ts";
import { startRegistry, type TestRegistry } from "../../support/registry.ts";
import { playFirst, playOrders, playSecond, playShift, playThird, type Stage } from "./player.ts";

const domain = "mydomain.com";
let registry: TestRegistry;
let platform: TestPlatform;
let stage: Stage;

beforeAll(async () => {
  registry = await startRegistry();
  const images = await makeImages(registry);
  platform = await startPlatform(["--domain", domain]);
  stage = { ...platform, namespace: "default", domain, images };
});

afterAll(async () => {
  await platform?.purge();
  await registry?.close();
});

// Each but the orders stands on what the one before left.
test("2) Creating Route and deploying first Revision", () => playSecond(stage));
test("1) Automatic rollout of a new Revision", () => playFirst(stage));
test("1) with a duration, the traffic shifts through 75/25", () => playShift(stage));
test("3) Manual rollout of a new Revision", () => playThird(stage));
test("Configuration first, and both at once, come to the same", () => playOrders(stage));
