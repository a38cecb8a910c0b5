/** ConfigMap `base-images`: which images builds start from, and what they leave their result on. */
import { baseImagesName, sharedTemplates } from "../../api/build-names.ts";
import type { ConfigMap } from "../../api/config-map.ts";

/** The official images, on their public registries: those to build with have compilers, those to run on hold little. */
export const officialBaseImages = {
  "node-build": "docker.io/library/node:24-bookworm",
  "node-run": "docker.io/library/node:24-bookworm-slim",
  "python-build": "docker.io/library/python:3.13-bookworm",
  "python-run": "docker.io/library/python:3.13-slim-bookworm",
  "go-build": "docker.io/library/golang:1.25-bookworm",
  "go-run": "gcr.io/distroless/static-debian12:nonroot",
  "static-run": "docker.io/library/nginx:stable-alpine",
} as const;

export type BaseImages = Readonly<Record<keyof typeof officialBaseImages, string>>;

/** The ConfigMap as it is made at first; afterwards it is the operator's. */
export function makeBaseImages(): ConfigMap {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: baseImagesName, namespace: sharedTemplates },
    data: { ...officialBaseImages },
  };
}

/** The images that a ConfigMap names; the official one for what it leaves out or empty. */
export function baseImagesOf(configMap: ConfigMap | undefined): BaseImages {
  const named = Object.entries(configMap?.data ?? {}).filter(([, image]) => image.trim() !== "");
  return { ...officialBaseImages, ...Object.fromEntries(named.map(([key, image]) => [key, image.trim()])) };
}
