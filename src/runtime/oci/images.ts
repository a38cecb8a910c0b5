/**
 * Images on this machine: skopeo asks registries and copies into an own containers-storage, podman tells what is there. The
 * machine's configuration counts as it does for these tools: registries.conf with its mirrors, certs.d, policy.json, auth files.
 * Only what a tag is on a loopback registry is asked in this process, where nothing of that can matter.
 *
 * A tag means what the registry says it means now, whatever was pulled before. A reference by digest is exact already. Names of
 * `localhost/…`, and names without a registry that `podman build` has given here, mean the image in this machine's storage.
 */
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, systemClock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { ImageError, type PullProgress } from "../images.ts";
import type { RegistryAuth } from "../workloads.ts";
import { NoRoomError } from "./disk-room.ts";
import { builtReference, importLayout, pushLayout } from "./images-import.ts";
import { inspectLocal, layersPresent, type LocalImage, type LocalStorage } from "./images-inspect.ts";
import { loopbackManifest } from "./images-loopback.ts";
import { type LayerSizes, sumOf, watchDownload } from "./images-progress.ts";
import { pruneImages, removeParts } from "./images-prune.ts";
import { type ImageReference, parseReference } from "../registry/reference.ts";
import { pullFromRegistry, registryManifest, type PullContext } from "./images-registry.ts";
import type { Launcher } from "./launcher.ts";
import type { ImageRoot, ImageStore } from "./parts.ts";
import { chooseDriver, prepareStorage, type StorageDriver, type StoragePaths } from "./storage-config.ts";
import { launchedTools, runTool } from "./storage-run.ts";

export interface ImageStoreOptions {
  /** The directory of this installation's images: `platformPaths(dataDir).images`. */
  images: string;
  /** For the tools' locks and runtime state; below `platformPaths(dataDir).run`. */
  runRoot: string;
  log: Log;
  clock?: Clock;
  /** What pulls leave free of the images' file system; of a small one the tenth part. Default 1 GiB, as builds and uploads do. */
  reserveBytes?: number;
  /** Starts the tools, without stopping this process's event loop; they are children of this process unless given. */
  launcher?: Launcher;
}

/** The image store of an installation. */
export interface OciImageStore extends ImageStore {
  /** How layers are kept: `vfs` where the data directory's file system can't do overlay, which takes more space and time. */
  readonly driver: StorageDriver;
}

const defaultReserveBytes = 2 ** 30;

/** How long an image that was asked for is kept from pruning, in milliseconds: its Revision may not be written yet. */
const freshMs = 10 * 60_000;

