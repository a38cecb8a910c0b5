/** What became of requests, as one thread counts it for metrics: how many ended with which status, and how long they took. */
import { latencySteps, type Outcome } from "../routing/link.ts";

interface Count {
  codes: Map<number, number>;
  /** How many took no longer than each of `latencySteps`, but longer than the one before; the last: longer than all. */
  steps: number[];
  ms: number;
}

/** The status that stands for a client that left before its answer began, as nginx writes it. */
export const clientLeft = 499;

export class Outcomes {
  #routes = new Map<string, Map<string, Count>>();

  /** A request has ended. */
  record({ route, revision }: { route: string; revision: string }, status: number, ms: number): void {
    const count = this.#countOf(route, revision);
    count.codes.set(status, (count.codes.get(status) ?? 0) + 1);
    let step = 0;
    while (step < latencySteps.length && ms > (latencySteps[step] ?? 0) * 1_000) step++;
    count.steps[step] = (count.steps[step] ?? 0) + 1;
    // The machine's clock may be set back.
    count.ms += Math.max(0, ms);
  }

  #countOf(route: string, revision: string): Count {
    let revisions = this.#routes.get(route);
    if (revisions === undefined) this.#routes.set(route, (revisions = new Map()));
    let count = revisions.get(revision);
    if (count === undefined) {
      count = { codes: new Map(), steps: Array.from({ length: latencySteps.length + 1 }, () => 0), ms: 0 };
      revisions.set(revision, count);
    }
    return count;
  }

  /** What was counted since the last call; counting begins anew. */
  take(): Outcome[] {
    const taken: Outcome[] = [];
    for (const [route, revisions] of this.#routes) {
      for (const [revision, { codes, steps, ms }] of revisions) {
        taken.push({ route, revision, codes: Object.fromEntries(codes), steps, ms });
      }
    }
    if (taken.length > 0) this.#routes = new Map();
    return taken;
  }
}
