/** What a workload needs done: pure, so that each case is a row in a table. */
import type { InstancePhase, Standby } from "../workloads.ts";

export interface PlannedInstance {
  id: string;
  /** Identity of the spec that it was made from. */
  hash: string;
  phase: InstancePhase;
  createdAt: number;
  /** On its way out already. */
  leaving: boolean;
  /** It stands by, or is on its way there. */
  resting: boolean;
  /** It was made a moment ago, and isn't ready. */
  booting: boolean;
}

export interface Wanted {
  count: number;
  /** Identity of the spec. */
  hash: string;
  standby: Standby;
  /** Most that may boot at once: more would only take the processor from each other, and from who is served. */
  mostBooting: number;
}

export interface WorkloadPlan {
  /** How many to make now. */
  create: number;
  /** More are to be made, once fewer boot. */
  postponed: boolean;
  /** Whether to make one that stands by. */
  prepare: boolean;
  /** Ids of those that stand by to go on. */
  wake: string[];
  /** Ids to drain and freeze. */
  freeze: string[];
  /** Ids to drain and stop. */
  stop: string[];
}

/**
 * Too many: those that don't work go first, then the youngest. Of another spec: each goes once a ready one of the wanted spec replaces it, and at once where it
 * isn't ready itself. Too few: what stands by goes on first, the frozen before the prepared. Of those that stand by one is kept, while none is
 * wanted.
 */
export function planWorkload(wanted: Wanted, instances: readonly PlannedInstance[]): WorkloadPlan {
  const { count, hash } = wanted;
  const staying = instances.filter((one) => !one.leaving);
  const keepFirst = (a: PlannedInstance, b: PlannedInstance) => worth(b) - worth(a) || a.createdAt - b.createdAt;
  const resting = staying.filter((one) => one.resting && one.hash === hash).sort(keepFirst);
  const current = staying.filter((one) => !one.resting && one.hash === hash).sort(keepFirst);
  const outdated = staying.filter((one) => one.hash !== hash).sort(keepFirst);
  const ready = current.filter((one) => one.phase === "ready").length;
  const bridging = outdated.filter((one) => one.phase === "ready" && !one.resting).slice(0, Math.max(0, count - ready));
  const woken = resting.slice(0, Math.max(0, count - current.length));
  const { freeze, kept, prepare } = count > 0 ? nothing : standBy(wanted.standby, current, resting);
  const staysAs = new Set([...woken, ...freeze, ...kept]);
  const missing = Math.max(0, count - current.length - woken.length);
  const booting = current.filter((one) => one.booting).length + woken.length;
  const create = Math.min(missing, Math.max(0, wanted.mostBooting - booting));
  const surplus = [...current.slice(count), ...resting].filter((one) => !staysAs.has(one));
  return {
    create,
    postponed: create < missing,
    prepare,
    wake: idsOf(woken),
    freeze: idsOf(freeze),
    stop: idsOf([...surplus, ...outdated.filter((one) => !bridging.includes(one))]),
  };
}

interface StandingBy {
  freeze: PlannedInstance[];
  kept: PlannedInstance[];
  prepare: boolean;
}

const nothing: StandingBy = { freeze: [], kept: [], prepare: false };

/** Who stands by while none is wanted. */
function standBy(
  standby: Standby,
  current: readonly PlannedInstance[],
  resting: readonly PlannedInstance[],
): StandingBy {
  if (standby === "none") return nothing;
  // One that was frozen, or is about to be, was started; one that is prepared wasn't.
  const kept = resting.filter((one) => wasStarted(one) === (standby === "frozen")).slice(0, 1);
  if (kept.length > 0) return { ...nothing, kept };
  if (standby === "prepared") return { ...nothing, prepare: true };
  return { ...nothing, freeze: current.filter((one) => one.phase === "ready").slice(0, 1) };
}

function wasStarted({ phase }: PlannedInstance): boolean {
  return phase !== "creating" && phase !== "prepared";
}

function idsOf(instances: readonly PlannedInstance[]): string[] {
  return instances.map(({ id }) => id);
}

function worth({ phase }: PlannedInstance): number {
  if (phase === "ready" || phase === "frozen") return 2;
  return phase === "waiting" ? 0 : 1;
}
