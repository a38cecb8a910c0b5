/**
 * Tells in Events what happens to a Revision's instances and no condition says: that the image comes to this machine, that an instance is
 * replaced. They are recorded as it happens and not by a plan, so that a pull's Events stand before the Revision is ready.
 */
import type { PlannedEvent } from "../../controller/plan.ts";
import { formatBytes } from "../../lib/bytes.ts";
import type { ImagePull, InstanceState, WorkloadState } from "../../runtime/workloads.ts";

export interface Notices {
  /** What is new since the last look at this workload. */
  look(key: string, workload: WorkloadState | undefined): PlannedEvent[];
}

/** What of a workload was told last. */
interface Told {
  pull?: ImagePull;
  replaced: ReadonlySet<string>;
}

/** Remembers what was told in this run of control. */
export function createNotices(): Notices {
  const known = new Map<string, Told>();
  return {
    look(key, workload) {
      const before = known.get(key);
      if (workload === undefined) {
        known.delete(key);
        return [];
      }
      const pulls = workload.instances.flatMap((one) => one.pull ?? []);
      const pull = pulls.toSorted((a, b) => b.startedAt - a.startedAt)[0] ?? before?.pull;
      const replaced = workload.instances.filter((one) => one.replaced !== undefined);
      if (pull === undefined && replaced.length === 0) return [];
      const ids = new Set(replaced.map(({ id }) => id));
      known.set(key, { ...(pull === undefined ? {} : { pull }), replaced: ids });
      return [
        ...(pull === undefined ? [] : pullEvents(before?.pull, pull)),
        ...replaced.filter(({ id }) => before?.replaced.has(id) !== true).map(replacedEvent),
      ];
    },
  };
}

/** The Events between two looks at pulls. */
function pullEvents(before: ImagePull | undefined, now: ImagePull): PlannedEvent[] {
  const known = before?.startedAt === now.startedAt;
  const events: PlannedEvent[] = [];
  if (!known) events.push({ type: "Normal", reason: "Pulling", message: `Pulling image "${now.image}"` });
  if (now.endedAt !== undefined && !(known && before.endedAt !== undefined)) {
    const seconds = ((now.endedAt - now.startedAt) / 1000).toFixed(1);
    const message = `Pulled image "${now.image}": ${formatBytes(now.bytes)} in ${seconds} s`;
    events.push({ type: "Normal", reason: "Pulled", message });
  }
  return events;
}

function replacedEvent({ id, replaced = "" }: InstanceState): PlannedEvent {
  return { type: "Warning", reason: "InstanceReplaced", message: `Instance "${id}" is replaced: ${replaced}` };
}
