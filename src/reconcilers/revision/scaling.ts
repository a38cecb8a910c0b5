/** What a Revision's status and Events say of its scaling. Pure. */
import type { RevisionStatus } from "../../api/revision.ts";
import type { ScalingStep } from "../../autoscaler/port.ts";
import type { PlannedEvent } from "../../controller/plan.ts";

/** Changes that the status keeps. */
const kept = 10;

/** The last changes: those of this run of control after those that the status tells already. */
export function scalingStatus(
  status: RevisionStatus,
  steps: readonly ScalingStep[],
): Pick<RevisionStatus, "scaling"> | undefined {
  const before = status.scaling ?? [];
  const last = before.at(-1);
  const since = last === undefined ? 0 : Date.parse(last.time);
  const fresh = steps
    .filter(({ at }) => at > since)
    .map(({ at, from, to, why }) => ({ time: new Date(at).toISOString(), from, to, message: why }));
  const scaling = [...before, ...fresh].slice(-kept);
  return scaling.length === 0 ? undefined : { scaling };
}

/** The Events of changes that none has told yet. */
export function scalingEvents(steps: readonly ScalingStep[], toldAt: number): PlannedEvent[] {
  return steps
    .filter(({ at }) => at > toldAt)
    .map(({ from, to, gist, limited }) => ({
      type: limited ? "Warning" : "Normal",
      reason: limited ? "MaxScaleReached" : to > from ? "ScaledUp" : "ScaledDown",
      message: `Scaled from ${from} to ${to}: ${gist}`,
      budget: "scaling",
    }));
}
