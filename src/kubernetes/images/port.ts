/**
 * The images port on Kubernetes: tags are asked of their registries, with the Revision's pull secrets. Nodes pull what their Pods need, with
 * the same credentials.
 */
import { ImageError, type ImagesPort } from "../../runtime/images.ts";
import { parseReference } from "../../runtime/registry/reference.ts";
import { tagDigest } from "./registry.ts";

export interface ClusterImagesOptions {
  /** Authorities besides the public ones that registries' certificates may be signed by, PEM. */
  authorities?: (() => Promise<string | undefined>) | undefined;
}

export function createClusterImages({ authorities }: ClusterImagesOptions = {}): ImagesPort {
  return {
    async resolve(reference, auth, policy) {
      const parsed = parseReference(reference);
      if (parsed.digest !== undefined) return `${parsed.name}@${parsed.digest}`;
      if (parsed.local) {
        throw new ImageError(
          `image "${reference}" is only on the machine that built it: push it to a registry that the cluster's nodes reach, and deploy that name`,
        );
      }
      if (policy === "Never") {
        throw new ImageError(
          `imagePullPolicy is Never, and what nodes have under "${reference}" isn't known here: name the image by its digest, or leave imagePullPolicy out`,
        );
      }
      return `${parsed.name}@${await tagDigest(parsed, auth, await authorities?.())}`;
    },
    // The kubelet does.
    pull: () => Promise.resolve(),
  };
}
