/** Bad and good objects, as a real API server judges them. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { ApiError, isReason } from "../../src/api/meta/errors.ts";
import type { KubeObject } from "../../src/api/meta/types.ts";
import type { ApplyingClient } from "../../src/client/client.ts";
import { clusterKinds } from "../../src/kubernetes/manifests/crds.ts";
import { type BadObject, badObjects } from "../support/bad-objects.ts";
import { covers } from "../support/crd.ts";
import { admit } from "../support/faults.ts";

const mostAttempts = 20;
const strict = { dryRun: true, fieldValidation: "Strict" } as const;

function placed(object: KubeObject, namespace: string): KubeObject {
  return { ...object, metadata: { ...object.metadata, namespace } };
}

/** Updates whatever is stored by then: controllers that run write its status meanwhile. */
async function updateNewest(
  client: ApplyingClient,
  kind: BadObject["kind"],
  { stored, object }: { stored: KubeObject; object: KubeObject },
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const { resourceVersion = "" } = (await client.get(kind, stored.metadata)).metadata;
    try {
      await client.update(kind, { ...object, metadata: { ...object.metadata, resourceVersion } }, strict);
      return;
    } catch (error) {
      if (!isReason(error, "Conflict") || attempt === mostAttempts) throw error;
    }
  }
}

/** What the server says of a bad object: nothing where it accepts it. */
async function refusalOf(client: ApplyingClient, row: BadObject, namespace: string): Promise<ApiError | undefined> {
  const { kind, old } = row;
  const object = placed(row.object, namespace);
  try {
    if (old === undefined) await client.create(kind, object, strict);
    else {
      const stored = await client.create(kind, placed(old, namespace));
      try {
        await updateNewest(client, kind, { stored, object });
      } finally {
        await client.delete(kind, stored.metadata);
      }
    }
    return undefined;
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
}

/** The faults of the table: what isn't refused, or elsewhere than by the embedded server, and what is though nobody expects it. */
export async function judgeBad(client: ApplyingClient, namespace: string): Promise<string[]> {
  const faults: string[] = [];
  for (const row of badObjects) {
    const refusal = await refusalOf(client, row, namespace);
    if (row.unheld !== undefined) {
      if (refusal !== undefined)
        faults.push(`${row.title}: is refused, and the documents say it isn't: ${refusal.message}`);
      continue;
    }
    if (refusal?.reason !== "Invalid") {
      faults.push(`${row.title}: ${refusal === undefined ? "is accepted" : refusal.message}`);
      continue;
    }
    const places = (refusal.details?.causes ?? []).map(({ field }) => field);
    const untold = admit(row.kind, row.object, row.old)
      .faults.map(({ field }) => field)
      .filter((field) => !places.some((place) => covers(place, field)));
    if (untold.length > 0)
      faults.push(`${row.title}: the fault is at ${untold.join(", ")}, not at ${places.join(", ")}`);
  }
  return faults;
}

/** What the server refuses of the examples. */
export async function judgeGood(client: ApplyingClient, namespace: string): Promise<string[]> {
  const directory = join(import.meta.dirname, "../../examples");
  const faults: string[] = [];
  let seen = 0;
  for (const name of readdirSync(directory).filter((file) => file.endsWith(".yaml"))) {
    for (const document of parseAllDocuments(readFileSync(join(directory, name), "utf8"))) {
      const object = document.toJS() as KubeObject;
      const kind = clusterKinds.find((of) => of.kind.kind === object.kind)?.kind;
      if (kind === undefined) continue;
      seen += 1;
      try {
        await client.create(kind, placed(object, namespace), strict);
      } catch (error) {
        faults.push(`examples/${name}, ${object.kind} ${object.metadata.name}: ${(error as Error).message}`);
      }
    }
  }
  return seen === 0 ? ["no example was found"] : faults;
}
