/** What the platform tells its own programs in a build's Pod, and what they tell back. */
import type { BuildFailure } from "../../runtime/builds.ts";
import type { RegistryAuth } from "../../runtime/workloads.ts";

/** A repository behind the controllers' door. */
export interface DoorRepository {
  /** `HOST:PORT` of the controllers. */
  host: string;
  /** The repository there. */
  path: string;
  /** The authority of the controllers' certificate, PEM, and the name in it. */
  ca: string;
  serverName: string;
  /** The file with the Pod's token for it. */
  tokenFile: string;
}

/** For the program that makes the Pod ready: JSON in the file `prepare.json` of the input. */
export interface PrepareRequest {
  /** Files of `HOME` and the keys of the input that they are copied from. */
  home: { path: string; from: string }[];
  /** An upload that is to be fetched into the file `to`. */
  upload?: { digest: string; to: string; from: DoorRepository };
}

/** For the program that takes the image: JSON in the file `image.json` of the input. */
export interface ImageRequest {
  /** The name that the image gets, as it is written; absent: the build makes none. */
  image?: string;
  registryAuths: RegistryAuth[];
  /** Where the image goes whose name has no registry, and its name and tag there. */
  door?: { to: DoorRepository; name: string; tag: string };
}

/** What it says at its end, as JSON in its termination message. */
export type ImageResult =
  /** The exact image; absent: the build makes none. */
  { image?: string } | { failure: BuildFailure };

/** Reads what the program said; undefined where it was ended before it could, or said something else. */
export function parseImageResult(text: string): ImageResult | undefined {
  try {
    const { image, failure } = JSON.parse(text) as { image?: unknown; failure?: Partial<BuildFailure> };
    const { reason, message } = failure ?? {};
    if ((reason === "ImageMissing" || reason === "PushFailed") && typeof message === "string") {
      return { failure: { reason, message } };
    }
    if (failure !== undefined) return undefined;
    if (image === undefined) return {};
    return typeof image === "string" && /@sha256:[0-9a-f]{64}$/u.test(image) ? { image } : undefined;
  } catch {
    return undefined;
  }
}
