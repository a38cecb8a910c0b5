import { FailureError } from "../../errors.ts";
import type { Session } from "../../factory.ts";
import { lastWords } from "../../last-words.ts";
import type { TrafficTarget } from "../../objects.ts";

/** Why a deploy failed, as the person should read it: the reason, the container's last lines, and what serves meanwhile. */
export async function failedRevision(failure: {
  session: Session;
  service: string;
  revisionName: string;
  reason: string;
  served: readonly TrafficTarget[];
}): Promise<FailureError> {
  const { session, revisionName } = failure;
  const detail = await lastWords(session, revisionName);
  return failedDeploy(new FailureError(`Revision "${revisionName}" failed: ${failure.reason}`, { detail }), failure);
}

/** A failure with what serves meanwhile. */
export function failedDeploy(
  failure: FailureError,
  { service, served }: { service: string; served: readonly TrafficTarget[] },
): FailureError {
  const meanwhile =
    served.length === 0
      ? `Service [${service}] serves nothing yet. Mend it and deploy again.`
      : `The traffic was not changed: service [${service}] goes on with ${names(served)}.`;
  return new FailureError(failure.message, { detail: [...failure.detail, meanwhile], cause: failure });
}

function names(served: readonly TrafficTarget[]): string {
  const revisions = new Set(served.filter((one) => one.percent > 0).map((one) => one.revisionName ?? ""));
  return [...revisions].join(", ");
}
