/** How a Deployment gets from so many replicas to fewer without a request lost. Pure. */

export interface PlannedPod {
  name: string;
  ready: boolean;
  /** Being taken out of every route table by this process, before anybody deletes it. */
  draining: boolean;
  /** No gateway sends it anything any more. */
  drained: boolean;
  /** Milliseconds since the epoch. */
  createdAt: number;
}

export interface ScalePlan {
  /** What the Deployment is told. */
  replicas: number;
  /** Pods to take out of the tables. */
  drain: string[];
  /** Pods to put back: more are wanted than a moment ago, or another went. */
  keep: string[];
  /** Drained Pods that the ReplicaSet is to choose when it makes them fewer. */
  expend: string[];
}

/**
 * Too many: those that aren't ready go first, and at once, as the ReplicaSet too chooses them first; then those that are drained or on their way
 * there, then the youngest. One that is ready is drained before replicas are fewer by it.
 * @param replicas what the Deployment is told now; undefined where there is none
 * @param pods without those that are being deleted or have ended
 */
export function planScale(count: number, replicas: number | undefined, pods: readonly PlannedPod[]): ScalePlan {
  const ranked = pods.toSorted((a, b) => cheapness(b) - cheapness(a) || b.createdAt - a.createdAt);
  const told = replicas ?? count;
  // Beyond what the Deployment is told there are Pods of a rollout, which are its own matter, and those that are to go now.
  const surplus = Math.max(0, Math.min(pods.length, Math.max(told, count)) - count);
  const leaving = ranked.filter((pod) => pod.draining).slice(0, Math.max(0, pods.length - count));
  const victims = told > count ? ranked.slice(0, surplus) : leaving;
  const free = victims.filter((pod) => !pod.ready || pod.drained);
  const staying = ranked.filter((pod) => !victims.includes(pod));
  const next = told > count ? Math.max(count, Math.min(told, pods.length) - free.length) : count;
  return {
    replicas: next,
    drain: victims.filter((pod) => pod.ready && !pod.draining).map(({ name }) => name),
    keep: staying.filter((pod) => pod.draining).map(({ name }) => name),
    // Where all go there is nothing to choose.
    expend: next === 0 ? [] : victims.filter((pod) => pod.ready && pod.drained).map(({ name }) => name),
  };
}

function cheapness({ ready, draining, drained }: PlannedPod): number {
  if (!ready) return 3;
  return drained ? 2 : draining ? 1 : 0;
}
