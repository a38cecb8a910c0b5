/** What is in local storage: asked of podman, which reads it through the same library that wrote it. */
import { access } from "node:fs/promises";
import { join } from "node:path";
import { ImageError } from "../images.ts";
import type { ImageRoot } from "./parts.ts";
import type { StoragePaths } from "./storage-config.ts";
import { runTool } from "./storage-run.ts";

/** An image in local storage. */
export interface LocalImage extends ImageRoot {
  /** Digest of its manifest. */
  digest: string;
  /** `name:tag` of each. */
  tags: string[];
  /** `name@sha256:…` of each. */
  digests: string[];
}

interface Inspected {
  Id: string;
  Digest: string;
  RepoTags?: string[] | null;
  RepoDigests?: string[] | null;
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

/** Arguments that keep podman's own state within our directories; the store comes by CONTAINERS_STORAGE_CONF (`--root` would drop its other options). */
export function podmanArgs(paths: StoragePaths): string[] {
  return ["--tmpdir", join(paths.runRoot, "libpod")];
}

/**
 * Looks an image up by `name:tag`, `name@digest` or id. Undefined where it isn't in local storage.
 * @throws ImageError where local storage can't be read
 */
export async function inspectLocal(
  paths: StoragePaths,
  env: Record<string, string>,
  name: string,
): Promise<LocalImage | undefined> {
  const args = [...podmanArgs(paths), "image", "inspect", "--", name];
  const result = await runTool("podman", args, { env });
  if (result.code !== 0) {
    if (/image not known|no such image|image not found|failed to find image/iu.test(result.stderr)) return undefined;
    throw new ImageError(
      `Cannot read local images in "${paths.images}": ${result.stderr.trim().split("\n").at(-1) ?? ""}`,
    );
  }
  const [image] = JSON.parse(result.stdout.toString("utf8")) as Inspected[];
  return image === undefined ? undefined : toLocalImage(image, paths);
}

function toLocalImage(image: Inspected, paths: StoragePaths): LocalImage {
  const config = image.Config ?? {};
  return {
    id: image.Id.replace(/^sha256:/u, ""),
    digest: image.Digest,
    tags: image.RepoTags ?? [],
    digests: image.RepoDigests ?? [],
    layers: layersOf(image, paths),
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

function layersOf(image: Inspected, paths: StoragePaths): string[] {
  const data = image.GraphDriver.Data ?? {};
  const lower = data["LowerDir"] ?? "";
  const upper = data["UpperDir"];
  if (upper === undefined) {
    throw new ImageError(
      `Cannot use image ${image.Id}: storage driver "${image.GraphDriver.Name}" of "${paths.images}" has no layer directories`,
    );
  }
  return [upper, ...(lower === "" ? [] : lower.split(":"))];
}

/** Whether an image's layers are (still) where they were: the machine's store isn't ours, its images may be removed. */
export async function layersPresent(root: ImageRoot): Promise<boolean> {
  const found = await Promise.all(
    root.layers.map((layer) =>
      access(layer).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.every(Boolean);
}
