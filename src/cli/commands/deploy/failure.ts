import { revisionLabel } from "../../../api/labels.ts";
import { FailureError } from "../../errors.ts";
import type { Session } from "../../factory.ts";
import { Pod, type TrafficTarget } from "../../objects.ts";

const lastLines = 20;

/** Why a deploy failed, as the person should read it: the reason, the container's last lines, and what serves meanwhile. */
export async function failedRevision(failure: {
  session: Session;
  service: string;
  revisionName: string;
  reason: string;
  served: readonly TrafficTarget[];
}): Promise<FailureError> {
  const { session, revisionName } = failure;
  const lines = await containerLines(session, revisionName);
  const detail = lines.length === 0 ? [] : ["Last lines of the container:", ...lines.map((line) => `  ${line}`)];
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

/** The last output of the Revision's instances; the run before, where the present one has said nothing. */
async function containerLines(session: Session, revisionName: string): Promise<string[]> {
  try {
    const { client, namespace } = session;
    const pods = await client.list(Pod, { namespace, labelSelector: `${revisionLabel}=${revisionName}` });
    for (const pod of pods.items) {
      for (const previous of [false, true]) {
        const lines: string[] = [];
        const key = { namespace, name: pod.metadata.name };
        try {
          for await (const line of client.podLog(key, { tailLines: lastLines, previous })) lines.push(line);
        } catch {
          // No such run, or it is gone: the condition's message has to do.
        }
        if (lines.length > 0) return lines;
      }
    }
  } catch {
    // The reason is known; that its output can't be read mustn't hide it.
  }
  return [];
}
