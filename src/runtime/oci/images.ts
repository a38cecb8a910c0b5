/**
 * Images on this machine: skopeo asks registries and copies into an own containers-storage, podman tells what is there. The
 * machine's configuration counts as it does for these tools: registries.conf with its mirrors, certs.d, policy.json, auth files.
 */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "../../lib/log.ts";
import { ImageError, type PullProgress } from "../images.ts";
import type { RegistryAuth } from "../workloads.ts";
import { inspectLocal, layersPresent } from "./images-inspect.ts";
import { type ImageReference, parseReference } from "./images-reference.ts";
import { pullFromRegistry, registryDigest, type RegistryContext } from "./images-registry.ts";
import type { ImageRoot, ImageStore } from "./parts.ts";
import { prepareStorage, type StoragePaths } from "./storage-config.ts";

export interface ImageStoreOptions {
  /** The directory of this installation's images: `platformPaths(dataDir).images`. */
  images: string;
  /** For the tools' locks and runtime state; below `platformPaths(dataDir).run`. */
  runRoot: string;
  log: Log;
}

/** Opens (and makes, where it isn't there) an installation's image store. */
export async function createImageStore(options: ImageStoreOptions): Promise<ImageStore> {
  const paths: StoragePaths = { images: options.images, runRoot: options.runRoot };
  const driver = "overlay";
  await prepareStorage(paths, driver);
  const temporary = join(paths.images, "tmp");
  for (const left of await readdir(temporary)) await rm(join(temporary, left), { recursive: true, force: true });

  const roots = new Map<string, ImageRoot>();
  const pulls = new Map<string, Promise<void>>();
  const environment = () => prepareStorage(paths, driver);
  const local = async (name: string) => inspectLocal(paths, await environment(), name);
  const context = async (): Promise<RegistryContext> => ({ temporary, env: await environment() });

  async function root(exact: string): Promise<ImageRoot | undefined> {
    const known = roots.get(exact);
    if (known !== undefined && (await layersPresent(known))) return known;
    roots.delete(exact);
    const found = await local(exact);
    if (found === undefined || !(await layersPresent(found))) return undefined;
    const { id, layers, config } = found;
    roots.set(exact, { id, layers, config });
    return { id, layers, config };
  }

  async function localDigest(reference: ImageReference): Promise<string | undefined> {
    const tag = reference.tag ?? "latest";
    const found = await local(`${reference.name}:${tag}`);
    return found === undefined ? undefined : `${reference.name}@${found.digest}`;
  }

  async function resolve(
    written: string,
    auth: readonly RegistryAuth[],
    policy: "Always" | "IfNotPresent" | "Never",
  ): Promise<string> {
    const reference = parseReference(written);
    if (reference.digest !== undefined) return `${reference.name}@${reference.digest}`;
    if (reference.short) {
      const built = await localDigest(parseReference(`localhost/${written}`));
      if (built !== undefined) return built;
    }
    if (reference.local || policy === "Never") {
      const found = await localDigest(reference);
      if (found !== undefined) return found;
      const why = reference.local
        ? `names that start with "localhost/" are only looked for there`
        : "its pull policy is Never";
      throw new ImageError(`not in this machine's image storage, and ${why}`);
    }
    try {
      return `${reference.name}@${await registryDigest(await context(), reference, auth)}`;
    } catch (error) {
      const found = policy === "IfNotPresent" && error instanceof ImageError ? await localDigest(reference) : undefined;
      if (found === undefined) throw error;
      options.log.warn(
        { image: written, error: String(error) },
        "Registry can't be asked: using the image that is on this machine",
      );
      return found;
    }
  }

  async function pull(exact: string, auth: readonly RegistryAuth[], progress?: PullProgress): Promise<void> {
    const reference = parseReference(exact);
    if (reference.digest === undefined)
      throw new ImageError(`Cannot pull image ${JSON.stringify(exact)}: it has no digest`);
    if ((await root(exact)) !== undefined) return;
    if (reference.local) throw new ImageError("not in this machine's image storage any more");
    const running = pulls.get(exact);
    if (running !== undefined) return running;
    const pulling = fetchImage(exact, reference, auth, progress).finally(() => pulls.delete(exact));
    pulls.set(exact, pulling);
    await pulling;
  }

  async function fetchImage(
    exact: string,
    reference: ImageReference,
    auth: readonly RegistryAuth[],
    _progress?: PullProgress,
  ): Promise<void> {
    await pullFromRegistry(await context(), reference, auth);
    if ((await root(exact)) === undefined) {
      throw new ImageError(
        `Pulled image ${JSON.stringify(exact)}, and it is not in local storage: something else removes images there`,
      );
    }
  }

  return { resolve, pull, root, prune: () => Promise.resolve([]) };
}
