/** What a person would ask about a Revision: what changed between the status that is there and the one to come. Pure. */
import { autoscalingOf, autoscalingPrefix } from "../../api/autoscaling.ts";
import { findCondition, isTrue } from "../../api/meta/conditions.ts";
import { revisionReasons } from "../../api/revision.conditions.ts";
import type { Condition } from "../../api/meta/types.ts";
import type { Revision } from "../../api/revision.ts";
import type { PlannedEvent } from "../../controller/plan.ts";
import type { WorkloadState } from "../../runtime/workloads.ts";
import { missingFault, problemReason } from "./conditions.ts";

export interface EventsInput {
  readonly revision: Revision;
  readonly workload: WorkloadState | undefined;
  readonly toldProblemAt: number | undefined;
  readonly missing: readonly string[];
  /** False: an instance can't be frozen here. */
  readonly freezes?: boolean;
}

/** The Events of this step. A crash that happens again is told again, which raises the first Event's count. */
export function eventsOf(input: EventsInput, after: readonly Condition[]): PlannedEvent[] {
  const before = input.revision.status?.conditions;
  const events: PlannedEvent[] = [];
  const problem = input.workload?.problem;
  const healthBefore = findCondition(before, "ContainerHealthy");
  const health = findCondition(after, "ContainerHealthy");

  if (input.missing.length > 0) {
    events.push({ type: "Warning", once: true, ...missingFault(input.missing) });
  } else if (problem !== undefined) {
    if (isNews(input, before, after)) {
      events.push({ type: "Warning", reason: problemReason(problem), message: detailOf(problem.message, health) });
    }
  } else if (health?.status === "False" && health.message !== healthBefore?.message) {
    events.push({ type: "Warning", reason: health.reason ?? "Unhealthy", message: health.message ?? "" });
  }
  const build = findCondition(after, "BuildComplete");
  if (build?.status === "False" && !isFalse(before, "BuildComplete")) {
    events.push({ type: "Warning", reason: revisionReasons.BuildFailed, message: build.message ?? "" });
  }
  const resources = findCondition(after, "ResourcesAvailable");
  if (problem === undefined && resources?.status === "False" && !isFalse(before, "ResourcesAvailable")) {
    events.push({ type: "Warning", reason: resources.reason ?? "Unavailable", message: resources.message ?? "" });
  }
  if (isTrue(after, "Ready") && !isTrue(before, "Ready")) {
    events.push({ type: "Normal", reason: "Ready", message: "An instance is ready" });
    if (input.freezes === false && autoscalingOf(input.revision.metadata.annotations).idle === "freeze") {
      const message = `${autoscalingPrefix}idle "freeze" means "stop" on a Kubernetes: its last instance ends when nobody asks for it`;
      events.push({ type: "Warning", reason: "FreezeUnsupported", message });
    }
  } else if (isTrue(after, "ContainerHealthy") && isFalse(before, "ContainerHealthy")) {
    events.push({ type: "Normal", reason: "Recovered", message: "An instance is ready again" });
  }
  return events;
}

/** Whether the problem is later than the last told one; after a restart of control, whether the conditions don't tell it yet. */
function isNews(input: EventsInput, before: readonly Condition[] | undefined, after: readonly Condition[]): boolean {
  if (input.toldProblemAt !== undefined) return input.workload?.problem?.at !== input.toldProblemAt;
  return ["ContainerHealthy", "ResourcesAvailable"].some(
    (type) => findCondition(before, type)?.message !== findCondition(after, type)?.message,
  );
}

/** The condition's sentence where it is about this problem, else the problem's own. */
function detailOf(message: string, health: Condition | undefined): string {
  return health?.status === "False" && health.message?.includes(message) === true ? health.message : message;
}

function isFalse(conditions: readonly Condition[] | undefined, type: string): boolean {
  return findCondition(conditions, type)?.status === "False";
}
