/**
 * Brings the load of all threads together, once a second, for the autoscaler, and what becomes of requests, for metrics. One report is under
 * way at a time: where a thread is too busy to answer within the second, the next report covers that time too.
 */
import type { Clock } from "../lib/clock.ts";
import type { GatewayMessage, Outcome, RevisionLoad as LinkLoad } from "../routing/link.ts";
import type { RevisionLoad, ToThread } from "./messages.ts";

const everyMs = 1_000;

export interface LoadReportsOptions {
  threads: number;
  clock: Clock;
  toThread(thread: number, message: ToThread): void;
  toControl(message: GatewayMessage): void;
  /** How many spans were sent and dropped since the last call; absent where there are no traces. */
  spans?: (() => { sent: number; dropped: number }) | undefined;
}

/** What a thread says when it is asked. */
export interface ThreadReport {
  revisions: readonly RevisionLoad[];
  outcomes: readonly Outcome[];
  /** Lines of the access log that were dropped since the last report. */
  linesDropped: number;
}

export class LoadReports {
  readonly #options: LoadReportsOptions;
  /** Of threads that have answered; control adds them up. */
  readonly #outcomes: Outcome[] = [];
  #linesDropped = 0;
  /** The last report told of requests that were under way. */
  #told = false;
  #missing = 0;
  #reportedAt: number;
  /** By Revision; in place of its concurrency what its threads say. */
  #sums = new Map<string, LinkLoad>();

  constructor(options: LoadReportsOptions) {
    this.#options = options;
    this.#reportedAt = options.clock.now();
  }

  /** Asks the threads now and then, and counts time from here on; called when all run. */
  start(): void {
    this.#reportedAt = this.#options.clock.now();
    this.#askLater();
  }

  #askLater(): void {
    const { clock, threads } = this.#options;
    clock.after(everyMs, () => {
      if (this.#missing === 0) {
        this.#missing = threads;
        for (let thread = 0; thread < threads; thread++) this.#options.toThread(thread, { type: "report" });
      }
      this.#askLater();
    });
  }

  /** A thread answers. */
  fromThread({ revisions, outcomes, linesDropped: lines }: ThreadReport): void {
    this.#outcomes.push(...outcomes);
    this.#linesDropped += lines;
    for (const { revision, area, requests, waiting } of revisions) {
      const sum = this.#sums.get(revision);
      if (sum === undefined) this.#sums.set(revision, [revision, area, requests, waiting]);
      else {
        sum[1] += area;
        sum[2] += requests;
        sum[3] += waiting;
      }
    }
    this.#missing -= 1;
    if (this.#missing > 0) return;
    const now = this.#options.clock.now();
    const ms = Math.max(0, now - this.#reportedAt);
    this.#reportedAt = now;
    const seen = [...this.#sums.values()];
    this.#sums = new Map();
    this.#options.toControl({ type: "load", ms, revisions: seen.map((sum) => averaged(sum, ms)) });
    // What was under way may be gone without an end: into another Revision's hands, or with a thread. Then that is said, too.
    if (this.#outcomes.length > 0 || this.#told)
      this.#options.toControl({ type: "outcomes", outcomes: [...this.#outcomes] });
    this.#told = this.#outcomes.some(({ running }) => running > 0);
    this.#outcomes.length = 0;
    const { sent, dropped } = this.#options.spans?.() ?? { sent: 0, dropped: 0 };
    const linesDropped = this.#linesDropped;
    this.#linesDropped = 0;
    if (linesDropped + sent + dropped === 0) return;
    this.#options.toControl({ type: "seen", linesDropped, spansSent: sent, spansDropped: dropped });
  }
}

/**
 * Over the report's time and not over each thread's own, which is another where a thread is late: so whoever adds up what is told over time has
 * neither more nor less than there was. Fewer digits make a line shorter, and nobody counts requests in millionths.
 */
function averaged([revision, area, requests, waiting]: LinkLoad, ms: number): LinkLoad {
  return [revision, Math.round((area * 1e4) / Math.max(1, ms)) / 1e4, requests, waiting];
}
