/** Who made an object and who changed it last, as annotations that only the server sets, and what only the platform may create. */
import type { Kind } from "../api/meta/kind.ts";
import type { KubeObject, UserInfo } from "../api/meta/types.ts";
import { creatorAnnotation, lastModifierAnnotation } from "../api/labels.ts";
import { forbidden } from "./service-errors.ts";
import { isCustom } from "./service-names.ts";

/** The group of the platform's own controllers. */
export const controllerGroup = "system:elafros:controller";

/** Whether the user is one of the platform's controllers. */
function isController(user: UserInfo): boolean {
  return user.groups.includes(controllerGroup);
}

/** Refuses what users may not create: a Revision is the record of a Configuration's generation. */
export function checkCreator(kind: Kind, name: string, user: UserInfo): void {
  if (kind.group !== "elafros.dev" || kind.kind !== "Revision" || isController(user)) return;
  throw forbidden(kind, name, {
    why: "Revisions are made by the platform: change the Configuration's spec.revisionTemplate, and it makes the next one",
  });
}

function withAnnotations(object: KubeObject, values: Record<string, string | undefined>): KubeObject {
  const annotations = { ...object.metadata.annotations };
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined) delete annotations[key];
    else annotations[key] = value;
  }
  const { annotations: _, ...metadata } = object.metadata;
  return {
    ...object,
    metadata: Object.keys(annotations).length === 0 ? metadata : { ...metadata, annotations },
  };
}

/** The new object with its creator. Controllers name them for what they make; nobody else's word counts. */
export function stampCreator(kind: Kind, object: KubeObject, user: UserInfo): KubeObject {
  if (!isCustom(kind)) return object;
  const said = isController(user) ? object.metadata.annotations : undefined;
  return withAnnotations(object, {
    [creatorAnnotation]: said?.[creatorAnnotation] ?? user.username,
    [lastModifierAnnotation]: said?.[lastModifierAnnotation] ?? user.username,
  });
}

/** The changed object with the creator it always had, and who last changed its spec. */
export function stampModifier(
  kind: Kind,
  object: KubeObject,
  { old, user, specChanged }: { old: KubeObject; user: UserInfo; specChanged: boolean },
): KubeObject {
  if (!isCustom(kind)) return object;
  const before = old.metadata.annotations ?? {};
  return withAnnotations(object, {
    [creatorAnnotation]: before[creatorAnnotation],
    [lastModifierAnnotation]: specChanged ? user.username : before[lastModifierAnnotation],
  });
}
