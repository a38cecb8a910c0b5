import { revisionLabel } from "../api/labels.ts";
import type { Session } from "./factory.ts";
import { Pod } from "./objects.ts";

const lastLines = 20;

/** The last output of a Revision's instances, as the lines below an error. */
export async function lastWords(session: Session, revisionName: string): Promise<string[]> {
  const lines = await containerLines(session, revisionName);
  return lines.length === 0 ? [] : ["Last lines of the container:", ...lines.map((line) => `  ${line}`)];
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
