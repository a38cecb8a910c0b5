/** What is in local storage: asked of podman, which reads it through the same library that wrote it. */
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ImageError } from "../images.ts";
import type { ImageRoot } from "./parts.ts";
import { type StorageDriver, type StoragePaths, ownStore, storesOf } from "./storage-config.ts";
import type { RunTool } from "./storage-run.ts";

/** Local storage, opened. */
export interface LocalStorage {
  paths: StoragePaths;
  driver: StorageDriver;
  /** Environment that makes the tools use it. */
  env: Record<string, string>;
  /** How they are run. */
  run: RunTool;
}

/** An image in local storage. */
export interface LocalImage extends ImageRoot {
  /** Digest of its manifest, `sha256:…`. */
  digest: string;
}

interface Inspected {
  Id: string;
  Digest: string;
  User?: string;
  Config?: {
    Env?: string[] | null;
    Entrypoint?: string[] | null;
    Cmd?: string[] | null;
    User?: string;
    WorkingDir?: string;
    StopSignal?: string;
    Volumes?: Record<string, unknown> | null;
  } | null;
  GraphDriver: { Name: string; Data?: Record<string, string> | null };
}

/**
 * Arguments that keep podman's own state within our directories. The store comes by CONTAINERS_STORAGE_CONF: `--root` would make
 * podman drop all of its other settings.
 */
export function podmanArgs(paths: StoragePaths): string[] {
  return ["--tmpdir", join(paths.runRoot, "libpod")];
}

/**
 * Looks an image up by `name:tag`, `name@digest` or id. Undefined where it isn't in local storage.
 * @throws ImageError where local storage can't be read
 */
export async function inspectLocal(storage: LocalStorage, name: string): Promise<LocalImage | undefined> {
  const args = [...podmanArgs(storage.paths), "image", "inspect", "--"];
  let result = await storage.run("podman", [...args, name], { env: storage.env });
  if (result.code !== 0) {
    // A list of images that somebody made in the machine's store may hide, by its digest, what was pulled from it.
    const own = (await listedImages(ownStore(storage.paths), storage.driver)).find((image) =>
      image.names?.includes(name),
    );
    if (own !== undefined) result = await storage.run("podman", [...args, own.id], { env: storage.env });
  }
  if (result.code !== 0) {
    if (isAbsent(result.stderr)) return undefined;
    const said = result.stderr.trim().split("\n").at(-1) ?? "";
    throw new ImageError(`Cannot read the images in "${storage.paths.images}": ${said}`);
  }
  const [image] = JSON.parse(result.stdout.toString("utf8")) as Inspected[];
  return image === undefined ? undefined : { ...toRoot(image, await layersOf(storage, image)), digest: image.Digest };
}

function toRoot(image: Inspected, layers: string[]): ImageRoot {
  const config = image.Config ?? {};
  return {
    id: image.Id.replace(/^sha256:/u, ""),
    layers,
    config: {
      env: config.Env ?? [],
      entrypoint: config.Entrypoint ?? [],
      cmd: config.Cmd ?? [],
      user: config.User ?? image.User ?? "",
      workingDir: config.WorkingDir ?? "",
      stopSignal: config.StopSignal ?? "",
      volumes: Object.keys(config.Volumes ?? {}),
    },
  };
}

/** The directories of an image's layers, topmost first. */
async function layersOf(storage: LocalStorage, image: Inspected): Promise<string[]> {
  const data = image.GraphDriver.Data ?? {};
  const upper = data["UpperDir"];
  if (upper !== undefined) return [upper, ...(data["LowerDir"] ?? "").split(":").filter((path) => path !== "")];
  if (image.GraphDriver.Name === "vfs") {
    const directory = await vfsDirectory(storage, image.Id);
    if (directory !== undefined) return [directory];
  }
  throw new ImageError(
    `Cannot use image ${image.Id}: storage driver "${image.GraphDriver.Name}" of "${storage.paths.images}" has no layer directories`,
  );
}

/** With driver vfs an image's top layer is a directory of all its files, and podman doesn't tell it: the store's list of images does. */
async function vfsDirectory(storage: LocalStorage, id: string): Promise<string | undefined> {
  for (const store of await storesOf(storage.paths, "vfs")) {
    const found = (await listedImages(store, "vfs")).find((image) => image.id === id);
    if (found?.layer !== undefined) return join(store, "vfs/dir", found.layer);
  }
  return undefined;
}

interface ListedImage {
  id: string;
  names?: string[];
  layer?: string;
}

/** A store's own list of its images. */
async function listedImages(store: string, driver: StorageDriver): Promise<ListedImage[]> {
  const text = await readFile(join(store, `${driver}-images/images.json`), "utf8").catch(() => "[]");
  return JSON.parse(text) as ListedImage[];
}

function isAbsent(stderr: string): boolean {
  return /image not known|no such image|image not found|failed to find image|selected from manifest list/iu.test(
    stderr,
  );
}

/** Whether an image's layers are (still) where they were: the machine's store isn't ours, its images may be removed. */
export async function layersPresent(root: ImageRoot): Promise<boolean> {
  return Promise.all(root.layers.map((layer) => access(layer))).then(
    () => true,
    () => false,
  );
}
