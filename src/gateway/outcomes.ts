/**
 * What becomes of requests, as one thread counts it for metrics: how many are under way and wait, how many ended with which status, and how
 * long they took. Plain numbers of the thread's own, joined when they are asked for.
 */
import { latencySteps, type Outcome } from "../routing/link.ts";

const bounds = Float64Array.from(latencySteps, (seconds) => seconds * 1_000);

/** The requests of one Route that go to one Revision. */
export class Tally {
  readonly route: string;
  readonly revision: string;
  /** Requests that have begun and not ended; those of them that wait for an instance. */
  running = 0;
  waiting = 0;
  readonly #codes = new Map<number, number>();
  /** How many took no longer than each of `latencySteps`, but longer than the one before; the last: longer than all. */
  readonly #steps = new Uint32Array(latencySteps.length + 1);
  #ms = 0;
  #guard: [requests: number, errors: number, slow: number] | undefined;

  constructor(route: string, revision: string) {
    this.route = route;
    this.revision = revision;
  }

  /** A request has ended, with that status, after so many milliseconds. */
  end(status: number, ms: number): void {
    this.running -= 1;
    this.#codes.set(status, (this.#codes.get(status) ?? 0) + 1);
    let step = 0;
    while (step < bounds.length && ms > (bounds[step] ?? 0)) step++;
    this.#steps[step] = (this.#steps[step] ?? 0) + 1;
    // The machine's clock may be set back.
    this.#ms += Math.max(0, ms);
  }

  /**
   * The same request counts for its Route's guard. A client that leaves says nothing of the Revision, unless it waited for too long.
   * @param slow whether its answer took longer to begin than the guard allows
   */
  judge(status: number, slow: boolean): void {
    if (status === clientLeft && !slow) return;
    const guard = (this.#guard ??= [0, 0, 0]);
    guard[0] += 1;
    if (status >= 500) guard[1] += 1;
    if (slow) guard[2] += 1;
  }

  /** What was counted since the last call, and what is under way; undefined where there is nothing of either. */
  take(): Outcome | undefined {
    if (this.#codes.size === 0 && this.running === 0) return undefined;
    const { route, revision, running, waiting } = this;
    const codes = Object.fromEntries(this.#codes);
    const counted = { route, revision, codes, steps: [...this.#steps], ms: this.#ms, running, waiting };
    const taken = this.#guard === undefined ? counted : { ...counted, guard: this.#guard };
    this.#guard = undefined;
    this.#codes.clear();
    this.#steps.fill(0);
    this.#ms = 0;
    return taken;
  }
}

/** The status that stands for a client that left before its answer began, as nginx writes it. */
export const clientLeft = 499;

export class Outcomes {
  readonly #routes = new Map<string, Map<string, Tally>>();
  /** The one that was asked for last: mostly the next one, too. */
  #last: Tally | undefined;

  /** A request has begun. Both names are empty where none was found. */
  begin(route: string, revision: string): Tally {
    const tally = this.#tallyOf(route, revision);
    tally.running += 1;
    return tally;
  }

  /** A request was refused before anything was known of where it goes. */
  refused(status: number): void {
    this.begin("", "").end(status, 0);
  }

  /** What was counted since the last call, and what is under way now. */
  take(): Outcome[] {
    const taken: Outcome[] = [];
    this.#last = undefined;
    for (const [route, revisions] of this.#routes) {
      for (const [revision, tally] of revisions) {
        const outcome = tally.take();
        if (outcome !== undefined) taken.push(outcome);
        // Nothing holds on to it: Revisions come and go.
        else revisions.delete(revision);
      }
      if (revisions.size === 0) this.#routes.delete(route);
    }
    return taken;
  }

  #tallyOf(route: string, revision: string): Tally {
    const last = this.#last;
    if (last !== undefined && last.route === route && last.revision === revision) return last;
    let revisions = this.#routes.get(route);
    if (revisions === undefined) this.#routes.set(route, (revisions = new Map()));
    let tally = revisions.get(revision);
    if (tally === undefined) revisions.set(revision, (tally = new Tally(route, revision)));
    this.#last = tally;
    return tally;
  }
}
