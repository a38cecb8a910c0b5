import { Configuration } from "../../api/configuration.ts";
import {
  configurationGenerationAnnotation,
  configurationLabel,
  creatorAnnotation,
  lastModifierAnnotation,
  routedFinalizer,
} from "../../api/labels.ts";
import { apiVersionOf } from "../../api/meta/kind.ts";
import { Revision } from "../../api/revision.ts";

/**
 * The Revision of a Configuration's present generation. It is born with the finalizer that lets it serve on after a deletion for
 * as long as a Route names it: added later, a deletion could come first.
 */
export function makeRevision(configuration: Configuration, name: string): Revision {
  const { metadata, spec } = configuration;
  const template = spec.revisionTemplate;
  const creator = metadata.annotations?.[lastModifierAnnotation] ?? metadata.annotations?.[creatorAnnotation];
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
      ownerReferences: [
        {
          apiVersion: apiVersionOf(Configuration),
          kind: Configuration.kind,
          name: metadata.name,
          uid: metadata.uid ?? "",
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
      finalizers: [routedFinalizer],
    },
    spec: structuredClone(template.spec),
  };
}
