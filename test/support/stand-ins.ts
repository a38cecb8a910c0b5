/** The stand-in base images, made once per machine: they take half a minute, and are the same for every test. */
import { mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeStandIns } from "../../src/platform/stand-ins/stand-ins.ts";
import { lock } from "./images.ts";
import { eventually, startPlatform, type TestPlatform } from "./platform.ts";

const place = "/var/cache/elafros/test-stand-ins";
const day = 24 * 3_600_000;

/** Makes them, unless that was done today, and gives their names by the keys of ConfigMap `base-images`, and their containers-storage. */
export async function standIns(): Promise<{ images: Record<string, string>; bases: string }> {
  const bases = join(place, "bases");
  await mkdir(place, { recursive: true, mode: 0o700 });
  const unlock = await lock(place);
  const mask = process.umask(0o022);
  try {
    const done = join(place, "done.json");
    const known = JSON.parse(await readFile(done, "utf8").catch(() => "{}")) as {
      at?: number;
      images?: Record<string, string>;
    };
    if (known.images !== undefined && Date.now() - (known.at ?? 0) < day) return { images: known.images, bases };
    const images = await makeStandIns(place);
    await writeFile(done, JSON.stringify({ at: Date.now(), images }));
    return { images, bases };
  } finally {
    process.umask(mask);
    await unlock();
  }
}

/** Starts a platform that builds on the stand-ins. `flags` are further flags of `up`. */
export async function startBuildingPlatform(flags: readonly string[] = []): Promise<TestPlatform> {
  let images: Record<string, string> = {};
  const platform = await startPlatform(flags, async (dataDir) => {
    images = await lendStandIns(dataDir);
  });
  const type = { "content-type": "application/merge-patch+json" };
  const path = "/api/v1/namespaces/build-templates/configmaps/base-images";
  await eventually("the templates stand on the stand-ins", async () => {
    await platform.call("PATCH", path, JSON.stringify({ data: images }), type);
    const templates = await platform.call("GET", "/apis/build.dev/v1alpha1/namespaces/build-templates/buildtemplates");
    return Object.values(images).every((image) => templates.text.includes(image));
  });
  return platform;
}

/** Gives an installation the stand-ins, before its first `up`. */
async function lendStandIns(dataDir: string): Promise<Record<string, string>> {
  const { images, bases } = await standIns();
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  await rm(join(dataDir, "bases"), { recursive: true, force: true });
  await symlink(bases, join(dataDir, "bases"));
  return images;
}
