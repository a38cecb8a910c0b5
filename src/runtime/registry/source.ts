/** Where an image is copied from: a registry, or a layout on this machine. */
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { ImageError } from "../images.ts";
import { type Descriptor, digestOf, type Manifest, manifestTypes, readManifest } from "./manifest.ts";
import { readSome, type Repository } from "./repository.ts";

export interface ImageSource {
  /** What a tag or digest is. @throws ImageError */
  manifest(reference: string): Promise<Manifest>;
  /** A blob's bytes, not checked yet. @throws ImageError */
  blob(blob: Descriptor): Promise<Readable>;
  /** Where other repositories of the same registry can take blobs from by themselves. */
  place?: { registry: string; path: string };
}

/** The distribution specification's limit for manifests. */
const largestManifest = 4 << 20;

export function registrySource(repository: Repository): ImageSource {
  const { registry, path } = repository;
  return {
    place: { registry, path },
    async manifest(reference) {
      const headers = { accept: manifestTypes.join(", ") };
      const answer = await repository.send({ method: "GET", at: `manifests/${reference}`, headers });
      if (answer.status !== 200) throw await repository.refusal(answer);
      const [type = ""] = (answer.headers["content-type"] ?? "").split(";");
      const bytes = await readSome(answer.stream, largestManifest);
      const wanted = reference.startsWith("sha256:") ? reference : answer.headers["docker-content-digest"];
      const name = `${registry}/${path}:${reference}`;
      if (wanted !== undefined && wanted !== digestOf(bytes)) {
        throw new ImageError(`the manifest of ${name} isn't what registry "${registry}" says: its digest is another`);
      }
      return readManifest(bytes, type.trim(), name);
    },
    async blob({ digest }) {
      const answer = await repository.send({ method: "GET", at: `blobs/${digest}` });
      if (answer.status !== 200) throw await repository.refusal(answer);
      return answer.stream;
    },
  };
}

/** A layout of one image that this program has had written itself. */
export function layoutSource(directory: string): ImageSource {
  const pathOf = (digest: string) => join(directory, "blobs/sha256", digest.slice("sha256:".length));
  return {
    async manifest() {
      const index = JSON.parse(await readFile(join(directory, "index.json"), "utf8")) as { manifests: Descriptor[] };
      const [only] = index.manifests;
      if (only === undefined) throw new ImageError(`Cannot read the image in "${directory}": it lists none`);
      return readManifest(await readFile(pathOf(only.digest)), only.mediaType, directory);
    },
    blob: ({ digest }) => Promise.resolve(createReadStream(pathOf(digest))),
  };
}
