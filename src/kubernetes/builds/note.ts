/**
 * The note on a Build which Pod is its one. It is written after the Pod is created and before that gets the Secrets without which nothing in it begins: so of a Build without a note nothing has
 * run, and one with a note whose Pod is gone may have run, whoever made the Pod and whoever leads now.
 */
import { Build } from "../../api/build.ts";
import { isReason } from "../../api/meta/errors.ts";
import type { Client } from "../../client/client.ts";
import type { BuildKey } from "../../runtime/builds.ts";
import { podAnnotation } from "./names.ts";

/** Others write to a Build too, its controller above all. */
const mostTries = 10;

/** The Build as the API server has it now, not as it was seen; undefined where it is gone or another has its name. Rejects with ApiError */
async function find(client: Pick<Client, "get">, key: BuildKey, uid: string): Promise<Build | undefined> {
  try {
    const build = await client.get(Build, key);
    return build.metadata.uid === uid ? build : undefined;
  } catch (error) {
    if (isReason(error, "NotFound")) return undefined;
    throw error;
  }
}

/** What is noted: a Pod's uid, or `none`; undefined where the Build is gone. @param uid of the Build. Rejects with ApiError */
export async function notedPod(client: Pick<Client, "get">, key: BuildKey, uid: string): Promise<string | undefined> {
  const build = await find(client, key, uid);
  return build && (build.metadata.annotations?.[podAnnotation] ?? "none");
}

/** Notes a Pod where none is noted; gives the uid that then is, undefined where the Build is gone. Rejects with ApiError */
export async function notePod(
  client: Pick<Client, "get" | "patch">,
  key: BuildKey,
  { uid, pod }: { uid: string; pod: string },
): Promise<string | undefined> {
  for (let tried = 1; ; tried += 1) {
    const build = await find(client, key, uid);
    const noted = build?.metadata.annotations?.[podAnnotation];
    if (build === undefined || noted !== undefined) return noted;
    const { resourceVersion = "" } = build.metadata;
    // Only as it was read: another that leads may have noted another.
    const body = { metadata: { uid, resourceVersion, annotations: { [podAnnotation]: pod } } };
    try {
      await client.patch(Build, key, { type: "merge", body });
      return pod;
    } catch (error) {
      if (isReason(error, "NotFound")) return undefined;
      if (!isReason(error, "Conflict") || tried === mostTries) throw error;
    }
  }
}
