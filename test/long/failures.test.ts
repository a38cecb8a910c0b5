/** Failures that take their time to be told, on the real platform. */
import { afterAll, beforeAll, test } from "vitest";
import { failsToDeploy } from "../support/failures.ts";
import { imageCache, makeImages, type SampleImage } from "../support/images.ts";
import { startPlatform, type TestPlatform } from "../support/platform.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";

let platform: TestPlatform;
let registry: TestRegistry;
let images: Record<SampleImage, string>;

beforeAll(async () => {
  registry = await startRegistry();
  images = await makeImages(registry);
  process.env["CONTAINERS_STORAGE_CONF"] = (await imageCache()).storageConf;
  platform = await startPlatform();
});

afterAll(async () => {
  await platform?.purge();
  await registry?.close();
});

test("an app that never listens, without a probe of its own, is told after a minute", async () => {
  await failsToDeploy(platform, {
    service: "deaf",
    image: images["app:never-listens"],
    reason: "ReadinessProbeFailed",
    message: /ECONNREFUSED/,
  });
});
