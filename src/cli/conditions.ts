import type { Condition } from "../api/meta/types.ts";
import { configurationGenerationAnnotation } from "../api/labels.ts";
import type { Revision } from "./objects.ts";

interface WithConditions {
  status?: { conditions?: readonly Condition[] };
}

/** One condition of an object; undefined where it has none of that type. */
export function conditionOf(object: WithConditions | undefined, type: string): Condition | undefined {
  return object?.status?.conditions?.find((condition) => condition.type === type);
}

/** Whether a condition is True. */
export function isTrue(object: WithConditions | undefined, type: string): boolean {
  return conditionOf(object, type)?.status === "True";
}

/** `reason: message` of a condition, as far as it has them. */
export function explain(condition: Pick<Condition, "reason" | "message"> | undefined): string {
  return [condition?.reason, condition?.message].filter((text) => text !== undefined && text !== "").join(": ");
}

/** Reasons of a Ready condition that is False while all goes well. */
const working = new Set(["Deploying", "Building"]);

/** Why a Revision failed: its Ready condition, where that is False for good. */
export function failureOf(revision: Revision | undefined): Condition | undefined {
  const ready = conditionOf(revision, "Ready");
  return ready?.status === "False" && !working.has(ready.reason ?? "") ? ready : undefined;
}

/** The generation of the Configuration that a Revision was made from; 0 where it isn't known. */
export function generationOf(revision: Revision): number {
  return Number(revision.metadata.annotations?.[configurationGenerationAnnotation] ?? 0);
}
