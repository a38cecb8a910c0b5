/** Names of what a build's Pod consists of, and where things are in its containers. */
import type { BuildKey } from "../../runtime/builds.ts";

/** The Pod of a build; as on one machine. */
export function buildPodName({ name }: BuildKey): string {
  return `${name}-build`;
}

/** The platform's own containers besides the source's. No step may have these names. */
export const ownContainers = { prepare: "elafros-prepare", image: "elafros-image" } as const;

/** The platform's programs, on the PATH of its images. */
export const ownPrograms = { prepare: "elafros-prepare", image: "elafros-image" } as const;

/** Paths in the platform's own containers. */
export const ownPaths = {
  /** A Secret: requests of the programs, and the files of `HOME`. */
  input: "/elafros/input",
  /** Authorities besides the public ones, in one file of that name: for every container. */
  authorities: "/elafros/authorities",
  /** Of the source step alone. */
  fetch: "/elafros/fetch",
  termination: "/dev/termination-log",
  /** The Pod's token for the controllers' door. */
  token: "/elafros/door/token",
} as const;

/** Annotation on a Pod that is ended before its time: why, as JSON. */
export const endAnnotation = "build.dev/ended";

/** Annotation on a Build: the uid of its one Pod, written before any container of that can begin. */
export const podAnnotation = "build.dev/pod";

/** The key of the input, and the file in every container, with the authorities that the installation trusts besides the public ones. */
export const authoritiesFile = "authorities.crt";

/** The user's name beside the token, where a name is needed. */
export const doorUser = "token";
/** The repository of a namespace's uploads, below the namespace's own path. */
export const uploadsPath = "elafros-uploads";
