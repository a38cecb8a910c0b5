import type { Configuration } from "../../api/configuration.ts";
import {
  configurationGenerationAnnotation,
  configurationLabel,
  creatorAnnotation,
  routedFinalizer,
} from "../../api/labels.ts";
import { apiVersionOf } from "../../api/meta/kind.ts";
import { Revision } from "../../api/revision.ts";
import { creatorOf, ownerOf } from "./names.ts";

/**
 * The Revision of a Configuration's present generation. It is born with the finalizer that lets it serve on after a deletion for
 * as long as a Route names it: added later, a deletion could come first.
 *
 * @param buildName the Build that makes its image; absent where the template names one itself, or there is none.
 */
export function makeRevision(configuration: Configuration, name: string, buildName?: string): Revision {
  const { metadata, spec } = configuration;
  const template = spec.revisionTemplate;
  const creator = creatorOf(configuration);
  return {
    apiVersion: apiVersionOf(Revision),
    kind: Revision.kind,
    metadata: {
      name,
      ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
      labels: { ...template.metadata?.labels, [configurationLabel]: metadata.name },
      annotations: {
        ...template.metadata?.annotations,
        ...(creator === undefined ? {} : { [creatorAnnotation]: creator }),
        [configurationGenerationAnnotation]: String(metadata.generation ?? 1),
      },
      ownerReferences: [ownerOf(configuration)],
      finalizers: [routedFinalizer],
    },
    spec: { ...structuredClone(template.spec), ...(buildName === undefined ? {} : { buildName }) },
  };
}
