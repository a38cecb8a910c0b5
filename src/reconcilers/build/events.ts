/** What a person would ask about a Build: what changed between the status that is there and the one to come. Pure. */
import { buildOutcome } from "../../api/build.conditions.ts";
import type { Build, BuildStatus } from "../../api/build.ts";
import { findCondition } from "../../api/meta/conditions.ts";
import type { PlannedEvent } from "../../controller/plan.ts";

/** The Events of this step. */
export function eventsOf(build: Build, after: BuildStatus): PlannedEvent[] {
  const before = build.status ?? {};
  const events: PlannedEvent[] = [];
  const waits = findCondition(after.conditions, "Succeeded")?.message;
  if (after.startTime === undefined && buildOutcome(after.conditions) === undefined && waits !== undefined) {
    // The figure in it falls: told once is enough.
    if (findCondition(before.conditions, "Succeeded")?.message === undefined) {
      events.push({ type: "Normal", reason: "Queued", message: waits });
    }
  }
  if (after.startTime !== undefined && before.startTime === undefined) {
    const steps = (after.stepStates ?? []).map(({ name }) => name).join(", ");
    events.push({ type: "Normal", reason: "Started", message: `Started; the steps are ${steps}` });
  }
  const outcome = buildOutcome(after.conditions);
  if (outcome === undefined || buildOutcome(before.conditions) !== undefined) return events;
  if (outcome === "succeeded") {
    const { imageDigest } = after;
    const message = imageDigest === undefined ? "All steps succeeded, for no image" : `Made image "${imageDigest}"`;
    events.push({ type: "Normal", reason: "Succeeded", message });
  } else events.push({ type: "Warning", ...outcome });
  return events;
}
