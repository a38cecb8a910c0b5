/** Base images: brought once, asked for again after an hour, and not shared where they aren't everybody's. */
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { silentLog } from "../../src/lib/log.ts";
import { createBases } from "../../src/runtime/oci/build-bases.ts";
import { runTool } from "../../src/runtime/oci/storage-run.ts";
import {
  type BuildBed,
  buildBed,
  buildEnd,
  buildLog,
  buildSpec,
  shellStep,
  toolsStep,
  untilTidy,
} from "../support/builds.ts";
import { manualClock } from "../support/manual-clock.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";

let bed: BuildBed;
let registry: TestRegistry;
beforeAll(async () => {
  [bed, registry] = await Promise.all([buildBed(), startRegistry()]);
});
afterAll(async () => {
  await Promise.all([bed.close(), registry.close()]);
});

let made = 0;
/** Builds and pushes a small base image that says `text`. */
async function pushBase(text: string, tag: string): Promise<string> {
  const key = { namespace: "default", name: `base-${++made}` };
  const script = `mkdir -p root/bin && cp -a /bin/busybox root/bin/ && ln -s busybox root/bin/sh && echo ${text} > root/text`;
  const dockerfile = `printf 'FROM scratch\\nCOPY root /\\nENV PATH=/bin\\n' > Dockerfile; buildah bud -t r . && buildah push r oci:/builder/image`;
  const image = `${registry.host}/base:${tag}`;
  bed.driver.builds.start(key, buildSpec([shellStep("root", script), toolsStep("image", dockerfile)], { image }));
  const state = await buildEnd(bed.driver, key);
  expect(state.failure).toBeUndefined();
  return image;
}

test("a base image comes from its registry before the steps, which can't reach that", async () => {
  const image = await pushBase("one", "v1");
  const key = { namespace: "default", name: "uses-base" };
  const script = `printf 'FROM ${image}\\nRUN busybox cat /text\\n' > Dockerfile; buildah bud --pull-never -t r . && buildah push r oci:/builder/image`;
  bed.driver.builds.start(key, buildSpec([toolsStep("image", script)], { image: "uses", baseImages: [image] }));
  const state = await buildEnd(bed.driver, key);
  expect(state.failure).toBeUndefined();
  expect(await buildLog(bed.driver, key, "image")).toContain("one\n");
  await untilTidy(bed.dir);
});

test("need() asks the registry once an hour, takes what is new, and makes do with what is here", async () => {
  const dir = await mkdtemp("/var/tmp/elafros-bases-");
  try {
    const clock = manualClock(1_000_000_000_000);
    let asked = 0;
    for (const part of ["bases", "run", "tmp"]) await mkdir(join(dir, part));
    const bases = createBases({
      dir: join(dir, "bases"),
      runRoot: join(dir, "run"),
      temporary: join(dir, "tmp"),
      driver: "overlay",
      run: (command, args, options) => {
        asked += args.filter((arg) => arg.startsWith("docker://")).length;
        return runTool(command, args, options);
      },
      clock,
      log: silentLog,
    });
    const ids = async () =>
      (
        JSON.parse(await readFile(join(dir, "bases/overlay-images/images.json"), "utf8")) as {
          id: string;
          names?: string[];
        }[]
      ).map(({ id, names = [] }) => ({ id, names }));
    const image = await pushBase("first", "moving");
    await bases.prepare();
    await Promise.all([bases.need(image, []), bases.need(image, [])]);
    expect(asked).toBe(2); // what the tag is, and the image
    await bases.need(image, []);
    expect(asked).toBe(2);
    const [before] = await ids();
    expect(before?.names).toEqual([image]);

    await pushBase("second", "moving");
    await bases.need(image, []);
    expect(asked).toBe(2);
    await clock.advance(3_600_001);
    await bases.need(image, []);
    expect(asked).toBe(4);
    const after = await ids();
    expect(after.find(({ names }) => names.includes(image))?.id).not.toBe(before?.id);
    // Layers of builds may still stand on what was replaced.
    expect(after.map(({ id }) => id)).toContain(before?.id);

    await clock.advance(3_600_001);
    await registry.stop();
    await bases.need(image, []);
    await expect(bases.need(`${registry.host}/other`, [])).rejects.toThrow(
      /^Cannot pull base image ".*\/other:latest": .*refused/,
    );

    // Where a build brings credentials, its own steps pull: nobody else would have to have them.
    await bases.need(`${registry.host}/secret`, [{ registry: registry.host, username: "u", password: "p" }]);

    await bases.prune();
    expect(await ids()).toHaveLength(2);
    await clock.advance(31 * 24 * 3_600_000);
    await bases.prune();
    expect(await ids()).toEqual([]);
    expect(await readdir(join(dir, "tmp"))).toEqual([]);
  } finally {
    await rm(dir, { recursive: true });
  }
});