/** Opens (and makes, where it isn't there) an installation's image store; one process has it open at a time. */
export async function createImageStore(options: ImageStoreOptions): Promise<OciImageStore> {
  const paths: StoragePaths = { images: options.images, runRoot: options.runRoot };
  const clock = options.clock ?? systemClock;
  const driver = await chooseDriver(paths);
  if (driver === "vfs") {
    options.log.warn({ images: paths.images }, "this file system can't hold overlays: images are kept as whole copies");
  }
  const temporary = join(paths.images, "tmp");
  await mkdir(temporary, { recursive: true, mode: 0o700 });
  // Downloads and auth files that an earlier process was killed over.
  for (const left of await readdir(temporary)) await rm(join(temporary, left), { recursive: true, force: true });
  await prepareStorage(paths, driver);

  const run = options.launcher === undefined ? runTool : launchedTools(options.launcher, temporary);
  const roots = new Map<string, ImageRoot>();
  const pulls = new Map<string, Promise<void>>();
  const sizes = new Map<string, LayerSizes>();
  /** When each image was last asked for. */
  const asked = new Map<string, number>();

  const storage = async (): Promise<LocalStorage> => ({ paths, driver, env: await prepareStorage(paths, driver), run });
  const context = async (): Promise<PullContext> => ({
    temporary,
    images: paths.images,
    reserveBytes: options.reserveBytes ?? defaultReserveBytes,
    env: (await storage()).env,
    run,
  });
  const byTag = async (reference: ImageReference): Promise<LocalImage | undefined> =>
    inspectLocal(await storage(), `${reference.name}:${reference.tag ?? "latest"}`);

  async function root(exact: string): Promise<ImageRoot | undefined> {
    asked.set(exact, clock.now());
    const known = roots.get(exact);
    if (known !== undefined && (await layersPresent(known))) return known;
    roots.delete(exact);
    const found = await inspectLocal(await storage(), exact);
    if (found === undefined || !(await layersPresent(found))) return undefined;
    const { id, layers, config } = found;
    roots.set(exact, { id, layers, config });
    return { id, layers, config };
  }

  async function resolve(
    written: string,
    auth: readonly RegistryAuth[],
    policy: "Always" | "IfNotPresent" | "Never",
  ): Promise<string> {
    const reference = parseReference(written);
    const exact = await resolveReference(written, reference, auth, policy);
    asked.set(exact, clock.now());
    return exact;
  }

  async function resolveReference(
    written: string,
    reference: ImageReference,
    auth: readonly RegistryAuth[],
    policy: "Always" | "IfNotPresent" | "Never",
  ): Promise<string> {
    if (reference.digest !== undefined) return exactName(reference, reference.digest);
    if (reference.short) {
      const local = parseReference(`localhost/${written}`);
      const built = await byTag(local);
      if (built !== undefined) return exactName(local, built.digest);
    }
    if (reference.local || policy === "Never") {
      const found = await byTag(reference);
      if (found !== undefined) return exactName(reference, found.digest);
      throw new ImageError(notHere(reference));
    }
    try {
      const { digest, layers } =
        (await loopbackManifest(reference, auth)) ?? (await registryManifest(await context(), reference, auth));
      const exact = exactName(reference, digest);
      if (layers !== undefined) sizes.set(exact, layers);
      return exact;
    } catch (error) {
      const found = policy === "IfNotPresent" && error instanceof ImageError ? await byTag(reference) : undefined;
      if (found === undefined) throw error;
      options.log.warn({ image: written, error: String(error) }, "registry can't be asked: the local image is used");
      return exactName(reference, found.digest);
    }
  }

  async function pull(exact: string, auth: readonly RegistryAuth[], progress?: PullProgress): Promise<void> {
    const reference = parseReference(exact);
    if (reference.digest === undefined) {
      throw new ImageError(`Cannot pull image ${JSON.stringify(exact)}: it has no digest`);
    }
    for (;;) {
      if ((await root(exact)) !== undefined) return;
      if (reference.local) throw new ImageError(notHere(reference));
      const running = pulls.get(exact);
      if (running === undefined) break;
      // Another's failure isn't ours: its credentials may have been others.
      await running.catch(() => {});
    }
    const pulling = transfer(exact, reference, auth, progress).finally(() => pulls.delete(exact));
    pulls.set(exact, pulling);
    await pulling;
  }

  async function transfer(
    exact: string,
    reference: ImageReference,
    auth: readonly RegistryAuth[],
    progress: PullProgress | undefined,
  ): Promise<void> {
    const layers = sizes.get(exact);
    let seen = 0;
    const watched: PullProgress = (done, total) => {
      seen = done;
      progress?.(done, total);
    };
    const total = layers === undefined ? undefined : sumOf(layers);
    const from = await context();
    const moved = await pullFromRegistry(from, reference, auth, (dir) => watchDownload(dir, total, watched)).catch(
      async (error: unknown) => {
        // Its tool was ended before it came to its end.
        if (error instanceof NoRoomError) await removeParts(await storage(), options.log);
        throw error;
      },
    );
    if ((await root(exact)) === undefined) {
      throw new ImageError(`Cannot find image ${JSON.stringify(exact)} after its pull: something else removes images`);
    }
    if (moved.length > 0) {
      const bytes = layers === undefined ? seen : sumOf(layers, moved);
      progress?.(bytes, bytes);
    }
    sizes.delete(exact);
  }

  async function prune(keep: readonly string[]): Promise<string[]> {
    for (const [exact, at] of asked) if (clock.now() - at > freshMs) asked.delete(exact);
    const removed = await pruneImages(await storage(), new Set([...keep, ...asked.keys()]), options.log);
    for (const exact of removed) roots.delete(exact);
    return removed;
  }

  return {
    driver,
    resolve,
    pull,
    root,
    prune,
    importLayout: async ({ name, ...from }, signal) => {
      const wanted = { ...from, reference: builtReference(name) };
      const exact = await importLayout(await context(), wanted, signal).catch(async (error: unknown) => {
        // It may have filled the disk, and was ended for that or came to its end first.
        await removeParts(await storage(), options.log);
        throw error;
      });
      asked.set(exact, clock.now());
      return exact;
    },
    pushLayout: async ({ name, ...from }, auth, signal) => {
      const reference = builtReference(name);
      if (!reference.local) await pushLayout(await context(), { ...from, reference, auth }, signal);
    },
  };
}

function exactName(reference: ImageReference, digest: string): string {
  return `${reference.name}@${digest}`;
}

function notHere(reference: ImageReference): string {
  const name = `${reference.name}${reference.digest === undefined ? `:${reference.tag ?? "latest"}` : `@${reference.digest}`}`;
  return reference.local
    ? `not in this machine's image storage, the only place of names that start with "localhost/": make it with podman build -t ${reference.name}`
    : `not in this machine's image storage, and its pull policy is Never: podman pull ${name} brings it there`;
}
