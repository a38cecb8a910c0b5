/** What a workload needs done: pure, so that each case is a row in a table. */
import type { InstancePhase } from "../workloads.ts";

export interface PlannedInstance {
  id: string;
  /** Identity of the spec that it was made from. */
  hash: string;
  phase: InstancePhase;
  createdAt: number;
  /** On its way out already. */
  leaving: boolean;
}

export interface WorkloadPlan {
  /** How many to make. */
  create: number;
  /** Ids to drain and stop. */
  stop: string[];
}

/**
 * @param hash identity of the wanted spec
 *
 * Too many: those that don't work go first, then the youngest. Of another spec: each goes once a ready one of the wanted spec replaces it, and at once where it
 * isn't ready itself.
 */
export function planWorkload(desired: number, hash: string, instances: readonly PlannedInstance[]): WorkloadPlan {
  const staying = instances.filter((one) => !one.leaving);
  const keepFirst = (a: PlannedInstance, b: PlannedInstance) => worth(b) - worth(a) || a.createdAt - b.createdAt;
  const current = staying.filter((one) => one.hash === hash).sort(keepFirst);
  const outdated = staying.filter((one) => one.hash !== hash).sort(keepFirst);
  const ready = current.filter((one) => one.phase === "ready").length;
  const bridging = outdated.filter((one) => one.phase === "ready").slice(0, Math.max(0, desired - ready));
  return {
    create: Math.max(0, desired - current.length),
    stop: [...current.slice(desired), ...outdated.filter((one) => !bridging.includes(one))].map((one) => one.id),
  };
}

function worth(instance: PlannedInstance): number {
  if (instance.phase === "ready") return 2;
  return instance.phase === "waiting" ? 0 : 1;
}
