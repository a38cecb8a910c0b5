/** Builds on the real driver: steps, images, logs, failures, the queue. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type BuildBed, buildBed, buildEnd, buildSpec, shellStep, toolsStep, untilTidy } from "../support/builds.ts";

let bed: BuildBed;
beforeAll(async () => {
  bed = await buildBed();
});
afterAll(() => bed.close());

let built = 0;
const newKey = (name = "app") => ({ namespace: "default", name: `${name}-${String(++built).padStart(5, "0")}` });

const fromScratch = [
  "mkdir -p root && cp hello root/",
  "printf 'FROM scratch\\nCOPY root /\\nUSER 1000\\nENTRYPOINT [\"/hello\"]\\n' > Dockerfile",
  "buildah bud --layers -t result . && buildah push result oci:/builder/image",
].join("\n");

test("steps share the workspace and HOME, and leave an image that runs without a registry", async () => {
  const key = newKey();
  const spec = buildSpec(
    [
      shellStep("compile", "echo compiling; cp /bin/busybox hello; echo $HOME > $HOME/seen; pwd"),
      toolsStep("image", `cat $HOME/seen; ${fromScratch}`),
    ],
    { image: "default/app" },
  );
  bed.driver.builds.start(key, spec);
  const state = await buildEnd(bed.driver, key);
  expect(state).toMatchObject({ phase: "succeeded", uid: spec.uid, labels: spec.labels });
  expect(state.imageDigest).toMatch(/^localhost\/default\/app@sha256:[0-9a-f]{64}$/);
  expect(await bed.images.root(state.imageDigest ?? "")).toMatchObject({
    config: { user: "1000", entrypoint: ["/hello"] },
  });
  await untilTidy(bed.dir);
});
