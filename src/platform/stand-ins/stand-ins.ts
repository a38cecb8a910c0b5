/**
 * Stand-ins for the official base images, made from this machine's distribution packages: builds then work, and are tested, without the internet. They are images
 * of the containers-storage `bases` of an installation, which builds see read-only.
 */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { needTool, runTool } from "../../runtime/oci/storage-run.ts";
import { type StorageDriver, chooseDriver, storageConf } from "../../runtime/oci/storage-config.ts";
import { platformPaths } from "../config.ts";
import { requireRoot } from "../settings.ts";
import { type PackageFile, downloadPackages, findPackages, unpackPackage } from "./packages.ts";
import { nodeProgram, putPart } from "./parts.ts";
import { type BaseImage, type Recipe, recipesFor } from "./recipes.ts";

export interface StandInOptions {
  /** For these languages alone: `node`, `python`, `go`, `static`. */
  only?: readonly string[];
  /** Told what is done, a line each. */
  say?: (line: string) => void;
}

/** The label that says what an image was made from. */
const madeFrom = "dev.elafros.stand-in";

/**
 * Makes the stand-ins that aren't there yet, or that the machine has newer packages for. What a newer one takes the place of stays for a while, for running builds stand
 * on it; the platform removes it later.
 * @returns their names, by the keys of ConfigMap `base-images`
 * @throws where this isn't root, or what they are made from can't be had
 */
export async function makeStandIns(
  dataDir: string,
  { only, say = () => {} }: StandInOptions = {},
): Promise<Partial<Record<BaseImage, string>>> {
  requireRoot("templates stand-ins");
  const { bases: store, images } = platformPaths(dataDir);
  const recipes = recipesFor(only);
  await mkdir(store, { recursive: true, mode: 0o700 });
  const temporary = await mkdtemp(join(tmpdir(), "elafros-stand-ins-"));
  try {
    const buildah = await buildahOn(store, temporary, await chooseDriver({ images, runRoot: temporary }));
    const node = (await needTool(await nodeProgram(), ["--version"])).trim().slice(1);
    const made: Partial<Record<BaseImage, string>> = {};
    const fingerprints = new Map<string, string>();
    const found = await findPackages(recipes);
    for (const [index, recipe] of recipes.entries()) {
      const packages = found[index] ?? [];
      const fingerprint = fingerprintOf(recipe, packages, [node, fingerprints.get(recipe.from ?? "") ?? ""]);
      fingerprints.set(recipe.name, fingerprint);
      const reference = referenceOf(recipe);
      const label = await buildah.run(
        "inspect",
        "--type",
        "image",
        "--format",
        `{{index .OCIv1.Config.Labels "${madeFrom}"}}`,
        reference,
      );
      if (label.code === 0 && label.stdout.toString("utf8").trim() === fingerprint) say(`${reference} is there`);
      else {
        say(`Making ${reference}`);
        await make(recipe, { buildah, packages, labels: { [madeFrom]: fingerprint } });
      }
      if (recipe.name !== "base") made[recipe.name] = reference;
    }
    return made;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

interface Buildah {
  run(...args: string[]): ReturnType<typeof runTool>;
  need(...args: string[]): Promise<string>;
}

/** buildah on a store of its own: nothing of the machine's configuration of it counts. */
async function buildahOn(store: string, temporary: string, driver: StorageDriver): Promise<Buildah> {
  const config = join(temporary, "storage.conf");
  await writeFile(config, storageConf({ graphRoot: store, runRoot: join(temporary, "run") }, driver));
  const options = { env: { CONTAINERS_STORAGE_CONF: config, TMPDIR: temporary } };
  return {
    run: (...args) => runTool("buildah", args, options),
    need: (...args) => needTool("buildah", args, options),
  };
}

interface Making {
  buildah: Buildah;
  packages: readonly PackageFile[];
  labels: Record<string, string>;
}

async function make(recipe: Recipe, { buildah, packages, labels }: Making): Promise<void> {
  const files = await downloadPackages(packages);
  const from = recipe.from === undefined ? "scratch" : referenceOf({ name: recipe.from });
  const container = (await buildah.need("from", "--pull-never", from)).trim();
  try {
    const root = (await buildah.need("mount", container)).trim();
    if (from === "scratch" && packages.length > 0) await mergeUsr(root);
    for (const file of files) await unpackPackage(file, root, recipe.leaveOut ?? []);
    for (const part of recipe.with ?? []) await putPart[part](root);
    await buildah.need("umount", container);
    const env = Object.entries(recipe.env ?? {}).flatMap(([name, value]) => ["--env", `${name}=${value}`]);
    const label = Object.entries(labels).flatMap(([name, value]) => ["--label", `${name}=${value}`]);
    await buildah.need("config", ...env, ...label, "--cmd", "", container);
    await buildah.need("commit", "--quiet", "--disable-compression", container, referenceOf(recipe));
  } finally {
    await buildah.run("rm", container);
  }
}

/** Old packages have files in /bin and /lib that today are one with those of /usr. */
async function mergeUsr(root: string): Promise<void> {
  for (const name of ["bin", "sbin", "lib", "lib64"]) {
    await mkdir(join(root, "usr", name), { recursive: true });
    await needTool("ln", ["-s", `usr/${name}`, join(root, name)]);
  }
}

function referenceOf({ name }: Pick<Recipe, "name">): string {
  return `localhost/elafros/${name}`;
}

/** Changes when anything does that the image is made from. */
function fingerprintOf(recipe: Recipe, packages: readonly PackageFile[], parents: readonly string[]): string {
  const parts = [
    JSON.stringify(recipe),
    String(recipe.follow),
    ...packages.map(({ file, hash }) => `${file} ${hash}`),
    ...parents,
  ];
  return createHash("sha256").update(parts.join("\n")).digest("hex").slice(0, 16);
}
