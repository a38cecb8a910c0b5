import { expect, test } from "vitest";
import { manualClock } from "../../../test/support/manual-clock.ts";
import type { BuildSpec } from "../../runtime/builds.ts";
import { refusedBuilds } from "./refused-builds.ts";

test("refusedBuilds() fails each build at once, and says what to do", () => {
  const builds = refusedBuilds(manualClock());
  const key = { namespace: "n", name: "b" };
  const told: string[] = [];
  builds.subscribe(({ name }) => told.push(`${name} ${builds.get(key)?.phase ?? "gone"}`));
  const spec = { uid: "u", steps: [{ name: "one" }], labels: {} } as unknown as BuildSpec;
  builds.start(key, spec);
  builds.start(key, spec);
  expect(builds.list()[0]?.failure?.message).toContain("push the image to a registry, and deploy it with --image");
  builds.remove(key);
  expect(told).toEqual(["b failed", "b gone"]);
});
