import { configurationLabel } from "../api/labels.ts";
import { generationOf } from "./conditions.ts";
import { FailureError, UsageError } from "./errors.ts";
import type { Session } from "./factory.ts";
import { Revision } from "./objects.ts";
import { plainName } from "./print.ts";

/** `v{generation}`, which is a Revision's Id within its service. */
const revisionId = /^v(\d{1,10})$/;

/**
 * Finds the name of a Revision from its name or its Id.
 * @param service what an Id is looked up in; an Id without a service is a usage error
 */
export async function resolveRevision(session: Session, given: string, service: string | undefined): Promise<string> {
  const text = plainName(given);
  const match = revisionId.exec(text);
  if (match === null) return text;
  if (service === undefined) {
    throw new UsageError(
      `Revision "${text}" is an Id, which needs a service: name it with --service, or give the revision's name`,
    );
  }
  const revisions = await session.client.list(Revision, {
    namespace: session.namespace,
    labelSelector: `${configurationLabel}=${service}`,
  });
  const revision = revisions.items.find((one) => generationOf(one) === Number(match[1]));
  if (revision === undefined) {
    const ids = revisions.items.map((one) => `v${generationOf(one)}`).join(", ");
    throw new FailureError(`Service "${service}" has no revision "${text}"${ids === "" ? "" : `: it has ${ids}`}`);
  }
  return revision.metadata.name;
}
