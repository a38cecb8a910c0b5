/** Names, generations and owners of what Configurations make: Revisions and Builds. */
import { Configuration } from "../../api/configuration.ts";
import { configurationGenerationAnnotation, creatorAnnotation, lastModifierAnnotation } from "../../api/labels.ts";
import { apiVersionOf } from "../../api/meta/kind.ts";
import type { KubeObject, OwnerReference } from "../../api/meta/types.ts";

/** The name of a generation's Revision: `my-service-00001`. */
export function revisionName(configuration: string, generation: number): string {
  return `${configuration}-${String(generation).padStart(5, "0")}`;
}

/**
 * The name where `revisionName` is taken by the Revision of an earlier Configuration of the same name, which a Route still holds:
 * the Configuration's own uid makes it unique, and the same each time.
 */
export function alternativeName(name: string, uid: string): string {
  return `${name}-${uid.replaceAll(/[^0-9a-z]/g, "").slice(0, 5)}`;
}

/** The generation of the Configuration that made a Revision or Build; 0 where it doesn't say. */
export function generationOf(revision: KubeObject): number {
  const text = revision.metadata.annotations?.[configurationGenerationAnnotation] ?? "";
  return /^\d{1,15}$/.test(text) ? Number(text) : 0;
}

/** The generation that a Revision's name tells, for a Revision that is gone; 0 where it tells none. */
export function generationOfName(configuration: string, name: string): number {
  const match = name.startsWith(`${configuration}-`)
    ? /^(\d{5,15})(-[0-9a-z]{1,5})?$/.exec(name.slice(configuration.length + 1))
    : null;
  return match === null ? 0 : Number(match[1]);
}

/** The owner reference of what a Configuration makes. */
export function ownerOf({ metadata }: Configuration): OwnerReference {
  return {
    apiVersion: apiVersionOf(Configuration),
    kind: Configuration.kind,
    name: metadata.name,
    uid: metadata.uid ?? "",
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** Whether the Configuration, and not an earlier one of the same name, made the object. */
export function isOwnedBy(object: KubeObject, configuration: Configuration): boolean {
  return (object.metadata.ownerReferences ?? []).some(({ uid }) => uid === configuration.metadata.uid);
}

/** Who wanted what a Configuration makes: whoever changed it last. */
export function creatorOf({ metadata }: Configuration): string | undefined {
  return metadata.annotations?.[lastModifierAnnotation] ?? metadata.annotations?.[creatorAnnotation];
}
