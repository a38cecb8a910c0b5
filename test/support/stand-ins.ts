/** The stand-in base images, made once per machine: they take half a minute, and are the same for every test. */
import { mkdir, mkdtemp, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { makeStandIns } from "../../src/platform/stand-ins/stand-ins.ts";
import { chooseDriver, storageConf } from "../../src/runtime/oci/storage-config.ts";
import { needTool } from "../../src/runtime/oci/storage-run.ts";
import { linkTree, lock } from "./images.ts";
import { eventually, startPlatform, type TestPlatform } from "./platform.ts";
import { startRegistry, type TestRegistry } from "./registry.ts";

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

/**
 * Puts stand-ins into a registry that runs on this machine, where builds on a cluster find base images; gives their names there by the keys of ConfigMap
 * `base-images`. They are sent once a day, as they are: to press and unpress them would take longer than a build.
 */
export async function pushStandIns(registry: TestRegistry, wanted: readonly string[]): Promise<Record<string, string>> {
  const { images, bases } = await standIns();
  const unlock = await lock(place);
  try {
    for (const key of wanted) {
      const name = images[key] ?? "";
      const kept = join(place, "sent", key);
      const about = (await stat(join(place, "done.json"))).mtimeMs;
      const sent = (await stat(kept).catch(() => undefined))?.mtimeMs ?? 0;
      if (sent < about) await keepAsSent(name, { bases, kept });
      await linkTree(join(kept, "docker"), join(registry.directory, "docker"));
    }
  } finally {
    await unlock();
  }
  return Object.fromEntries(wanted.map((key) => [key, `${registry.host}/stand-ins/${key}`]));
}

/** The files of a registry that has the image alone. */
async function keepAsSent(name: string, { bases, kept }: { bases: string; kept: string }): Promise<void> {
  await rm(kept, { recursive: true, force: true });
  const work = await mkdtemp(join(tmpdir(), "elafros-stand-ins-"));
  const directory = `${kept}.new`;
  await rm(directory, { recursive: true, force: true });
  const registry = await startRegistry({ directory });
  try {
    const config = join(work, "storage.conf");
    const driver = await chooseDriver({ images: join(place, "images"), runRoot: join(work, "run") });
    await writeFile(config, storageConf({ graphRoot: bases, runRoot: join(work, "run") }, driver));
    const env = { CONTAINERS_STORAGE_CONF: config, TMPDIR: work };
    const layout = `oci:${join(work, "layout")}:latest`;
    await needTool(
      "skopeo",
      ["copy", "-q", "--dest-oci-accept-uncompressed-layers", `containers-storage:${name}`, layout],
      { env },
    );
    const to = `docker://${registry.host}/stand-ins/${basename(kept)}`;
    await needTool("skopeo", ["copy", "-q", "--preserve-digests", "--dest-tls-verify=false", layout, to], { env });
  } finally {
    await registry.close();
    await rm(work, { recursive: true, force: true });
  }
  await rename(directory, kept);
}

/** Starts a platform that builds on the stand-ins. `flags` are further flags of `up`. */
export async function startBuildingPlatform(flags: readonly string[] = []): Promise<TestPlatform> {
  let images: Record<string, string> = {};
  const platform = await startPlatform(flags, async (dataDir) => {
    images = await lendStandIns(dataDir);
  });
  await useBases(platform, images);
  return platform;
}

const baseImages = "/api/v1/namespaces/build-templates/configmaps/base-images";
const templates = "/apis/build.dev/v1alpha1/namespaces/build-templates/buildtemplates";

/** Has the builders of a platform stand on these base images, by the keys of ConfigMap `base-images`; resolves once all do. */
export async function useBases(
  { call }: Pick<TestPlatform, "call">,
  images: Readonly<Record<string, string>>,
): Promise<void> {
  const before = await eventually("the builders are there", async () => {
    const { text, status } = await call("GET", baseImages);
    return status === 200 && (JSON.parse(text) as { data: Record<string, string> }).data;
  });
  const type = { "content-type": "application/merge-patch+json" };
  const { status, text } = await call("PATCH", baseImages, JSON.stringify({ data: images }), type);
  if (status !== 200) throw new Error(text);
  const others = Object.keys(images).flatMap((key) => (before[key] === images[key] ? [] : (before[key] ?? [])));
  await eventually("the templates stand on other base images", async () => {
    const all = (await call("GET", templates)).text;
    // One name may begin another.
    const names = (image: string) => all.split(image).some((rest, index) => index > 0 && !/^[\w.-]/u.test(rest));
    return Object.values(images).every(names) && !others.some(names);
  });
}

/** Gives an installation the stand-ins, before its first `up`. */
async function lendStandIns(dataDir: string): Promise<Record<string, string>> {
  const { images, bases } = await standIns();
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  await rm(join(dataDir, "bases"), { recursive: true, force: true });
  await symlink(bases, join(dataDir, "bases"));
  return images;
}
