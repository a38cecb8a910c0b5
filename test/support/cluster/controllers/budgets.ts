/** Stand-in for the disruption controller: how many Pods of a budget may go now. */
import type { KubeObject } from "../../../../src/api/meta/types.ts";
import { rfc3339 } from "../../../../src/lib/clock.ts";
import { PodDisruptionBudget } from "../kinds/kinds.ts";
import { Pod } from "../kinds/workloads.ts";
import { selects } from "./select.ts";
import { all, type Controller, type ControllerParts, keyOfObject, read, runController, writeStatus } from "./tools.ts";
import { isReady, type PodObject, type StateCondition } from "./types.ts";

interface BudgetObject extends KubeObject {
  spec: {
    minAvailable?: number | string;
    maxUnavailable?: number | string;
    selector?: { matchLabels?: Record<string, string> };
  };
  status?: { disruptedPods?: Record<string, string>; conditions?: StateCondition[] };
}

export function runBudgets(parts: ControllerParts): Controller {
  return runController(parts, {
    name: "budgets",
    follows: [PodDisruptionBudget, Pod],
    keys: (kind, object) =>
      kind === PodDisruptionBudget
        ? [keyOfObject(kind, object)]
        : all<BudgetObject>(parts, PodDisruptionBudget, object.metadata.namespace ?? "")
            .filter(({ spec }) => selects(spec.selector, object))
            .map((budget) => keyOfObject(PodDisruptionBudget, budget)),
    work: (key) => reconcile(parts, key),
  });
}

function part(value: number | string, of: number): number {
  return typeof value === "number" ? value : Math.ceil((Number.parseInt(value, 10) / 100) * of);
}

async function reconcile(parts: ControllerParts, key: string): Promise<void> {
  const budget = read(parts, PodDisruptionBudget, key) as BudgetObject | undefined;
  if (budget === undefined) return;
  const { spec, metadata, status = {} } = budget;
  const pods = all<PodObject>(parts, Pod, metadata.namespace ?? "").filter((pod) => selects(spec.selector, pod));
  const alive = pods.filter((pod) => pod.metadata.deletionTimestamp === undefined);
  // An eviction that was allowed counts until its Pod has been marked.
  const disrupted = Object.entries(status.disruptedPods ?? {}).filter(([name]) =>
    alive.some((pod) => pod.metadata.name === name),
  );
  const names = new Set(disrupted.map(([name]) => name));
  const expectedPods = pods.length;
  const desiredHealthy =
    spec.maxUnavailable === undefined
      ? part(spec.minAvailable ?? 0, expectedPods)
      : Math.max(0, expectedPods - part(spec.maxUnavailable, expectedPods));
  const currentHealthy = alive.filter((pod) => isReady(pod) && !names.has(pod.metadata.name)).length;
  const disruptionsAllowed = Math.max(0, currentHealthy - desiredHealthy);
  const allowed = disruptionsAllowed > 0;
  const before = status.conditions?.find(({ type }) => type === "DisruptionAllowed");
  const word = allowed ? "True" : "False";
  const now = rfc3339(parts.clock.now());
  const condition = {
    type: "DisruptionAllowed",
    status: word,
    observedGeneration: metadata.generation ?? 1,
    lastTransitionTime: before?.status === word ? (before.lastTransitionTime ?? now) : now,
    reason: allowed ? "SufficientPods" : "InsufficientPods",
    message: "",
  };
  const next = {
    observedGeneration: metadata.generation ?? 1,
    ...(disrupted.length === 0 ? {} : { disruptedPods: Object.fromEntries(disrupted) }),
    disruptionsAllowed,
    currentHealthy,
    desiredHealthy,
    expectedPods,
    conditions: [condition],
  };
  await writeStatus(parts, PodDisruptionBudget, { object: budget, status: next });
}
