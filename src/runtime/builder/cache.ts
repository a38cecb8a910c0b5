/**
 * What is kept between builds of one cache: layers (buildah's storage), and what package managers downloaded. Builds may share it at the same time; only one that is
 * alone tidies up.
 */
import { randomUUID } from "node:crypto";
import { mkdir, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ask } from "./tools.ts";

export interface BuildCache {
  /** What buildah's TMPDIR is: it keeps its cache mounts there. */
  temporary: string;
  /** Blobs of images. */
  blobs: string;
  /** Empties the storage where no other build uses it; says whether it did. */
  discard(): Promise<boolean>;
  /** Tidies up, at most once a day, and lets go of the cache. */
  close(): Promise<void>;
}

const day = 24 * 3_600_000;
const keptDays = 7;
const maxBytes = 10 * 2 ** 30;

/** Opens the cache in a directory. */
export async function openCache(directory: string, env: NodeJS.ProcessEnv): Promise<BuildCache> {
  const temporary = join(directory, "tmp");
  const blobs = join(directory, "blobs");
  const users = join(directory, "users");
  await mkdir(temporary, { recursive: true });
  await mkdir(users, { recursive: true });
  const marker = join(users, randomUUID());
  await writeFile(marker, "");
  // Other builds run in other containers: all that they can see of this one is that its marker is fresh.
  const beat = setInterval(() => void utimes(marker, new Date(), new Date()).catch(() => {}), 20_000);
  beat.unref();
  const alone = async () => {
    for (const name of await readdir(users)) {
      const path = join(users, name);
      const age = Date.now() - ((await stat(path).catch(() => undefined))?.mtimeMs ?? 0);
      if (path !== marker && age < 60_000) return false;
      if (path !== marker) await rm(path, { force: true });
    }
    return true;
  };
  const storage = () => ask("buildah", ["info", "--format", "{{.store.GraphRoot}}"], env);
  return {
    temporary,
    blobs,
    discard: async () => {
      const root = await storage();
      if (root === undefined || !root.startsWith(directory) || !(await alone())) return false;
      await rm(root, { recursive: true, force: true });
      return true;
    },
    close: async () => {
      clearInterval(beat);
      const tidied = join(directory, "tidied");
      const last = (await stat(tidied).catch(() => undefined))?.mtimeMs;
      if (last === undefined) await writeFile(tidied, "");
      else if (Date.now() - last > day && (await alone())) {
        await tidy(directory, env);
        await writeFile(tidied, "");
      }
      await rm(marker, { force: true });
    },
  };
}

/** Removes layers that are older than a week, what was cut off, and everything where it got too much. */
async function tidy(directory: string, env: NodeJS.ProcessEnv): Promise<void> {
  await ask("buildah", ["rm", "--all"], env);
  const text = (await ask("buildah", ["images", "--all", "--json"], env)) ?? "[]";
  const images = JSON.parse(text) as { id: string; createdatraw: string; readonly: boolean }[];
  const old = images.filter((image) => !image.readonly && Date.now() - Date.parse(image.createdatraw) > keptDays * day);
  for (const { id } of old) await ask("buildah", ["rmi", "--force", id], env);
  // What builds that were killed left.
  for (const [folder, kept] of [
    ["tmp", "buildah-cache"],
    ["blobs", "sha256"],
  ] as const) {
    for (const name of await readdir(join(directory, folder)).catch(() => [])) {
      if (name !== kept) await rm(join(directory, folder, name), { recursive: true, force: true });
    }
  }
  const bytes = Number((await ask("du", ["--summarize", "--bytes", directory], env))?.split("\t")[0] ?? 0);
  if (bytes <= maxBytes) return;
  for (const name of ["tmp", "blobs"]) await rm(join(directory, name), { recursive: true, force: true });
  await ask("buildah", ["rmi", "--all", "--force"], env);
}
