/** Printer columns that many kinds have. */
import type { PrinterColumn } from "./meta/kind.ts";
import type { Condition, KubeObject } from "./meta/types.ts";

/** An object whose status has conditions. */
export interface WithConditions extends KubeObject {
  status?: { conditions?: readonly Condition[] };
}

/** The condition of a type, where there is one. */
export function conditionOf(object: WithConditions, type: string): Condition | undefined {
  return object.status?.conditions?.find((condition) => condition.type === type);
}

export const ageColumn: PrinterColumn<KubeObject> = {
  name: "Age",
  type: "date",
  description: "How long ago the object was created.",
  priority: 0,
  jsonPath: ".metadata.creationTimestamp",
  value: (object) => object.metadata.creationTimestamp,
};

export const readyColumn: PrinterColumn<WithConditions> = {
  name: "Ready",
  type: "string",
  description: "The status of condition Ready.",
  priority: 0,
  jsonPath: ".status.conditions[?(@.type=='Ready')].status",
  value: (object) => conditionOf(object, "Ready")?.status,
};

export const reasonColumn: PrinterColumn<WithConditions> = {
  name: "Reason",
  type: "string",
  description: "The reason of condition Ready.",
  priority: 0,
  jsonPath: ".status.conditions[?(@.type=='Ready')].reason",
  value: (object) => conditionOf(object, "Ready")?.reason,
};
