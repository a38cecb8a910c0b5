import { isDeepStrictEqual } from "node:util";
import { isFixed } from "../../api/build-spec.ts";
import { buildOutcome } from "../../api/build.conditions.ts";
import { Build } from "../../api/build.ts";
import type { Configuration } from "../../api/configuration.ts";
import {
  buildImageAnnotation,
  configurationGenerationAnnotation,
  configurationLabel,
  creatorAnnotation,
} from "../../api/labels.ts";
import { apiVersionOf } from "../../api/meta/kind.ts";
import { creatorOf, generationOf, isOwnedBy, ownerOf } from "./names.ts";

/** The Build of a Configuration's present generation. `container.image`, the promise, is the name that its image gets. */
export function makeBuild(configuration: Configuration, name: string): Build {
  const { metadata, spec } = configuration;
  const creator = creatorOf(configuration);
  return {
    apiVersion: apiVersionOf(Build),
    kind: Build.kind,
    metadata: {
      name,
      ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
      labels: { [configurationLabel]: metadata.name },
      annotations: {
        ...(creator === undefined ? {} : { [creatorAnnotation]: creator }),
        [configurationGenerationAnnotation]: String(metadata.generation ?? 1),
        [buildImageAnnotation]: spec.revisionTemplate.spec.container.image,
      },
      ownerReferences: [ownerOf(configuration)],
    },
    spec: structuredClone(spec.build ?? {}),
  };
}

/**
 * The Build that a new Revision of the Configuration can use: that of the present generation, where it was made before a crash; else the newest
 * that succeeded with the same spec and promise from a source that is the same each time.
 *
 * @param endedAfter those that ended earlier are about to be deleted; milliseconds since the epoch
 */
export function usableBuild(
  configuration: Configuration,
  builds: readonly Build[],
  endedAfter: number,
): Build | undefined {
  const owned = builds.filter((build) => isOwnedBy(build, configuration));
  const own = owned.find((build) => generationOf(build) === (configuration.metadata.generation ?? 1));
  if (own !== undefined) return own;
  const { build: wanted, revisionTemplate } = configuration.spec;
  if (!isFixed(wanted?.source)) return undefined;
  return owned
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .filter(({ metadata }) => metadata.annotations?.[buildImageAnnotation] === revisionTemplate.spec.container.image)
    .filter(({ status }) => buildOutcome(status?.conditions) === "succeeded" && status?.imageDigest !== undefined)
    .filter(({ status }) => Date.parse(status?.completionTime ?? "") > endedAfter)
    .filter(({ spec }) => isDeepStrictEqual({ ...spec, status: undefined }, { ...wanted, status: undefined }))
    .toSorted((a, b) => generationOf(b) - generationOf(a))[0];
}
