import { isReason } from "../api/meta/errors.ts";
import type { Kind } from "../api/meta/kind.ts";
import type { KubeObject } from "../api/meta/types.ts";
import type { Client, ObjectKey } from "../client/client.ts";
import { mergePatch } from "./merge-patch.ts";

/** Others may write at the same time; each attempt starts from what they wrote. */
const maxAttempts = 10;

/**
 * Reads an object, lets `edit` change a copy in place, and sends what changed as a typed merge patch with the resourceVersion
 * that was read, again from the start where somebody else was faster (409). This form works on every Kubernetes API server.
 * @param edit called once per attempt, always with a fresh copy
 * @returns the object before and after; the same one where nothing changed
 */
export async function changeObject<T extends KubeObject>(
  client: Client,
  kind: Kind<T>,
  { key, edit }: { key: ObjectKey; edit: (object: T) => void | Promise<void> },
): Promise<{ before: T; after: T }> {
  for (let attempt = 1; ; attempt++) {
    const before = await client.get(kind, key);
    const edited = structuredClone(before);
    await edit(edited);
    const patch = mergePatch(before, edited);
    if (patch === undefined) return { before, after: before };
    const body = withVersion(patch, before.metadata.resourceVersion);
    try {
      return { before, after: await client.patch(kind, key, { type: "merge", body }) };
    } catch (error) {
      if (!isReason(error, "Conflict") || attempt === maxAttempts) throw error;
    }
  }
}

function withVersion(patch: unknown, resourceVersion: string | undefined): unknown {
  const fields = patch as { metadata?: object };
  return { ...fields, metadata: { ...fields.metadata, resourceVersion } };
}
